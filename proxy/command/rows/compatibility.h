// The table of commands in docs/compatibility.md, made from the rows.
#pragma once

#include <string>

#include "command/table/table.h"

namespace ringmaster {

// In Markdown: each command and subcommand with how it is served.
std::string CompatibilityTable(const CommandTable& table);

}  // namespace ringmaster
