// Calls back once or repeatedly on its loop's thread. Destruction cancels.
//
// A timer that is started in a timer's callback is due in a later turn of the loop, whatever its
// time: timers that start each other again and again never keep the loop from turning.
#pragma once

#include <functional>

#include "base/clock.h"

struct uv_timer_s;

namespace ringmaster {

class Loop;

class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Resolution is a millisecond, rounded up: never before `after` is over, by the clock of
  // Loop::Now(). Starting again replaces the earlier start. The callback may start, stop or destroy
  // the timer.
  void StartOnce(Duration after);
  void StartEvery(Duration period);
  void Stop();
  bool active() const;

 private:
  struct State;
  static void Fire(uv_timer_s* timer);

  State* state_;
};

}  // namespace ringmaster
