// A lazy coroutine that yields one value. It starts when awaited (or started by a TaskSet), is
// awaited once, and resumes its waiter by symmetric transfer, so chains of any depth use no stack.
// It ends in its owner: the frame that awaits it, or the TaskSet. Destroying a suspended task
// destroys what it awaits.
//
// A coroutine takes values, or references that outlive it; never a capturing lambda. Exceptions are
// not used: one that escapes ends the process.
#pragma once

#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <utility>

#include "base/check.h"
#include "coro/frame_pool.h"

namespace ringmaster {

template <typename T>
class Task;

namespace internal {

class TaskPromiseBase {
 public:
  static void* operator new(size_t size) { return FramePool::Allocate(size); }
  static void operator delete(void* frame) { FramePool::Free(frame); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  auto final_suspend() noexcept {
    struct Transfer {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<>) noexcept { return waiter; }
      void await_resume() noexcept {}
      std::coroutine_handle<> waiter;
    };
    return Transfer{waiter_ ? waiter_ : std::noop_coroutine()};
  }
  void unhandled_exception() noexcept {
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& e) {
      std::fprintf(stderr, "exception in a coroutine: %s\n", e.what());
    } catch (...) {
      std::fprintf(stderr, "exception in a coroutine\n");
    }
    std::abort();
  }
  void set_waiter(std::coroutine_handle<> waiter) { waiter_ = waiter; }

 private:
  std::coroutine_handle<> waiter_;
};

template <typename T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object();
  void return_value(T value) { value_.emplace(std::move(value)); }
  T Take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void Take() {}
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool done() const { return handle_.done(); }

  // Runs it without a waiter, until it first suspends. For owners that are no coroutines.
  void Start() { handle_.resume(); }
  // REQUIRES: done().
  T Result() {
    RM_CHECK(handle_.done());
    return handle_.promise().Take();
  }

  auto operator co_await() {
    struct Awaiter {
      bool await_ready() { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
        task.promise().set_waiter(waiter);
        return task;
      }
      T await_resume() { return task.promise().Take(); }
      Handle task;
    };
    return Awaiter{handle_};
  }

 private:
  Handle handle_;
};

namespace internal {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace internal
}  // namespace ringmaster
