// Functions that rows name, of what waits for data: commands answered in the proxy, and recipes.
// Each is described by the Redis documentation of its command; what differs is said where it is
// implemented.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;

// blocking.cc
Task<std::string> BlockingPopRecipe(RecipeCall& call);
Task<std::string> BlockingMultiPopRecipe(RecipeCall& call);
Task<std::string> BlockingMoveRecipe(RecipeCall& call);
Task<std::string> StreamReadRecipe(RecipeCall& call);

// wait.cc
Task<std::string> WaitRecipe(RecipeCall& call);

}  // namespace ringmaster
