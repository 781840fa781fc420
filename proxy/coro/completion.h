// What a callback completes and a coroutine awaits: how a shard's reply or a timer resumes a
// recipe. One value, one waiter; completing before the await is fine. One thread.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "base/check.h"

namespace ringmaster {

template <typename T>
class Completion {
 public:
  Completion() = default;
  // Stays where it is: a callback knows its address.
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  // Once. May run the waiter before it returns; the completion may be gone afterwards.
  void Complete(T value) {
    RM_DCHECK(!value_);
    value_.emplace(std::move(value));
    if (const auto waiter = std::exchange(waiter_, nullptr)) waiter.resume();
  }
  bool completed() const { return value_.has_value(); }

  auto operator co_await() {
    struct Awaiter {
      bool await_ready() const { return completion->value_.has_value(); }
      void await_suspend(std::coroutine_handle<> waiter) { completion->waiter_ = waiter; }
      T await_resume() { return std::move(*completion->value_); }
      Completion* completion;
    };
    return Awaiter{this};
  }

 private:
  std::optional<T> value_;
  std::coroutine_handle<> waiter_;
};

}  // namespace ringmaster
