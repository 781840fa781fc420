// A lazy coroutine that yields one value. It starts when awaited (or when a TaskSet takes it), is
// awaited once, and resumes its waiter by symmetric transfer, so chains of any depth use no stack
// in optimized builds. It ends in its owner: the frame that awaits it, or the TaskSet. Destroying
// a suspended task destroys what it awaits; a task that is running is never destroyed.
//
// A coroutine takes values, or references that outlive it; never a capturing lambda. Exceptions
// are not used: one that escapes ends the process. One thread.
//
// Never `if (!co_await x)`: name the value first. GCC 12 may put the negated temporary in front of
// the frame's function pointers, and whoever resumes the frame then hands it a wrong address.
#pragma once

#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/intrusive_list.h"
#include "coro/frame_pool.h"

namespace ringmaster {

template <typename T>
class Task;
class TaskSet;

namespace internal {

// Where tasks arrive when they are done; the last one lets the waiter run. It lies in the waiter's
// frame. A task arrives from its final suspension, so whoever runs next may destroy it.
struct Join {
  std::coroutine_handle<> waiter;
  size_t left = 0;

  std::coroutine_handle<> Arrive() noexcept { return --left == 0 ? waiter : std::noop_coroutine(); }
};

// The end of a task.
struct Arrival {
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
    return done.promise().Arrive();
  }
  void await_resume() noexcept {}
};

class TaskPromiseBase {
 public:
  static void* operator new(size_t size) { return FramePool::Allocate(size); }
  static void operator delete(void* frame) { FramePool::Free(frame); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  Arrival final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept {
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& e) {
      std::fprintf(stderr, "exception in a coroutine: %s\n", e.what());
    } catch (...) {
      std::fprintf(stderr, "exception in a coroutine\n");
    }
    std::abort();
  }
  void set_join(Join& join) {
    RM_DCHECK(join_ == nullptr);
    join_ = &join;
  }
  std::coroutine_handle<> Arrive() noexcept {
    return join_ != nullptr ? join_->Arrive() : std::noop_coroutine();
  }

 private:
  Join* join_ = nullptr;
};

template <typename T>
class TaskPromise : public TaskPromiseBase {
  static_assert(!std::is_reference_v<T>, "a task yields a value");

 public:
  Task<T> get_return_object();
  void return_value(T value) { value_.emplace(std::move(value)); }
  T Take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase, public ListHook<TaskSet> {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void Take() {}
  // One of a TaskSet: frees itself when it is done, and counts that down.
  void set_owner(size_t& running) { running_ = &running; }
  std::coroutine_handle<> Arrive() noexcept {
    if (running_ == nullptr) return TaskPromiseBase::Arrive();
    --*running_;
    IntrusiveList<TaskPromise, TaskSet>::Remove(*this);
    std::coroutine_handle<TaskPromise>::from_promise(*this).destroy();
    return std::noop_coroutine();
  }

 private:
  size_t* running_ = nullptr;
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
  // REQUIRES: not started.
  void Start() { handle_.resume(); }
  // The same; it arrives at `join` when it is done.
  void Start(internal::Join& join) {
    handle_.promise().set_join(join);
    handle_.resume();
  }
  // Once. REQUIRES: done().
  T Result() {
    RM_CHECK(handle_.done());
    return handle_.promise().Take();
  }

  auto operator co_await() {
    class Awaiter {
     public:
      explicit Awaiter(Handle task) : task_(task) {}
      bool await_ready() { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
        join_ = {waiter, 1};
        task_.promise().set_join(join_);
        return task_;
      }
      T await_resume() { return task_.promise().Take(); }

     private:
      Handle task_;
      internal::Join join_;
    };
    return Awaiter(handle_);
  }

 private:
  friend class TaskSet;
  Handle Release() { return std::exchange(handle_, nullptr); }

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
