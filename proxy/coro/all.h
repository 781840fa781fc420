// `co_await All(...)` starts every task and waits for every one, also when one of them failed:
// nobody undoes next to a write that is still in flight. Results come in the order of the tasks,
// whoever was done first; a void task's in a mixed list is Done.
//
//   std::vector<Answer> answers = co_await All(std::move(tasks));
//   std::tuple<Answer, Done> both = co_await All(Ask(a), Sleep(b));
//
// The tasks lie in the waiter's frame and arrive there by themselves: no frame but their own.
#pragma once

#include <coroutine>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "coro/task.h"

namespace ringmaster {
namespace internal {

template <typename T>
class [[nodiscard]] AllOf {
 public:
  explicit AllOf(std::vector<Task<T>> tasks) : tasks_(std::move(tasks)) {}

  bool await_ready() const { return tasks_.empty(); }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
    // One more than there are tasks, so that none ends the wait while others are being started.
    join_ = {waiter, tasks_.size() + 1};
    for (Task<T>& task : tasks_) task.Start(join_);
    return join_.Arrive();
  }
  auto await_resume() {
    if constexpr (!std::is_void_v<T>) {
      std::vector<T> values;
      values.reserve(tasks_.size());
      for (Task<T>& task : tasks_) values.push_back(task.Result());
      return values;
    }
  }

 private:
  std::vector<Task<T>> tasks_;
  Join join_;
};

template <typename T>
auto ResultOrDone(Task<T>& task) {
  if constexpr (std::is_void_v<T>) {
    return Done();
  } else {
    return task.Result();
  }
}

template <typename... Ts>
class [[nodiscard]] AllOfThese {
 public:
  explicit AllOfThese(Task<Ts>... tasks) : tasks_(std::move(tasks)...) {}

  bool await_ready() const { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
    join_ = {waiter, sizeof...(Ts) + 1};
    std::apply([this](auto&... task) { (task.Start(join_), ...); }, tasks_);
    return join_.Arrive();
  }
  auto await_resume() {
    return std::apply(
        [](auto&... task) {
          return std::tuple<decltype(ResultOrDone(task))...>{ResultOrDone(task)...};
        },
        tasks_);
  }

 private:
  std::tuple<Task<Ts>...> tasks_;
  Join join_;
};

}  // namespace internal

template <typename T>
internal::AllOf<T> All(std::vector<Task<T>> tasks) {
  return internal::AllOf<T>(std::move(tasks));
}

template <typename... Ts>
internal::AllOfThese<Ts...> All(Task<Ts>... tasks) {
  return internal::AllOfThese<Ts...>(std::move(tasks)...);
}

}  // namespace ringmaster
