#include "base/executor.h"

#include <utility>

namespace ringmaster {

void Executor::Run(std::function<void()> job) {
  {
    const MutexLock lock(mutex_);
    if (stop_) return;
    waiting_.push_back(std::move(job));
    if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
  }
  wake_.notify_one();
}

void Executor::Stop() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Executor::Work() {
  MutexLock lock(mutex_);
  while (true) {
    wake_.wait(lock.native(), [this]() RM_REQUIRES(mutex_) { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    const std::function<void()> job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace ringmaster
