// One thread's event loop. Owned by its thread; every object made on a loop lives and dies on that
// loop's thread. A turn is: events of sockets and timers, then the prepare callback, then sleep.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/pulse.h"

struct uv_loop_s;

namespace ringmaster {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until Stop(). Call once at a time.
  void Run();
  // Ends Run() after the current turn. Own thread only (others post it through a Mailbox).
  void Stop();
  // Runs what is due without waiting: for tests and for closing handles at the end.
  void RunOnce();

  // The time of this turn: one clock reading each turn.
  TimePoint Now();

  // Called at the end of each turn, before the loop sleeps: the place where collected writes go
  // out. One callback; set before Run().
  void OnPrepare(std::function<void()> callback);
  // While true, the loop only polls and never sleeps: work is left over for the next turn.
  void SetBusy(bool busy);

  // Share of wall time since the last call that the loop was not asleep, 0..1.
  double BusyShare();

  // How long it has been asleep since it was made. Any thread.
  Duration Slept() const;

  // Turns so far. Any object of the loop may tell by it whether the loop has turned meanwhile.
  uint64_t turns() const { return turns_; }

  // What it is at, for a watchdog.
  const Pulse& pulse() const { return pulse_; }

  // For net/ and hiredis's adapter.
  uv_loop_s* raw() { return loop_; }
  // For net/ only.
  static void Note(const uv_loop_s* loop, Pulse::At at);

 private:
  friend class Timer;
  struct Handles;
  static void Forget(Handles* handles);

  uv_loop_s* loop_;
  std::unique_ptr<Handles, void (*)(Handles*)> handles_;
  std::function<void()> prepare_;
  Pulse pulse_;
  TimePoint now_{};
  bool now_valid_ = false;
  bool busy_ = false;
  bool in_timers_ = false;  // a timer's callback runs
  uint64_t turns_ = 0;
  TimePoint share_since_{};
  uint64_t idle_since_ = 0;
};

}  // namespace ringmaster
