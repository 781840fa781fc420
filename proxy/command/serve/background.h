// Commands that the operator put in the background class (schedule.background): each waits in the
// proxy's one queue for its turn and then runs as ever. Its client waits for it, as Redis's would.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "command/serve/recipe.h"
#include "command/table/table.h"

namespace ringmaster {

// Which commands are in the background class: by Command::id, nullptr when there is none. An error
// names a command that is unknown or cannot wait.
using BackgroundClass = std::vector<bool>;
Result<std::shared_ptr<const BackgroundClass>> MakeBackgroundClass(
    const CommandTable& table, const std::vector<std::string>& names);

// Waits for the call's turn and serves it by its row's plan.
Task<std::string> RunInBackground(RecipeCall& call);

}  // namespace ringmaster
