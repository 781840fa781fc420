// A thread for what must wait for others: jobs in the order in which they came, one at a time.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace ringmaster {

class Executor {
 public:
  Executor() = default;
  ~Executor() { Stop(); }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Any thread. The thread begins with the first one.
  void Run(std::function<void()> job);
  // Waits for the one under way; those behind it are dropped, as are later ones.
  void Stop();

 private:
  void Work();

  Mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_ RM_GUARDED_BY(mutex_);
  bool stop_ RM_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // begun under mutex_, and not once it stops
};

}  // namespace ringmaster
