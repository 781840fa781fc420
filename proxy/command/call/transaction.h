// A client's transaction: the commands queued since MULTI and the keys it watches.
//
// Commands wait here, in the proxy, and are routed at EXEC. Those whose keys live on one shard run
// there in one MULTI and EXEC of Redis's own; otherwise each stretch of commands for one shard
// does, in the order of the queue, which is not atomic over shards. A watched key holds a
// connection to its shard until EXEC, DISCARD or UNWATCH: the shard itself says there whether the
// key was touched.
//
// Owner: the client's state, and the recipe of EXEC while it runs; on their worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/block.h"
#include "base/bytes.h"
#include "command/call/client_state.h"
#include "command/table/table.h"

namespace ringmaster {

struct AclUser;
class Backend;
class Connection;
class RecipeCall;
struct Call;

struct Transaction {
  struct Queued {
    const Command* command;
    std::vector<std::string> args;
    std::vector<Bytes> views() const { return {args.begin(), args.end()}; }
  };

  // A borrowed connection on which keys of one shard and database are watched.
  struct Watcher {
    Backend* backend;
    Connection* connection;
    uint32_t shard;
    int database;
    uint32_t generation;  // of the connection when it was told
  };

  static constexpr size_t kMaxBytes = 64U << 20;
  static constexpr size_t kMaxCommands = 1U << 20;

  Transaction() = default;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  // Connections that still watch are closed.
  ~Transaction() { ForgetWatchers(); }

  void ForgetWatchers();

  bool open = false;     // between MULTI and EXEC
  bool broken = false;   // a command was refused while it was to be queued: EXEC refuses the rest
  bool touched = false;  // a watch was lost with its connection: EXEC answers nil
  uint64_t routes = 0;   // Router::version() at the first WATCH
  size_t bytes = 0;      // of the queue
  MemoryCharge charge;   // of these
  std::vector<Queued> queue;
  // Whose rights the queue was checked against; `rights_changed`: only a part of it.
  std::shared_ptr<const AclUser> checked_for;
  bool rights_changed = false;
  std::vector<Watcher> watchers;
  // The keys that they watch, to count them: hashes, with the database. At most kMaxCommands.
  std::unordered_set<uint64_t> watched;
};

// Stands in the queue for a call that its user may not make and hears of only when it would run.
inline constexpr char kRefusedCall[] = "refused-call";

}  // namespace ringmaster
