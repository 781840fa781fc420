// What clients are told while a shard runs a script, as if all shards were one Redis.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;
struct CommandContext;

// Whether a client would have to be told -BUSY; one that gets messages out of turn is not.
bool SomeShardRunsScript(const CommandContext& context);
// What a shard says whose script is late, for it alone knows; empty: there is none.
Task<std::string> BusyReply(RecipeCall& call);

}  // namespace ringmaster
