#include "server/operator_commands.h"

namespace ringmaster {

static_assert(static_cast<int>(CommandService::kRefuse) ==
              static_cast<int>(OperatorRow::Serve::kRefuse));

Result<std::shared_ptr<const OperatorCommands>> OperatorCommandsOf(
    const CommandTable& table, const std::vector<CommandConfig>& commands) {
  std::vector<OperatorRow> rows;
  for (const CommandConfig& command : commands) {
    OperatorRow& row = rows.emplace_back();
    row.name = command.name;
    if (command.serve) row.serve = static_cast<OperatorRow::Serve>(*command.serve);
    if (command.keys) {
      row.keys = {command.keys->first, command.keys->last, command.keys->step,
                  command.keys->said_by_shard};
    }
    row.write = command.write;
    row.arity = command.arity;
    row.why = command.why;
  }
  return MakeOperatorCommands(table, rows);
}

}  // namespace ringmaster
