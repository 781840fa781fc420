// How many commands of one client may be under way. Alone, a client has the whole cap: depth is
// throughput. While interactive clients are about, what stands in the shards' queues is what they
// wait behind, so each deep client keeps that queue short.
//
// The rule. One command at a time is followed from sending to reply: a trip. The least trip seen is
// what the way costs without a queue; the rest of a trip was queueing (TCP Vegas, Brakmo and
// Peterson 1994; BBR's round-trip propagation time). By Little's law a window times (least +
// target) / trip is the one that leaves `target` of queueing.
// - No interactive client for `hold`: the window doubles with each trip, up to the cap.
// - One turns up: down to the floor at once, then doubling until a trip is too long.
// - Afterwards two more for each trip that is short enough and used the whole window; four too long
//   trips in a row are a standing queue, not a burst (CoDel, RFC 8289 section 3), and shrink it to
//   what the shortest of them allows, at most by half. Additive up, multiplicative down: shares of
//   several deep clients even out (Chiu and Jain 1989).
// - What may queue shrinks with the window, from about twice the target at the floor, so that a
//   client that learned too long a least trip does not push the others aside (flow scaling of
//   Swift, Kumar et al., SIGCOMM 2020).
// - Every `relearn` all windows go to the floor together, so that the least trip is measured
// without
//   each other's queue.
// - Once a large request or reply is under way, no more of them than fit into `cap_bytes`.
// A client is interactive when in four trips in a row it neither used its window nor had more than
// the floor under way. Deep clients are so not throttled for each other's sake.
//
// Owner: the session; the group belongs to the worker. One thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace ringmaster {

struct WindowRule {
  uint32_t cap = 512;
  uint32_t floor = 4;
  uint64_t floor_bytes = 64U << 10;  // requests and replies; of larger ones the floor is fewer
  uint64_t cap_bytes = 2U << 20;     // the same of the cap
  Duration target = std::chrono::microseconds(100);
  Duration hold = std::chrono::seconds(1);
  Duration relearn = std::chrono::seconds(10);
  bool operator==(const WindowRule&) const = default;
};

class Window;

// What the windows of one worker know of each other.
class WindowGroup {
 public:
  explicit WindowGroup(const WindowRule& rule = {}) : rule_(rule) {}
  WindowGroup(const WindowGroup&) = delete;
  WindowGroup& operator=(const WindowGroup&) = delete;

  const WindowRule& rule() const { return rule_; }
  void set_rule(const WindowRule& rule) { rule_ = rule; }
  // An interactive client other than `self` was served lately.
  bool Contended(const Window* self, TimePoint now) const;
  // No client at all was interactive lately.
  bool Unhurried(TimePoint now) const {
    const TimePoint at = std::max(latest_at_, elsewhere_at_);
    return at == TimePoint::min() || now - at > rule_.hold;
  }
  // The last trip of an interactive client here; min: none.
  TimePoint latest() const { return latest_at_; }
  // Of the other workers' groups, whose clients wait for the same shards.
  void NoteElsewhere(TimePoint at) { elsewhere_at_ = std::max(elsewhere_at_, at); }
  // Before a window goes away.
  void Forget(const Window* who) {
    if (latest_ == who) latest_ = nullptr;
  }

 private:
  friend class Window;
  void OnInteractive(const Window* who, TimePoint now);
  uint32_t Epoch(TimePoint now);

  WindowRule rule_;
  const Window* latest_ = nullptr;
  TimePoint latest_at_ = TimePoint::min();
  TimePoint others_at_ = TimePoint::min();  // the last by somebody else than latest_
  TimePoint elsewhere_at_ = TimePoint::min();
  TimePoint epoch_end_ = TimePoint::min();
  uint32_t epoch_ = 0;
};

class Window {
 public:
  explicit Window(WindowGroup& group) : group_(group), size_(group.rule().cap) {}
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  uint32_t size() const { return size_; }
  bool Admits(uint32_t in_flight) const { return in_flight < size_; }
  // Of a command and its reply, on the last trip.
  uint64_t bytes_each() const { return bytes_each_; }
  bool interactive() const { return calm_trips_ >= kCalmTrips; }

  // A request or reply of so many bytes, as far as is known, is under way.
  void OnSize(uint64_t bytes) {
    if (bytes > bytes_each_) OnLarger(bytes);
  }

  // `in_flight` includes these. Best once for all that a turn sent.
  void OnSent(uint32_t commands, uint32_t in_flight, TimePoint now) {
    sent_ += commands;
    peak_ = std::max(peak_, in_flight);
    if (on_trip_) return;
    on_trip_ = true;
    mark_ = sent_;
    sent_at_ = now;
  }

  // `bytes` of these requests and replies together.
  void OnReplies(uint32_t commands, uint64_t bytes, TimePoint now) {
    replied_ += commands;
    trip_commands_ += commands;
    trip_bytes_ += bytes;
    if (on_trip_ && static_cast<int32_t>(replied_ - mark_) >= 0) EndTrip(now);
  }

 private:
  static constexpr uint8_t kCalmTrips = 4;
  static constexpr uint8_t kLongTrips = 4;

  void EndTrip(TimePoint now);
  void Learn(Duration trip, TimePoint now);
  void Adapt(Duration trip, bool used_up, TimePoint now);
  void OnLongTrip(Duration trip, Duration allowed);
  void OnLarger(uint64_t bytes);
  uint32_t Cap() const;
  uint32_t Floor() const;
  Duration Target() const;

  WindowGroup& group_;
  uint32_t size_;
  uint32_t sent_ = 0;  // counts that wrap around
  uint32_t replied_ = 0;
  uint32_t mark_ = 0;  // the trip ends with this reply
  uint32_t peak_ = 0;  // most under way during the trip
  uint32_t trip_commands_ = 0;
  uint64_t trip_bytes_ = 0;
  uint64_t bytes_each_ = 0;  // of a command, on the last trip
  TimePoint sent_at_{};
  TimePoint least_since_ = TimePoint::min();
  // In nanoseconds, up to 4 s: thousands of windows lie idle.
  uint32_t least_ = UINT32_MAX;         // since least_since_
  uint32_t least_before_ = UINT32_MAX;  // in the `relearn` before
  uint32_t shortest_long_ = UINT32_MAX;
  uint32_t epoch_ = 0;
  uint8_t calm_trips_ = 0;
  uint8_t long_trips_ = 0;  // in a row
  bool on_trip_ = false;
  bool contended_ = false;
  bool doubling_ = false;
};

}  // namespace ringmaster
