// A command as data. Everything else is derived from its row: arity errors, key extraction, COMMAND
// replies, metric names, the table in docs/, fuzz words. Rows are constexpr arrays, one per family;
// command/table/families.h lists the families. They are checked against a real Redis's COMMAND INFO
// and COMMAND GETKEYS.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "command/table/key_spec.h"
#include "coro/task.h"
#include "route/scatter.h"

namespace ringmaster {

class RecipeCall;
class ReplyWriter;
class Topology;
struct Call;
struct CommandContext;

enum class PlanKind : uint8_t {
  kForward,     // as it is to the shard of its keys; without keys to any shard
  kScatter,     // cut by shard, merged by rule
  kEveryShard,  // as it is to every shard, merged by rule
  kLocal,       // answered here, at once
  kRecipe,      // answered here, in steps
  kStart,       // a function takes the exchange and answers it when it can
  kRefuse,      // refused, with the reason
};

// Writes the reply to `out`. Sees the client through call.client.
using LocalFunction = void (*)(Call& call, ReplyWriter& out);
// Answers call.exchange through its sink, before it returns or later. For what outlives the command
// and needs the client itself, or works with many of them under way.
using StartFunction = void (*)(Call& call);
// Returns the whole reply. The call outlives the task; its client may leave before.
using RecipeFunction = Task<std::string> (*)(RecipeCall& call);

struct PlanSpec {
  PlanKind kind = PlanKind::kRefuse;
  Merge merge = Merge::kAllSucceeded;
  MergeFunction special = nullptr;
  LocalFunction local = nullptr;
  RecipeFunction recipe = nullptr;
  StartFunction start = nullptr;
  // With keys on several shards: of kForward, nullptr: OverShardsRecipe
  // (command/multikey/over_shards.h); of kScatter, when it is to be all or nothing, nullptr: it
  // never is.
  RecipeFunction over_shards = nullptr;
  const char* why = nullptr;  // kRefuse: a clause behind "ERR <command> "
  // kEveryShard: the script that goes out in its place when shards bear the proxy's mark
  // (move/ring_mark.h), which it leaves out.
  const char* unmarked = nullptr;
};

constexpr PlanSpec Forward(RecipeFunction over_shards = nullptr) {
  return {.kind = PlanKind::kForward, .over_shards = over_shards};
}
constexpr PlanSpec ScatterBy(Merge merge, RecipeFunction over_shards = nullptr) {
  return {.kind = PlanKind::kScatter, .merge = merge, .over_shards = over_shards};
}
constexpr PlanSpec EveryShard(Merge merge, const char* unmarked = nullptr) {
  return {.kind = PlanKind::kEveryShard, .merge = merge, .unmarked = unmarked};
}
constexpr PlanSpec EveryShard(MergeFunction special) {
  return {.kind = PlanKind::kEveryShard, .merge = Merge::kSpecial, .special = special};
}
constexpr PlanSpec Local(LocalFunction local) { return {.kind = PlanKind::kLocal, .local = local}; }
constexpr PlanSpec Recipe(RecipeFunction recipe) {
  return {.kind = PlanKind::kRecipe, .recipe = recipe};
}
constexpr PlanSpec Start(StartFunction start) { return {.kind = PlanKind::kStart, .start = start}; }
constexpr PlanSpec Refuse(const char* why) { return {.kind = PlanKind::kRefuse, .why = why}; }

// Calls that are refused, or served by a recipe, though their command is served otherwise.
struct Exception {
  bool (*applies)(std::span<const Bytes> args, const Topology& topology) = nullptr;
  const char* why = nullptr;  // as PlanSpec::why
  RecipeFunction recipe = nullptr;
  // kLocal: then the recipe serves it, unless its client gets messages out of turn.
  bool (*in_steps)(const CommandContext& context) = nullptr;
  // It applies, too, while keys move: the arguments make up keys that may not have arrived.
  bool (*applies_in_moves)(std::span<const Bytes> args) = nullptr;
};

// Redis's command flags, then ours.
enum RowFlag : uint32_t {
  kWrite = 1U << 0,
  kReadOnly = 1U << 1,
  kDenyOom = 1U << 2,
  kAdmin = 1U << 3,
  kPubSub = 1U << 4,
  kNoScript = 1U << 5,
  kBlocking = 1U << 6,
  kLoading = 1U << 7,
  kStale = 1U << 8,
  kSkipMonitor = 1U << 9,
  kSkipSlowlog = 1U << 10,
  kAsking = 1U << 11,
  kFast = 1U << 12,
  kNoAuth = 1U << 13,
  kMovableKeys = 1U << 14,
  kNoAsyncLoading = 1U << 15,
  kNoMulti = 1U << 16,
  kNoMandatoryKeys = 1U << 17,
  kAllowBusy = 1U << 18,
  // Ours: its arguments are not for logs.
  kSecret = 1U << 24,
  // Ours: a read that has effects elsewhere, or a script: CLIENT PAUSE WRITE holds it.
  kMayWrite = 1U << 25,
  // Ours: its arguments name channels, or patterns of channels: all of them, or, where the arity is
  // fixed, the first.
  kChannels = 1U << 22,
  kChannelPatterns = 1U << 23,
  // Ours: starts only when every earlier command of its client is answered, and later ones wait for
  // it. For what changes the client's state or takes several steps.
  kAlone = 1U << 28,
  // Ours: may wait for long, so that its client's leaving is looked for.
  kWaits = 1U << 26,
  // Ours: runs a script, given by its SHA1, or a function by its name, or else by its text.
  kRunsScript = 1U << 30,
  kScriptBySha = 1U << 20,
  kFunctionByName = 1U << 19,
  // Ours: runs at once also between MULTI and EXEC.
  kInTransaction = 1U << 27,
  // Ours: changes every key there is, so not while some are on their way.
  kEveryKey = 1U << 21,
  // Ours: counts or shows the keys of a database, or gives it another number: not before what
  // committed sagas left there is gone.
  kWholeDatabase = 1U << 31,
  // Ours: COMMAND does not list it (PROXY).
  kHidden = 1U << 29,
};
// Each of ours has a bit of its own: what blocks is not what changes every key.
static_assert(uint64_t{kSecret} + kMayWrite + kChannels + kChannelPatterns + kAlone + kWaits +
                  kInTransaction + kEveryKey + kWholeDatabase + kHidden + kRunsScript +
                  kScriptBySha + kFunctionByName ==
              (kSecret | kMayWrite | kChannels | kChannelPatterns | kAlone | kWaits |
               kInTransaction | kEveryKey | kWholeDatabase | kHidden | kRunsScript | kScriptBySha |
               kFunctionByName));

struct Row {
  const char* name = nullptr;  // lower case; a subcommand alone, such as "setname"
  int arity = 0;               // as Redis counts: with the name; negative: at least
  uint32_t flags = 0;
  PlanSpec plan;
  // ACL categories without those that follow from the flags, and tips: separated by spaces.
  const char* categories = "";
  const char* tips = "";
  KeySpec specs[3] = {};
  KeyFinder finder = nullptr;
  Exception except = {};
  std::span<const Row> subcommands = {};
  // Calls for which a user needs the right to another subcommand: its name, or nullptr.
  const char* (*needs)(std::span<const Bytes> args) = nullptr;
};

}  // namespace ringmaster
