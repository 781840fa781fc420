// What all workers of a pool counted: the figures of INFO and PROXY.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "command/serve/recipe.h"
#include "metrics/metrics.h"

namespace ringmaster {

struct WorkerFigures {
  uint64_t clients = 0;
  uint64_t blocked = 0;
  uint64_t accepted = 0;
  uint64_t requests = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t protocol_errors = 0;
  uint64_t error_replies = 0;
  uint64_t slow_readers = 0;
  uint64_t idle_closed = 0;
  uint64_t refused = 0;
  uint64_t memory_refused = 0;
  uint64_t memory = 0;
  uint64_t busy_permille = 0;
  uint64_t moved_in = 0;
  uint64_t pulled_in = 0;
  uint64_t moved_out = 0;
  uint64_t paused = 0;
  HistogramSnapshot latency;
};

struct ShardFigures {
  std::string name;
  uint64_t requests = 0;
  uint64_t replies = 0;
  uint64_t connections = 0;
  uint64_t connects = 0;
  uint64_t losses = 0;
  uint64_t timeouts = 0;
  uint64_t resent = 0;
  uint64_t not_applied = 0;
  uint64_t uncertain = 0;
  HistogramSnapshot latency;
};

struct Figures {
  std::vector<WorkerFigures> workers;  // by index
  WorkerFigures total;                 // busy_permille: the mean
  std::vector<ShardFigures> shards;    // by shard of the topology, all workers together
};

// "p50_usec=1,p99_usec=2,p99.9_usec=3"
std::string DescribeLatency(const HistogramSnapshot& latency);

Task<Figures> GatherFigures(RecipeCall& call);

}  // namespace ringmaster
