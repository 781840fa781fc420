// Functions that rows name, of scripts and functions: commands answered in the proxy, and recipes.
// Each is described by the Redis documentation of its command; what differs is said where it is
// implemented.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;

// script_recipes.cc
Task<std::string> PingRecipe(RecipeCall& call);
Task<std::string> KillScriptRecipe(RecipeCall& call);
Task<std::string> ScriptExistsRecipe(RecipeCall& call);
Task<std::string> ScriptFlushRecipe(RecipeCall& call);
Task<std::string> ScriptLoadRecipe(RecipeCall& call);
Task<std::string> ChangeFunctionsRecipe(RecipeCall& call);
// script_telling.cc
Task<std::string> LearnFunctionsRecipe(RecipeCall& call);

// script_rights.cc
Task<std::string> CheckedScriptRecipe(RecipeCall& call);

}  // namespace ringmaster
