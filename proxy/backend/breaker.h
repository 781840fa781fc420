// Decides when a shard counts as gone, so that its commands fail at once instead of waiting, and
// when to try it again. Pure policy: events and times in, decisions out. One per shard and process.
//
// Opens after kFailures failures in a row. While open, one attempt at a time is allowed, spaced by
// exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015), so
// that a recovering shard sees few connections however many clients wait (FIELD.md B6).
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/random.h"

namespace ringmaster {

struct BreakerOptions {
  int failures = 5;
  Duration first_delay = std::chrono::milliseconds(50);
  Duration longest_delay = std::chrono::seconds(5);
};

class Breaker {
 public:
  Breaker(const BreakerOptions& options, uint64_t seed) : options_(options), random_(seed) {}

  bool open() const { return failures_ >= options_.failures; }
  int failures() const { return failures_; }

  // May an attempt to connect start now? True at most once until its outcome is reported; an
  // attempt whose outcome never comes is forgotten after `longest_delay`.
  bool AllowAttempt(TimePoint now);
  // When to ask again; not before `now`.
  TimePoint NextAttempt(TimePoint now) const;

  void OnSuccess();
  void OnFailure(TimePoint now);
  // One that says of itself that it does not serve: it is open at once.
  void OnRefusal(TimePoint now);

 private:
  const BreakerOptions options_;
  Random random_;
  int failures_ = 0;
  bool attempting_ = false;
  TimePoint attempt_started_{};
  TimePoint next_attempt_{};
};

}  // namespace ringmaster
