// Rows that the operator adds, for commands of modules, or puts in place of built-in ones
// (`commands` in the configuration). Immutable, shared by all workers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "command/table/row.h"
#include "command/table/table.h"

namespace ringmaster {

// What is not said stays as built in. Users' rules do not see it: a command is checked as what it
// is to the shards (Command::rights).
struct OperatorRow {
  enum class Serve : uint8_t { kForward, kEveryShard, kSum, kConcat, kRefuse };
  struct Keys {
    int first = 0;  // 0: there are none
    int last = 0;   // negative: from the end
    int step = 1;
    bool said_by_shard = false;  // COMMAND GETKEYS tells, each time
  };

  std::string name;
  std::optional<Serve> serve = {};
  std::optional<Keys> keys = {};
  std::optional<bool> write = {};
  std::optional<int> arity = {};
  std::string why = {};  // of kRefuse: what its caller hears behind "ERR <command> "
};

struct OperatorCommand {
  std::string name;  // lower case; the row points here
  std::string why;
  Row row;
  Command command;
  const Command* replaced = nullptr;  // nullptr: it is added
};
using OperatorCommands = std::vector<std::unique_ptr<OperatorCommand>>;

// An error names the row and says what to do. What comes back must not outlive the table.
Result<std::shared_ptr<const OperatorCommands>> MakeOperatorCommands(
    const CommandTable& table, const std::vector<OperatorRow>& rows);

}  // namespace ringmaster
