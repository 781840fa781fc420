// The proxy's background jobs, one after the other in order of arrival: the first that is not
// paused runs, in small steps, and the next one begins when it is finished or cancelled.
//
// When a step may run. Never two at a time. After a step of length d comes a pause of d * (1 / pace
// - 1), so that `pace` is the share of time the background takes. Beyond that a step runs only when
// no interactive command waits for the shard it is about to use. What is owed of the guaranteed
// share (a token bucket that fills with `share` of the time in which a job wants to run) runs in
// any case, so no load starves the background. The pace follows the interactive p99: halved when
// that is above the baseline by more than `tolerance`, otherwise a little more, between `share` and
// all of the time (additive increase, multiplicative decrease). The baseline is learned while no
// step runs, and slowly at the lowest pace, where what is left of the p99 is not the background's
// doing.
//
// Owner: the proxy's control thread, on which everything happens. Jobs themselves live with whoever
// runs them; here are their places and figures.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace ringmaster {

struct BackgroundRule {
  double share = 0.05;      // of the time, guaranteed
  double tolerance = 0.25;  // how far above the baseline p99 may rise, as a share of it
  Duration slack = std::chrono::microseconds(200);   // and in any case by this much
  Duration credit = std::chrono::milliseconds(100);  // most that can be owed
  size_t jobs = 1024;
  bool operator==(const BackgroundRule&) const = default;
};

class BackgroundQueue {
 public:
  using JobId = uint64_t;

  enum class State : uint8_t { kWaiting, kRunning, kPaused };
  struct Job {
    JobId id = 0;
    std::string name;
    State state = State::kWaiting;
    size_t place = 0;  // 0: the first
    uint64_t done = 0;
    uint64_t total = 0;  // 0: not known
    uint64_t steps = 0;
    double rate = 0;  // units a second, while it was the one to run
    TimePoint added_at{};
    std::optional<Duration> left;  // until it is finished, at this rate
  };

  explicit BackgroundQueue(const BackgroundRule& rule = {}) : rule_(rule), pace_(1) {}
  BackgroundQueue(const BackgroundQueue&) = delete;
  BackgroundQueue& operator=(const BackgroundQueue&) = delete;

  // Behind all others. `total` is how much there is to do, in units of the job's own; 0: not known.
  // An error when the queue is full.
  Result<JobId> Add(std::string name, uint64_t total, TimePoint now);
  // It has nothing left to do. Unknown ids are ignored, here and below: it may have been cancelled.
  void Finish(JobId id, TimePoint now);
  // False when there is no such job. A step under way is not cut short; its EndStep says that it
  // was the last.
  bool Cancel(JobId id, TimePoint now);
  bool Pause(JobId id, TimePoint now);  // keeps its place, and the next one runs
  bool Resume(JobId id, TimePoint now);

  // Whose steps run now; nullopt when nobody wants to.
  std::optional<JobId> current() const;

  // How long the current job has to wait for its next step; zero: it may run it now. `busy`: an
  // interactive command waits for the shard that the step would use. nullopt: until something
  // changes (a job comes, is resumed, a step ends). Ask again when `busy` turns false.
  std::optional<Duration> Wait(bool busy, TimePoint now);
  // REQUIRES: Wait was zero.
  void BeginStep(TimePoint now);
  // `units` were done. True: the job goes on with another step when its turn comes; false: it was
  // cancelled meanwhile. REQUIRES: a step is under way.
  bool EndStep(uint64_t units, TimePoint now);
  // A better idea of how much there is to do.
  void SetTotal(JobId id, uint64_t total);

  // The interactive p99 since the last call, fed several times a second; zero when there were no
  // commands.
  void OnInteractiveP99(Duration p99, TimePoint now);

  // Whose step is under way, even when it was cancelled meanwhile; 0: none is.
  JobId stepping() const { return stepping_; }

  std::vector<Job> List() const;
  // Since the start.
  uint64_t added() const { return next_id_ - 1; }
  uint64_t steps() const { return steps_; }
  Duration step_time() const { return step_time_; }
  size_t size() const { return jobs_.size(); }
  double pace() const { return pace_; }
  Duration baseline() const { return baseline_; }
  void set_rule(const BackgroundRule& rule) { rule_ = rule; }

 private:
  struct Entry {
    JobId id;
    std::string name;
    uint64_t total;
    TimePoint added_at;
    uint64_t done = 0;
    uint64_t steps = 0;
    double rate = 0;
    TimePoint rated_at{};  // when it became the current one, or its last step ended
    bool paused = false;
  };
  Entry* Find(JobId id);
  Entry* Current();
  void Accrue(TimePoint now);
  void Settle(TimePoint now);
  void Remove(JobId id, TimePoint now);

  BackgroundRule rule_;
  std::deque<Entry> jobs_;
  JobId next_id_ = 1;
  uint64_t steps_ = 0;
  Duration step_time_{};
  double pace_;
  Duration owed_{};  // of the guaranteed share
  TimePoint accrued_at_ = TimePoint::min();
  TimePoint rest_until_ = TimePoint::min();
  JobId chosen_ = 0;         // current() when we last looked; 0: none
  JobId stepping_ = 0;       // whose step is under way; 0: none
  bool guaranteed_ = false;  // the step runs although interactive commands wait
  bool cancelled_ = false;   // that job, while its step is under way
  TimePoint step_began_{};
  Duration busy_time_{};  // of steps since the last p99
  TimePoint p99_at_ = TimePoint::min();
  Duration baseline_{};  // zero: not known yet
};

// As an operator reads it.
const char* StateName(BackgroundQueue::State state);

}  // namespace ringmaster
