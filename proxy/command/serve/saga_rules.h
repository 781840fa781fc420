// What the operator says about commands whose keys live on several shards (saga.modes,
// saga.isolated_reads). Immutable, shared by all workers.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "command/call/call.h"
#include "command/table/table.h"

namespace ringmaster {

// DEL, UNLINK and what only reads: each shard for itself.
SagaMode BuiltInMode(const Command& command);

struct SagaRules {
  std::vector<SagaMode> modes;  // by Command::id
  bool isolated_reads = false;
};

// `modes`: by command's name; others are as built in. An error names a command that is unknown, or
// cannot be what it is said to be.
Result<std::shared_ptr<const SagaRules>> MakeSagaRules(
    const CommandTable& table, const std::vector<std::pair<std::string, SagaMode>>& modes,
    bool isolated_reads);

}  // namespace ringmaster
