// Commands whose keys live on several shards (docs/sagas.md): gather, execute, scatter.
//
// One shard executes. Keys of others that the command needs are copied there under their own names,
// which nobody asks that shard for, so that the client's own bytes run untouched. When all that is
// written lives on the executing shard, copies, command and removal are one MULTI and EXEC there:
// all or nothing without a journal, and nothing of it is left behind whatever is killed. Otherwise
// it is a saga.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "command/table/row.h"
#include "coro/task.h"
#include "lock/key_locks.h"

namespace ringmaster {

class HeldLocks;
class RecipeCall;
class Routes;
struct Command;

// Bytes of foreign keys that one command may bring together; beyond that it is refused.
constexpr size_t kGatherMax = 64U << 20;

// A key of a command, or of several that belong together.
struct NeededKey {
  std::string key;
  int database = 0;
  uint32_t shard = 0;  // its owner
  bool writes = false;
};

// The keys of commands, each once in each database.
class NeededKeys {
 public:
  // False: the arguments make no sense.
  bool Add(const Command& command, std::span<const Bytes> args, int database);
  std::vector<NeededKey> Take() { return std::move(keys_); }

 private:
  void Add(Bytes key, int database, bool writes);

  std::vector<NeededKey> keys_;
  std::unordered_map<std::string, size_t> places_;  // in keys_
  std::string name_;                                // of the key that is looked for
};
// Those of the call. Empty: its arguments make no sense.
std::vector<NeededKey> KeysOf(RecipeCall& call);
// Looks up the owners. True: there are several.
bool Place(const Routes& routes, std::vector<NeededKey>& keys);
// The shard with the fewest foreign keys to be written, then to be copied.
uint32_t ExecutingShard(const std::vector<NeededKey>& keys);

// Something is written that lives elsewhere: then it takes a saga.
bool WritesForeign(const std::vector<NeededKey>& keys, uint32_t executing);

// The recipe of any such command. REQUIRES: its keys are found.
Task<std::string> OverShardsRecipe(RecipeCall& call);
// MGET and other reads that are cut by shard, when they are to see no write half done.
Task<std::string> IsolatedReadRecipe(RecipeCall& call);
// `gathers`: copies of them may be made. Those of a saga, which writes on several shards, lie there
// for a while, and nobody else may have his own beside them: then what is only read is not shared.
std::vector<LockKey> LocksFor(const std::vector<NeededKey>& keys, bool gathers = true);
// The reply to a call that did not get them, this key among them.
std::string LocksNotHad(RecipeCall& call, Bytes key);
// Locks the keys and then asks for their owners, which may change while locks are waited for. Not
// empty: the reply to a call that did not get them. REQUIRES: there are keys.
Task<std::string> LockAndPlace(RecipeCall& call, HeldLocks& locks, std::vector<NeededKey>& keys);

}  // namespace ringmaster
