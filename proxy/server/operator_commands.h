// The operator's rows for commands, from the configuration.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "command/table/operator_rows.h"
#include "config/config.h"

namespace ringmaster {

// An error names the command and says what to do.
Result<std::shared_ptr<const OperatorCommands>> OperatorCommandsOf(
    const CommandTable& table, const std::vector<CommandConfig>& commands);

}  // namespace ringmaster
