// Which way a call goes, as a value. Dispatch carries it out (command/serve/dispatch.cc), PROXY
// EXPLAIN prints it, EXEC cuts its queue by it (command/multikey/stretches.h), and a session asks
// it whether a large value may go on while it arrives.
//
// Pure: no I/O, and nothing changes but CommandContext::key_positions, which is scratch; so nothing
// is allocated once that has grown. What waits for a lock or a key on the move the gates hold back
// before they let dispatch ask (command/gate/). On the worker's thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/reserved_keys.h"
#include "command/access/access.h"
#include "command/call/call.h"
#include "command/table/row.h"

namespace ringmaster {

// Small enough to be returned in registers.
struct Decision {
  enum class Kind : uint8_t {
    kForward,     // as it is to `shard`
    kScatter,     // a part to each shard of its keys, the first of which is on `shard`
    kEveryShard,  // the same to every shard
    kLocal,       // answered at once
    kSteps,       // by `recipe`
    kStart,       // by the row's function
    kRefuse,      // `refusal` says why
    kOpen,        // what is still to come decides (Asked::header_only)
  };

  enum class Refusal : uint8_t {
    kNone,
    kReservedKey,       // one of its keys belongs to the proxy
    kManyShards,        // saga.modes says reject, or nobody could undo it
    kArity,             // a key without its value
    kScriptOverShards,  // of a user whose scripts are checked
    kException,         // Exception::why
    kPlan,              // PlanSpec::why
  };

  Kind kind = Kind::kRefuse;
  Refusal refusal = Refusal::kNone;
  bool anywhere : 1 = false;  // kForward: it has no keys; `shard` is the first that answers
  bool several : 1 = false;   // its keys are on several shards
  bool script : 1 = false;    // kForward: it runs a script, which may take long
  bool unmarked : 1 = false;  // kEveryShard: PlanSpec::unmarked goes out in its place
  bool alone : 1 = false;     // kSteps: what the client sends next waits, though the row says not
  uint32_t shard = 0;
  RecipeFunction recipe = nullptr;
};
static_assert(sizeof(Decision) <= 16);

// Who asks, and for what. By value: two registers.
struct Asked {
  const AclUser* limits = nullptr;  // ClientState::limits
  int database = 0;
  bool in_exec = false;  // an EXEC runs it, under its own locks
  bool pushed = false;   // its client gets messages out of turn
  // Where it may run within a transaction of one shard (kForward), whose database and whose user's
  // rights EXEC sees to: what would wait does not there, and a shard says by itself what is wrong.
  bool queued = false;
  // `args` are the first of more: kForward when they settle it.
  bool header_only = false;
};
static_assert(sizeof(Asked) <= 16);

inline Asked AskedBy(const ClientState& client) {
  return {.limits = client.limits,
          .database = client.database,
          .in_exec = client.in_exec,
          .pushed = client.push != nullptr};
}

// The warm path: the command's only key settles it, which goes to its shard as it is.
inline bool IsSettledByKey(const Command& command, std::span<const Bytes> args) {
  return command.by_key_alone && !IsReserved(args[command.single_key]);
}
// Decide's answer where that is not so.
Decision DecideByRow(CommandContext& context, const Command& command, std::span<const Bytes> args,
                     Asked asked);

// REQUIRES: the arity fits; with header_only, that of the whole call.
inline Decision Decide(CommandContext& context, const Command& command, std::span<const Bytes> args,
                       Asked asked) {
  if (!asked.header_only && IsSettledByKey(command, args)) [[likely]] {
    return {.kind = Decision::Kind::kForward,
            .shard = context.router.ShardOf(args[command.single_key])};
  }
  return DecideByRow(context, command, args, asked);
}

// The reply to what is refused, in the client's words. REQUIRES: decision.kind is kRefuse, made of
// the same call.
std::string RefusalReply(const Decision& decision, const Command& command,
                         std::span<const Bytes> args, const AclUser* limits);

// A script that may not run with the proxy's own rights.
inline bool IsCheckedScript(const Command& command, const AclUser* limits) {
  return command.Is(kRunsScript) && limits != nullptr && !limits->MayRunScripts();
}
// What is known before the arguments are looked at: the command starts only when every earlier one
// of its client is answered, and later ones wait for it.
inline bool GoesAlone(const CommandContext& context, const Command& command,
                      const AclUser* limits) {
  return command.Is(kAlone) || command.row->plan.kind == PlanKind::kRecipe ||
         IsCheckedScript(command, limits) || context.InBackground(command) ||
         (context.moving && command.Is(kEveryKey));
}

// The first of the call's keys that belongs to the proxy; empty: none does. Keys of arguments that
// make no sense do not count.
Bytes ReservedKeyOf(CommandContext& context, const Command& command, std::span<const Bytes> args);
// Any shard will do: the first that answers.
uint32_t AnyShard(const Routes& routes);

}  // namespace ringmaster
