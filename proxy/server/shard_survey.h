// What only the shards can say about a configuration: whether two of its names are one server,
// whether one is a server that is known by another name, and whether anybody knows the commands
// that it adds. Shards that do not answer in time are left out:
// the proxy starts, and reloads, without them.
//
// Asks and waits: at start, or on a thread of its own.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/compile.h"
#include "server/shard_places.h"

namespace ringmaster {

// The run ids of the shards that serve now, by the names of pool and shard.
using KnownServers = std::map<std::pair<std::string, std::string>, std::string>;

struct ShardSurvey {
  // Two shards of a pool that are one server would give each other's keys away, and in one that is
  // a server of another name keys would be looked for in vain; each with its place.
  std::vector<std::string> mistakes;
  // Commands that no shard that answered knows.
  std::vector<std::string> notes;
};

// At most some seconds; soon over when `stop` becomes true. `known`: at a reload.
ShardSurvey SurveyShards(const CompiledConfig& compiled, const CommandTable& table,
                         const KnownServers& known, ShardPlaces& places,
                         const std::atomic<bool>& stop);

}  // namespace ringmaster
