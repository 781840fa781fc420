// One command of one client on its way through dispatch. Views into the session's buffers: valid
// until Dispatch returns; a recipe gets copies (command/serve/recipe.h).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/exchange.h"
#include "base/block.h"
#include "base/bytes.h"
#include "command/call/client_state.h"
#include "command/call/proxy.h"
#include "command/table/table.h"
#include "metrics/metrics.h"
#include "route/router.h"
#include "route/scatter.h"

namespace ringmaster {

// What happens to a command whose keys live on several shards: all or nothing, each shard for
// itself, or an error.
enum class SagaMode : uint8_t { kSaga, kFanout, kReject };

class LockGate;
class ModuleCommands;
class MoveGate;
class Pause;
class PushHub;
class RecentRequests;
class RecipeSet;
class SagaSet;
struct SagaRules;
class ScriptMemory;
class ScriptRights;
class ScriptTeller;
class MsetBatches;
class SlowLog;

// What the commands of one worker and pool share.
struct CommandContext {
  const CommandTable& table;
  Router& router;
  ScatterPool& scatters;
  BlockPool& blocks;
  RecipeSet& recipes;
  WorkerMetrics& metrics;
  Proxy& proxy;
  // The commands of the background class by Command::id; nullptr: there is none.
  const std::vector<bool>* background = nullptr;
  // Messages out of turn. Set by its owner; nullptr in tests of other things.
  PushHub* push = nullptr;
  // Clients of the pool in MONITOR, on any worker.
  uint32_t monitors = 0;
  // Keys are on the move: `moves` is asked first.
  bool moving = false;
  MoveGate* moves = nullptr;
  // Some keys are locked: `locks` is asked first.
  bool locked = false;
  LockGate* locks = nullptr;
  SagaSet* sagas = nullptr;
  MsetBatches* mset_batches = nullptr;  // where there are sagas
  // Reused from call to call, so that the warm path does not allocate.
  std::string scratch = {};
  std::vector<uint32_t> key_positions = {};
  // The operator's; nullptr: as built in.
  const SagaRules* saga_rules = nullptr;
  // The pool's; nullptr: there is none.
  const Pause* pause = nullptr;
  SlowLog* slow_log = nullptr;
  ScriptMemory* scripts = nullptr;
  ScriptTeller* script_teller = nullptr;  // where there is a ScriptMemory
  ScriptRights* script_rights = nullptr;  // nullptr: users with few rights run no scripts
  ModuleCommands* modules = nullptr;
  RecentRequests* recent = nullptr;  // this worker's; there is one exactly when there is a slow_log

  bool InBackground(const Command& command) const {
    return background != nullptr && (*background)[command.id];
  }
};

struct Call {
  std::span<const Bytes> args;
  // The request as the client sent it, with the block it lies in when it may be referenced. Empty
  // for an inline request: then it is written anew from args.
  Slice wire;
  const Command& command;
  ClientState& client;
  CommandContext& context;
  // Gets the reply through its sink, exactly once, maybe before Dispatch returns.
  Exchange& exchange;
  // The client's connection; nullptr when a recipe serves the call for it.
  ClientView* view = nullptr;
};

}  // namespace ringmaster
