// Calls back once or repeatedly on its loop's thread. Destruction cancels.
#pragma once

#include <functional>

#include "base/clock.h"

namespace ringmaster {

class Loop;

class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Resolution is a millisecond. Starting again replaces the earlier start. The callback may start,
  // stop or destroy the timer.
  void StartOnce(Duration after);
  void StartEvery(Duration period);
  void Stop();
  bool active() const;

 private:
  struct State;
  State* state_;
};

}  // namespace ringmaster
