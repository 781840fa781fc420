// Places where a test lets the process die as kill -9 would: RINGMASTER_CRASH_AT=after-begin in the
// environment, or after-begin:3 for the third time that it comes by. Compiled into every build, so
// that what is tested is what runs: without the variable a point is one predictable branch, and
// none lies on the way of a plain GET or SET.
#pragma once

namespace ringmaster {

extern const bool crash_points_armed;
// Dies here, or returns when it is another point's turn.
void PassCrashPoint(const char* name);

}  // namespace ringmaster

#define RM_CRASH_POINT(name)                           \
  do {                                                 \
    if (ringmaster::crash_points_armed) [[unlikely]] { \
      ringmaster::PassCrashPoint(name);                \
    }                                                  \
  } while (false)
