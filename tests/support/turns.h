// Turns a loop by hand until something is so, with a deadline instead of a sleep.
#pragma once

#include <sched.h>

#include <chrono>

#include "net/loop.h"

namespace ringmaster {

template <typename Condition>
bool TurnUntil(Loop& loop, Condition condition, Duration patience = std::chrono::seconds(20)) {
  const TimePoint deadline = MonotonicNow() + patience;
  while (!condition()) {
    if (MonotonicNow() > deadline) return false;
    loop.RunOnce();
    sched_yield();
  }
  return true;
}

}  // namespace ringmaster
