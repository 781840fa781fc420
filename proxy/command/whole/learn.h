// What commands ask the shards about commands that the rows do not know.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "command/access/access.h"
#include "command/serve/recipe.h"

namespace ringmaster {

// Sees to it that `modules` knows the command of a call that the table does not know, as far as
// some shard does. `for_rules`: what the operator says of it is not enough. What is wrong, as a
// reply: no shard could be asked, or, for_rules, none knows it. The arguments outlive the task.
Task<std::string> LearnCommand(RecipeCall& call, std::span<const Bytes> args, bool for_rules);

// Asks the shards for the keys of a call of `command`, if only they can tell users' rules what
// these are; otherwise leaves `keys` as it is. What is wrong, as a reply, or empty.
Task<std::string> AskForJudgedKeys(RecipeCall& call, const Command& command,
                                   std::span<const Bytes> args, std::optional<SaidKeys>& keys);

}  // namespace ringmaster
