// What clients are told while a shard runs a script, as if all shards were one Redis.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;
struct Call;

// Whether a client would have to be told -BUSY.
bool SomeShardRunsScript(const Call& call);
// What a shard says whose script is late, for it alone knows; empty: there is none.
Task<std::string> BusyReply(RecipeCall& call);

}  // namespace ringmaster
