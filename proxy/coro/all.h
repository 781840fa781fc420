// `co_await All(std::move(tasks))` starts every task and waits for every one, also when one of them
// failed: nobody undoes next to a write that is still in flight. Results in the order of the tasks.
#pragma once

#include <coroutine>
#include <vector>

#include "coro/completion.h"
#include "coro/task.h"

namespace ringmaster {
namespace internal {

struct Countdown {
  explicit Countdown(size_t count) : left(count) {}
  void Arrive() {
    if (--left == 0) done.Complete(true);
  }
  size_t left;
  Completion<bool> done;
};

template <typename T>
Task<void> RunInto(Task<T> task, std::optional<T>& result, Countdown& countdown) {
  result.emplace(co_await task);
  countdown.Arrive();
}

}  // namespace internal

template <typename T>
Task<std::vector<T>> All(std::vector<Task<T>> tasks) {
  // One more than there are tasks, so that none of them ends the wait while others are started.
  internal::Countdown countdown(tasks.size() + 1);
  std::vector<std::optional<T>> results(tasks.size());
  std::vector<Task<void>> running;
  running.reserve(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    running.push_back(internal::RunInto(std::move(tasks[i]), results[i], countdown));
    running.back().Start();
  }
  countdown.Arrive();
  co_await countdown.done;
  std::vector<T> values;
  values.reserve(results.size());
  for (std::optional<T>& result : results) values.push_back(std::move(*result));
  co_return values;
}

}  // namespace ringmaster
