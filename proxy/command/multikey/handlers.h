// Functions that rows name, of several shards: commands answered in the proxy, and recipes. Each is
// described by the Redis documentation of its command; what differs is said where it is
// implemented.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;

// over_shards.cc, sort_over_shards.cc
Task<std::string> FirstOfShardsRecipe(RecipeCall& call);
Task<std::string> SortOverShardsRecipe(RecipeCall& call);

// saga_calls.cc
Task<std::string> MsetSagaRecipe(RecipeCall& call);
Task<std::string> RemoveSagaRecipe(RecipeCall& call);

}  // namespace ringmaster
