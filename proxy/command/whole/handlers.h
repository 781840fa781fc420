// Functions that rows name, of all shards as one server: commands answered in the proxy, and
// recipes. Each is described by the Redis documentation of its command; what differs is said where
// it is implemented.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;
class ReplyWriter;
struct Call;

// learn.cc
Task<std::string> UnknownCommandRecipe(RecipeCall& call);
Task<std::string> QueueUnknownCommandRecipe(RecipeCall& call);
// Of a module's keys nobody knows which it writes, and what could be undone: refuses it.
Task<std::string> NotOverShardsRecipe(RecipeCall& call);
// Asks a shard where the keys are, for commands whose positions alone do not tell.
Task<std::string> KeysSaidByShardRecipe(RecipeCall& call);

// config.cc
Task<std::string> ConfigGetRecipe(RecipeCall& call);
Task<std::string> ConfigResetStatRecipe(RecipeCall& call);
Task<std::string> ConfigSetRecipe(RecipeCall& call);

// command_stats.cc
Task<std::string> LatencyHistogramRecipe(RecipeCall& call);

// introspection.cc
void CommandAll(Call& call, ReplyWriter& out);
void CommandCount(Call& call, ReplyWriter& out);
void CommandInfo(Call& call, ReplyWriter& out);
void CommandList(Call& call, ReplyWriter& out);
void CommandGetKeys(Call& call, ReplyWriter& out);
void CommandGetKeysAndFlags(Call& call, ReplyWriter& out);
void CommandHelp(Call& call, ReplyWriter& out);

// server_commands.cc
void Time(Call& call, ReplyWriter& out);
void Role(Call& call, ReplyWriter& out);
void SlowlogGet(Call& call, ReplyWriter& out);
void SlowlogLen(Call& call, ReplyWriter& out);
void SlowlogReset(Call& call, ReplyWriter& out);
void ClusterDisabled(Call& call, ReplyWriter& out);

// server_recipes.cc
Task<std::string> EachShardsTextRecipe(RecipeCall& call);

// info.cc
Task<std::string> InfoRecipe(RecipeCall& call);

// keyspace.cc
Task<std::string> ScanRecipe(RecipeCall& call);
Task<std::string> KeysRecipe(RecipeCall& call);
Task<std::string> RandomKeyRecipe(RecipeCall& call);

}  // namespace ringmaster
