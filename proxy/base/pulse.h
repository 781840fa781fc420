// Where a loop is, for whoever watches it from another thread (server/watchdog.h): its turns are
// counted, and what it is at is noted before each callback. One relaxed store each time.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringmaster {

class Pulse {
 public:
  enum class At : uint8_t {
    kNowhere,  // the loop does not run
    kAsleep,
    kSocket,
    kConnection,
    kTimer,
    kMessage,
    kSignal,
    kEndOfTurn,
  };
  struct Reading {
    uint64_t turn;
    At at;
    bool operator==(const Reading&) const = default;
  };

  // By the loop's thread.
  void Note(At at) {
    word_.store(turn_ << 8 | static_cast<uint64_t>(at), std::memory_order_relaxed);
  }
  void EndTurn() {
    ++turn_;
    Note(At::kAsleep);
  }
  void SetThread(int thread) { thread_.store(thread, std::memory_order_relaxed); }

  // Any thread.
  Reading Read() const {
    const uint64_t word = word_.load(std::memory_order_relaxed);
    return {word >> 8, static_cast<At>(word & 0xff)};
  }
  int thread() const { return thread_.load(std::memory_order_relaxed); }  // as the system names it

 private:
  uint64_t turn_ = 1;
  std::atomic<uint64_t> word_{0};
  std::atomic<int> thread_{0};
};

}  // namespace ringmaster
