// Owns tasks that nobody awaits, so that no task is ever ownerless. Finished ones are freed at the
// next Add or Reap; the rest are destroyed with the set. One thread.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "coro/task.h"

namespace ringmaster {

class TaskSet {
 public:
  TaskSet() = default;
  TaskSet(const TaskSet&) = delete;
  TaskSet& operator=(const TaskSet&) = delete;

  // Takes the task over and starts it.
  void Add(Task<void> task) {
    Reap();
    tasks_.push_back(std::make_unique<Task<void>>(std::move(task)));
    tasks_.back()->Start();
  }
  void Reap() {
    std::erase_if(tasks_, [](const auto& task) { return task->done(); });
  }
  // Tasks under way.
  size_t count() const {
    return static_cast<size_t>(std::count_if(tasks_.begin(), tasks_.end(),
                                             [](const auto& task) { return !task->done(); }));
  }

 private:
  std::vector<std::unique_ptr<Task<void>>> tasks_;
};

}  // namespace ringmaster
