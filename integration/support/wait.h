// Waiting for a condition with a deadline, in place of sleeping and hoping.
#pragma once

#include <chrono>
#include <thread>

#include "base/clock.h"

namespace ringmaster::integration {

inline constexpr Duration kPatience = std::chrono::seconds(10);

// True as soon as `condition()` is; false when it was not within `patience`.
template <typename Condition>
bool Eventually(Condition condition, Duration patience = kPatience) {
  const TimePoint deadline = MonotonicNow() + patience;
  while (!condition()) {
    if (MonotonicNow() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace ringmaster::integration
