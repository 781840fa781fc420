// What a CommandTable is made of, handed to it by whoever stands above all commands
// (command/rows/all_rows.h): the families' rows, and recipes that the stair of a call names though
// they belong to topics above it.
#pragma once

#include <span>

#include "command/table/families.h"
#include "command/table/row.h"

namespace ringmaster {

struct DefaultRecipes {
  // Of a command with keys on several shards whose row names no recipe for that.
  RecipeFunction over_shards = nullptr;
  // Of one that only reads, where the operator wants all of it from one moment.
  RecipeFunction isolated_read = nullptr;
  // Refuses it: nobody knows which of its keys it writes, and what could be undone.
  RecipeFunction not_over_shards = nullptr;
  // Asks a shard where the keys of the call are.
  RecipeFunction keys_said_by_shard = nullptr;
  // Asks the shards what the command is; and between MULTI and EXEC.
  RecipeFunction unknown_command = nullptr;
  RecipeFunction queue_unknown_command = nullptr;
  // Runs a script with the rights of a user who may not do everything.
  RecipeFunction checked_script = nullptr;
};

// Lives as long as the process.
struct CommandSet {
  std::span<const Family> families;
  DefaultRecipes recipes;
};

}  // namespace ringmaster
