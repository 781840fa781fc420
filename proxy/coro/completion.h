// What a callback completes and a coroutine awaits: how a shard's reply or a timer resumes a
// recipe. One value, one waiter; completing before the await is fine. A waiter that is destroyed
// while it waits takes itself out; the value then comes to nobody. One thread.
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
  // REQUIRES: nobody waits.
  ~Completion() { RM_DCHECK(waiter_ == nullptr); }

  // Once. May run the waiter before it returns; the completion may be gone afterwards.
  void Complete(T value) {
    RM_DCHECK(!value_);
    value_.emplace(std::move(value));
    if (Awaiter* waiter = std::exchange(waiter_, nullptr)) waiter->Resume();
  }
  bool completed() const { return value_.has_value(); }

  class Awaiter {
   public:
    explicit Awaiter(Completion& completion) : completion_(completion) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() {
      if (coroutine_) completion_.waiter_ = nullptr;
    }

    bool await_ready() const { return completion_.completed(); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      RM_DCHECK(completion_.waiter_ == nullptr);
      coroutine_ = coroutine;
      completion_.waiter_ = this;
    }
    T await_resume() { return std::move(*completion_.value_); }

   private:
    friend class Completion;
    void Resume() { std::exchange(coroutine_, nullptr).resume(); }

    Completion& completion_;
    std::coroutine_handle<> coroutine_;  // while it waits
  };
  Awaiter operator co_await() { return Awaiter(*this); }

 private:
  std::optional<T> value_;
  Awaiter* waiter_ = nullptr;
};

}  // namespace ringmaster
