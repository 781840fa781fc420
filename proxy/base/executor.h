// A thread for what must wait for others: jobs in the order in which they came, one at a time.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

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

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;  // guarded by mutex_
  bool stop_ = false;                          // guarded by mutex_
  std::thread thread_;
};

}  // namespace ringmaster
