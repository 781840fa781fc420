// Something that happens once and that any number of coroutines may wait for: a recovery is over, a
// lock is free. Waiting costs no allocation; a waiter destroyed while it waits takes itself out.
// One thread.
#pragma once

#include <coroutine>
#include <utility>

#include "base/intrusive_list.h"

namespace ringmaster {

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  // REQUIRES: nobody waits.
  ~Event() = default;

  // Resumes the waiters in the order in which they came. One of them may destroy others of them, or
  // the event. Again: nothing.
  void Set() {
    set_ = true;
    IntrusiveList<Awaiter> waiters;
    waiters.Append(waiters_);
    while (Awaiter* waiter = waiters.PopFront()) waiter->coroutine_.resume();
  }
  bool set() const { return set_; }

  class Awaiter : public ListHook<> {
   public:
    explicit Awaiter(Event& event) : event_(event) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() {
      if (linked()) IntrusiveList<Awaiter>::Remove(*this);
    }

    bool await_ready() const { return event_.set_; }
    void await_suspend(std::coroutine_handle<> coroutine) {
      coroutine_ = coroutine;
      event_.waiters_.PushBack(*this);
    }
    void await_resume() const {}

   private:
    friend class Event;
    Event& event_;
    std::coroutine_handle<> coroutine_;
  };
  Awaiter operator co_await() { return Awaiter(*this); }

 private:
  bool set_ = false;
  IntrusiveList<Awaiter> waiters_;
};

}  // namespace ringmaster
