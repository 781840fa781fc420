// Virtual time: what happens next, and nothing in between.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "base/clock.h"
#include "base/random.h"

namespace ringmaster::sim {

inline constexpr Duration kMillisecond = std::chrono::milliseconds(1);

class Clock {
 public:
  explicit Clock(uint64_t seed) : random(seed) {}

  Random random;

  Duration now() const { return now_; }
  void After(Duration delay, std::function<void()> what) {
    events_.push({now_ + delay, ++sequence_, std::move(what)});
  }
  // Between `low` and `high` milliseconds.
  Duration Around(int low, int high) {
    return kMillisecond * low +
           Duration(static_cast<int64_t>(
               random.Below(static_cast<uint64_t>(((high - low) * kMillisecond).count()) + 1)));
  }
  bool Chance(int percent) { return random.Below(100) < static_cast<uint64_t>(percent); }

  // The next event; false when there is none before `end`.
  bool Step(Duration end) {
    if (events_.empty() || events_.top().at > end) return false;
    Event event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    now_ = event.at;
    ++steps;
    event.what();
    return true;
  }
  uint64_t steps = 0;

 private:
  struct Event {
    Duration at;
    uint64_t sequence;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };
  std::priority_queue<Event> events_;
  Duration now_{};
  uint64_t sequence_ = 0;
};

}  // namespace ringmaster::sim
