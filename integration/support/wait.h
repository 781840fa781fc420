// Waiting for a condition with a deadline, in place of sleeping and hoping.
#pragma once

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/clock.h"

namespace ringmaster::integration {

// Whether the program under test was built with a sanitizer, which RINGMASTER_SANITIZED announces
// (scripts/sanitize): it is several times slower then, and its memory says nothing about it.
inline bool Sanitized() { return std::getenv("RINGMASTER_SANITIZED") != nullptr; }
// What a bound on times is to be multiplied by.
inline int Slowness() { return Sanitized() ? 8 : 1; }

inline const Duration kPatience = std::chrono::seconds(Sanitized() ? 60 : 10);

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
