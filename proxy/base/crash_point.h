// Places where a test lets the process die as kill -9 would: RINGMASTER_CRASH_AT=saga-begun in the
// environment, or saga-begun:3 for the third time that it comes by. Compiled into every build, so
// that what is tested is what runs: without the variable a point is one predictable branch, and
// none lies on the way of a plain GET or SET.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringmaster {

extern const bool crash_points_armed;
// Dies here, or returns when it is another point's turn. `number`: of a step, "saga-step-done-2".
inline constexpr size_t kNoNumber = SIZE_MAX;
void PassCrashPoint(const char* name, size_t number = kNoNumber);

}  // namespace ringmaster

// RM_CRASH_POINT("name") or RM_CRASH_POINT("name", number).
#define RM_CRASH_POINT(...)                            \
  do {                                                 \
    if (ringmaster::crash_points_armed) [[unlikely]] { \
      ringmaster::PassCrashPoint(__VA_ARGS__);         \
    }                                                  \
  } while (false)
