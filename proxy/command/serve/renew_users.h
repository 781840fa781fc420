// After users changed.
#pragma once

#include <string>
#include <vector>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;

// RenewUser (command/access/access_control.h) of all clients, on every worker, that are logged in
// as one of `names`.
Task<void> RenewUsers(RecipeCall& call, std::vector<std::string> names);

}  // namespace ringmaster
