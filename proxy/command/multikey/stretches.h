// Where the commands of a transaction run when each shard has a transaction of its own: those that
// go to one shard, one behind the other, in one MULTI and EXEC there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "command/call/call.h"
#include "command/call/transaction.h"

namespace ringmaster {

// Commands of the queue that run in one MULTI and EXEC of one shard, or a single one that the proxy
// serves (no shard).
struct Stretch {
  static constexpr uint32_t kAnyShard = UINT32_MAX;  // its commands have no keys

  size_t begin = 0;
  size_t end = 0;
  std::optional<uint32_t> shard;
};

// By the routes in force. `limits`: ClientState::limits of whose transaction it is.
std::vector<Stretch> Cut(CommandContext& context, const AclUser* limits,
                         const std::vector<Transaction::Queued>& queue);
// What the proxy answers by itself, in any database: no shard sees it. SELECT is none, because it
// changes what follows.
bool IsOurs(const Transaction::Queued& queued);

}  // namespace ringmaster
