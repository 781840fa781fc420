// How often a write that somebody interfered with past the proxy is tried (docs/sagas.md).
#pragma once

#include "base/clock.h"

namespace ringmaster {

class Attempts {
 public:
  static constexpr int kAgain = 3;  // after the first
  static constexpr Duration kWithin = std::chrono::seconds(1);

  // The first begins now.
  explicit Attempts(TimePoint now) : end_(now + kWithin) {}

  // One was undone. True: the next begins now.
  bool Again(TimePoint now) {
    if (made_ > kAgain || now >= end_) return false;
    ++made_;
    return true;
  }
  int made() const { return made_; }

 private:
  const TimePoint end_;
  int made_ = 1;
};

}  // namespace ringmaster
