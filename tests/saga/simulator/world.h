// A whole world around the saga cores under one virtual clock: clients, a proxy of two workers, its
// journal, shards, and the connections between them, which deliver late, break, and go on
// delivering what was sent before. A nemesis kills, pauses and cuts; everything follows from one
// number.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "saga/simulator/model_shard.h"

namespace ringmaster::sim {

struct Options {
  Bugs bugs = {};
  // Fences do not work on these shards (CLIENT KILL is forbidden): tombstones alone protect. Then
  // there are no plain writers, which nothing would protect.
  bool fences = true;
  bool trace = false;  // tells on stdout what happens
};

struct Figures {
  uint64_t sagas = 0, committed = 0, refused = 0, unknown = 0, undone = 0, poisoned = 0;
  uint64_t interfered = 0, tried_again = 0, done_again = 0;  // done_again: at a second try or later
  uint64_t recovered = 0, proxy_kills = 0, shard_kills = 0, cuts = 0, resent = 0, events = 0;
};

struct Outcome {
  std::string violation;  // empty: all is well
  Figures figures;
};

// One run. The same seed and options, the same outcome.
Outcome Simulate(uint64_t seed, const Options& options = {});

}  // namespace ringmaster::sim
