// What only the shards can say about a configuration: whether two of its names are one server, and
// whether anybody knows the commands that it adds. Shards that do not answer in time are left out:
// the proxy starts, and reloads, without them.
//
// Asks and waits: at start, or on a thread of its own.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "server/compile.h"

namespace ringmaster {

struct ShardSurvey {
  // Two shards of a pool that are one server would give each other's keys away; each with its
  // place.
  std::vector<std::string> mistakes;
  // Commands that no shard that answered knows.
  std::vector<std::string> notes;
};

// At most some seconds; soon over when `stop` becomes true.
ShardSurvey SurveyShards(const CompiledConfig& compiled, const CommandTable& table,
                         const std::atomic<bool>& stop);

}  // namespace ringmaster
