// Runs the proxy's background jobs: one queue in order of arrival, one step at a time, each when no
// interactive command waits or when the guaranteed share is due (schedule/background_queue.h).
//
// A job is a name and a step. The step does a little (milliseconds), asynchronously if it likes,
// and says how much it did and whether that was all. Whoever submits keeps the job's data; a job is
// dropped with its last call.
//
// Owner: the server. Everything happens on the main thread; others post to it. Jobs hold no lock
// and may submit, pause or cancel from inside a step.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "metrics/metrics.h"
#include "net/timer.h"
#include "schedule/background_queue.h"

namespace ringmaster {

class Loop;

class Background {
 public:
  using JobId = BackgroundQueue::JobId;
  // `units` were done; `finished`: there is nothing left. Exactly once for each step, on the main
  // thread, maybe before the step returns.
  using Done = std::function<void(uint64_t units, bool finished)>;
  struct Job {
    std::string name;
    uint64_t total = 0;  // units, when known
    std::function<void(Done done)> step;
    // Whether an interactive command waits for the shard that the next step uses; empty: for any.
    std::function<bool()> waits = {};
    // It was cancelled; no step is under way and none will come. May be empty.
    std::function<void()> cancelled = {};
  };
  // What is known of interactive commands, as of now.
  struct Interactive {
    std::function<bool()> waits;                 // one is under way anywhere
    std::function<HistogramSnapshot()> latency;  // of all so far
  };

  Background(Loop& loop, Interactive interactive);
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // An error when too many wait.
  Result<JobId> Submit(Job job);
  void SetTotal(JobId id, uint64_t total) { queue_.SetTotal(id, total); }
  // False: there is no such job (any more).
  bool Pause(JobId id);
  bool Resume(JobId id);
  bool Cancel(JobId id);

  std::vector<BackgroundQueue::Job> List() const { return queue_.List(); }
  size_t size() const { return queue_.size(); }
  const BackgroundQueue& queue() const { return queue_; }
  // Share of the time that the background may take just now.
  double pace() const { return queue_.pace(); }
  void set_rule(const BackgroundRule& rule) { queue_.set_rule(rule); }
  // No further step; jobs are dropped without a word. For a process that ends.
  void Stop();

 private:
  void Run();
  bool RunStep();
  void EndStep(JobId id, uint64_t units, bool finished);
  void Drop(JobId id);
  void TakeLatency();

  const Interactive interactive_;
  BackgroundQueue queue_;
  std::map<JobId, std::shared_ptr<Job>> jobs_;
  Timer next_;
  Timer latency_timer_;
  HistogramSnapshot latency_before_;
  bool in_run_ = false;
  bool stopped_ = false;
};

}  // namespace ringmaster
