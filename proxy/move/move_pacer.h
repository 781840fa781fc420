// What the movers of one move ask before each step (schedule/move_pace.h), and where it gets its
// figures from: the workers' histograms, read when a part of a cycle ends.
//
// Shared by movers, or alone for what else works on shards beside clients. Any thread.
#pragma once

#include <functional>
#include <vector>

#include "base/mutex.h"
#include "metrics/metrics.h"
#include "schedule/move_pace.h"

namespace ringmaster {

// What is known of clients. Any thread.
struct ClientFigures {
  // Of the commands that count (WorkerMetrics::latencies[1]), so far. Empty: nobody is ever there.
  std::function<HistogramSnapshot()> latency = {};
  // Of the busiest worker: the share of its time in which it did not sleep.
  std::function<double()> busiest = {};
};

class MovePacer {
 public:
  MovePacer(ClientFigures clients, double floor, size_t movers);
  MovePacer(const MovePacer&) = delete;
  MovePacer& operator=(const MovePacer&) = delete;

  // Never kLook.
  MovePace::Turn Ask(size_t mover, bool urgent);
  void OnStep(Duration took);
  void OnRoundTrip(uint32_t shard, Duration took);
  void set_floor(double floor);
  // For operators.
  struct Figures {
    bool alone = true;
    double share = 1;
    Duration past_p99{};  // zero: not known
  };
  Figures figures() const;

 private:
  void Look(TimePoint now) RM_REQUIRES(mutex_);

  const ClientFigures clients_;
  mutable Mutex mutex_;
  MovePace pace_ RM_GUARDED_BY(mutex_);
  HistogramSnapshot seen_ RM_GUARDED_BY(mutex_);
  std::vector<MovePace::Latency> since_ RM_GUARDED_BY(mutex_);
};

}  // namespace ringmaster
