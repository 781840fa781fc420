// A command as data. Everything else is derived from its row: arity errors, key extraction, COMMAND
// replies, metric names, the table in docs/, fuzz words. Rows are constexpr arrays, one per family;
// command/table.cc lists the families. They are checked against a real Redis's COMMAND INFO and
// COMMAND GETKEYS.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "coro/task.h"
#include "route/scatter.h"

namespace ringmaster {

class RecipeCall;
class ReplyWriter;
struct Call;

enum class PlanKind : uint8_t {
  kForward,     // as it is to the shard of its keys; without keys to any shard
  kScatter,     // cut by shard, merged by rule
  kEveryShard,  // as it is to every shard, merged by rule
  kLocal,       // answered here, at once
  kRecipe,      // answered here, in steps
  kRefuse,      // refused, with the reason
};

// Writes the reply to `out`. Sees the client through call.client.
using LocalFunction = void (*)(Call& call, ReplyWriter& out);
// Returns the whole reply. The call outlives the task; the client may not (call.client_gone()).
using RecipeFunction = Task<std::string> (*)(RecipeCall& call);

struct PlanSpec {
  PlanKind kind = PlanKind::kRefuse;
  Merge merge = Merge::kAllSucceeded;
  MergeFunction special = nullptr;
  LocalFunction local = nullptr;
  RecipeFunction recipe = nullptr;
  const char* why = nullptr;  // kRefuse: a clause behind "ERR <command> "
};

constexpr PlanSpec Forward() { return {.kind = PlanKind::kForward}; }
constexpr PlanSpec ScatterBy(Merge merge) { return {.kind = PlanKind::kScatter, .merge = merge}; }
constexpr PlanSpec EveryShard(Merge merge) {
  return {.kind = PlanKind::kEveryShard, .merge = merge};
}
constexpr PlanSpec EveryShard(MergeFunction special) {
  return {.kind = PlanKind::kEveryShard, .merge = Merge::kSpecial, .special = special};
}
constexpr PlanSpec Local(LocalFunction local) { return {.kind = PlanKind::kLocal, .local = local}; }
constexpr PlanSpec Recipe(RecipeFunction recipe) {
  return {.kind = PlanKind::kRecipe, .recipe = recipe};
}
constexpr PlanSpec Refuse(const char* why) { return {.kind = PlanKind::kRefuse, .why = why}; }

// Finds the positions of the keys in args (as COMMAND GETKEYS does); false when the arguments make
// no sense, in which case a shard shall say so in its own words.
using KeyFinder = bool (*)(std::span<const Bytes> args, std::vector<uint32_t>& positions);

struct KeySpan {
  int16_t first = 0;  // 0: no keys
  int16_t last = 0;   // negative: counted from the end, -1 is the last argument
  int16_t step = 0;
  KeyFinder finder = nullptr;  // set for what first/last/step cannot say
};
constexpr KeySpan NoKeys() { return {}; }
constexpr KeySpan Keys(int16_t first, int16_t last, int16_t step) { return {first, last, step}; }
constexpr KeySpan KeysFound(KeyFinder finder) { return {.finder = finder}; }

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
  kMayReplicate = 1U << 14,
  kMovableKeys = 1U << 15,
  kNoAsyncLoading = 1U << 16,
  kNoMulti = 1U << 17,
  kNoMandatoryKeys = 1U << 18,
  kAllowBusy = 1U << 19,
  kSentinelOnly = 1U << 20,
  // Ours: starts only when every earlier command of its client is answered, and later ones wait for
  // it. For what changes the client's state or takes several steps.
  kBarrier = 1U << 28,
  // Ours: COMMAND does not list it (PROXY).
  kHidden = 1U << 29,
};

struct Row {
  const char* name = nullptr;  // lower case; a subcommand alone, such as "setname"
  int arity = 0;               // as Redis counts: with the name; negative: at least
  uint32_t flags = 0;
  KeySpan keys;
  PlanSpec plan;
  // For COMMAND INFO as a real server answers it: space-separated ACL categories without the ones
  // that follow from the flags, tips, and key specifications (see command/introspection.h).
  const char* categories = "";
  const char* tips = "";
  const char* key_specs = "";
  std::span<const Row> subcommands = {};
};

}  // namespace ringmaster
