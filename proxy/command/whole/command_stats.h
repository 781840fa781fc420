// What was counted of each command, on all workers: LATENCY HISTOGRAM, INFO commandstats.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "command/serve/recipe.h"
#include "command/whole/info_merge.h"
#include "metrics/metrics.h"

namespace ringmaster {

struct CommandFigures {
  uint64_t calls = 0;
  uint64_t failed = 0;
  uint64_t rejected = 0;
  uint64_t micros = 0;
  std::array<uint64_t, CommandMetrics::kBuckets> buckets{};
};

// By Command::id.
Task<std::vector<CommandFigures>> GatherCommandFigures(RecipeCall& call);

// Puts what the proxy counted into INFO's commandstats. Of commands that shards get as they came
// the shards' own count stays: scripts and transactions run them as well.
void AddCommandStats(const CommandTable& table, const std::vector<CommandFigures>& figures,
                     InfoSection& section);

}  // namespace ringmaster
