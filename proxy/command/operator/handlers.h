// Functions that rows name, of PROXY: commands answered in the proxy, and recipes. Each is
// described by the Redis documentation of its command; what differs is said where it is
// implemented.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;

// verify.cc
Task<std::string> ProxyVerify(RecipeCall& call);

// proxy_sagas.cc
Task<std::string> ProxySagasRecipe(RecipeCall& call);

}  // namespace ringmaster
