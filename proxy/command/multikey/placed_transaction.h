// A transaction whose keys live on several shards (docs/sagas.md): where each of its commands
// runs, and how all of them do so at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command/call/call.h"
#include "command/call/transaction.h"
#include "command/gate/held_locks.h"
#include "command/multikey/exec_client.h"
#include "command/multikey/over_shards.h"

namespace ringmaster {

class LastLook;
class RecipeCall;

struct PlacedTransaction {
  enum class Where : uint8_t {
    kOneShard,  // of its keys
    kAnywhere,  // it has none
    kSeveral,   // beside copies
    kAfter,     // the proxy answers it itself when all is done (PING, PUBLISH, what it refuses)
  };
  struct Placed {
    Where where;
    uint32_t shard = 0;  // kOneShard
  };

  std::vector<Placed> commands;  // of the queue
  std::vector<NeededKey> keys;   // of all of them
};

// By the routes in force. Nothing: some of it (FLUSHALL, SELECT, ...) cannot be all or nothing, or
// it has no keys. `limits`: ClientState::limits of whose transaction it is.
std::optional<PlacedTransaction> PlaceTransaction(CommandContext& context, const AclUser* limits,
                                                  int database,
                                                  const std::vector<Transaction::Queued>& queue);
// EXEC's reply. REQUIRES: the keys are locked. `client`: for what the proxy answers itself. `look`:
// what the client watches; empty when that is nothing.
Task<std::string> RunPlaced(RecipeCall& call, const std::vector<Transaction::Queued>& queue,
                            PlacedTransaction& placed, HeldLocks& locks, ExecClient& client,
                            std::shared_ptr<LastLook> look);

}  // namespace ringmaster
