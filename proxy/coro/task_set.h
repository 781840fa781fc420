// Owns tasks that nobody awaits, so that no task is ever ownerless. A task is freed the moment it
// is done; those still under way are destroyed with the set. One thread.
#pragma once

#include <coroutine>
#include <cstddef>

#include "base/intrusive_list.h"
#include "coro/task.h"

namespace ringmaster {

class TaskSet {
 public:
  TaskSet() = default;
  TaskSet(const TaskSet&) = delete;
  TaskSet& operator=(const TaskSet&) = delete;
  ~TaskSet() { Clear(); }
  // Destroys what is under way. REQUIRES: none of its tasks is running, that is, we are not called
  // from one of them.
  void Clear() {
    while (Promise* promise = tasks_.PopFront()) {
      --count_;
      std::coroutine_handle<Promise>::from_promise(*promise).destroy();
    }
  }

  // Takes the task over and starts it. REQUIRES: not started.
  void Add(Task<void> task) {
    const Task<void>::Handle handle = task.Release();
    handle.promise().set_owner(count_);
    tasks_.PushBack(handle.promise());
    ++count_;
    handle.resume();
  }

  // Tasks under way.
  size_t count() const { return count_; }

 private:
  using Promise = Task<void>::promise_type;
  IntrusiveList<Promise, TaskSet> tasks_;  // in the order of their coming
  size_t count_ = 0;
};

}  // namespace ringmaster
