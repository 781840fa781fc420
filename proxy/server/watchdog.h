// Watches from outside that every loop turns: the main thread's and the workers'. A thread that
// stands still for longer than it may is logged with what it is at, and again when it goes on;
// /healthz says so meanwhile.
//
// Loops turn at least every 250 ms by timers of their own, so a turn that does not end is one that
// stands still, whatever it waits for.
#pragma once

#include <condition_variable>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/pulse.h"

namespace ringmaster {

// How long a loop has not turned, by looking now and then.
class StillFor {
 public:
  // What passes between two looks counts up to `most`: when a look itself comes late, the machine
  // or the whole process stood still, and that is nobody's fault here.
  Duration Look(const Pulse::Reading& reading, TimePoint now, Duration most);

 private:
  Pulse::Reading last_{0, Pulse::At::kNowhere};
  TimePoint looked_at_{};
  Duration still_{};
};

class Watchdog {
 public:
  // What the thread was asked for last, for the log: "get"; called on any thread.
  using LastCommand = std::function<std::string()>;

  Watchdog() = default;
  ~Watchdog() { Stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // `pulse` stays until Stop. Before Start.
  void Watch(std::string name, const Pulse& pulse, LastCommand last_command);
  void Start(Duration patience);
  // 0: watches nothing.
  void SetPatience(Duration patience);
  void Stop();

  // Who stands still now, a line each; empty: nobody. Any thread; waits for nobody, neither for who
  // stands still nor for the log.
  std::string Stalls();

 private:
  struct Watched {
    std::string name;
    const Pulse& pulse;
    LastCommand last_command;
    StillFor still_for;
    Duration still{};
    Duration tell_after{};  // the log knows of all before
  };

  void Run();
  void Look(TimePoint now) RM_REQUIRES(mutex_);
  std::string Describe(const Watched& watched) const;

  Mutex mutex_;  // never held while something may block
  std::condition_variable wake_;
  std::vector<Watched> watched_ RM_GUARDED_BY(mutex_);
  Duration patience_ RM_GUARDED_BY(mutex_){};
  bool stopping_ RM_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ringmaster
