// PROXY EXPLAIN: what would become of a command, without serving it.
#pragma once

#include <span>
#include <string>

#include "base/bytes.h"

namespace ringmaster {

struct ClientState;
struct CommandContext;

// Lines "name: value": the shard of each key, the shards in all, how it would be served, and what
// is promised when something fails in the middle. `args` is not empty.
std::string Explain(CommandContext& context, const ClientState& client,
                    std::span<const Bytes> args);

}  // namespace ringmaster
