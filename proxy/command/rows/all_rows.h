// All commands that are built in.
#pragma once

#include "command/table/command_set.h"

namespace ringmaster {

// The families in the order of docs/compatibility.md.
CommandSet AllCommands();

}  // namespace ringmaster
