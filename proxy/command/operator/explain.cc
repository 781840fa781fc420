#include "command/operator/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "command/call/call.h"
#include "command/multikey/over_shards.h"
#include "command/serve/dispatch.h"
#include "command/serve/saga_rules.h"
#include "command/table/keys.h"
#include "command/table/learned_rows.h"
#include "command/table/table.h"

namespace ringmaster {
namespace {

constexpr size_t kShownKeys = 100;
constexpr size_t kShownKey = 200;

// How a command is served, and whether its effect on the keys is one.
struct Way {
  std::string served;
  std::string atomic;
};

SagaMode ModeOf(const CommandContext& context, const Command& command) {
  const SagaRules* rules = context.saga_rules;
  return rules != nullptr ? rules->modes[command.id] : BuiltInMode(command);
}

// Each shard for itself, unless reads are to be isolated.
bool FansOut(const CommandContext& context, const Command& command) {
  if (ModeOf(context, command) != SagaMode::kFanout) return false;
  const bool isolated = context.saga_rules != nullptr && context.saga_rules->isolated_reads;
  return !command.Is(kReadOnly) || !isolated;
}

// Where the others' keys are brought together, and what becomes of them.
Way BroughtTogether(const CommandContext& context, std::vector<NeededKey> keys) {
  Place(context.router, keys);
  const uint32_t executing = ExecutingShard(keys);
  const std::string& shard = context.router.shard_name(executing);
  if (!WritesForeign(keys, executing)) {
    return {"its keys are locked, and shard " + shard +
                " runs it in a transaction with copies of the others' keys",
            "all or nothing, for all that is written lives there"};
  }
  return {"a saga: its keys are locked, shard " + shard +
              " runs it beside copies of the others' keys, and what it wrote is carried home",
          "all or nothing, also when the proxy is killed"};
}

Way OverShards(const CommandContext& context, const Command& command, std::span<const Bytes> args,
               int database, size_t shards) {
  switch (ModeOf(context, command)) {
    case SagaMode::kReject:
      return {"refused: its keys live on several shards, and saga.modes says reject",
              "nothing is done"};
    case SagaMode::kFanout:
      if (command.Is(kReadOnly)) {
        return {"on one of the shards, with copies of the others' keys", "each key for itself"};
      }
      return {"a part to each shard, replies merged", "each shard for itself"};
    case SagaMode::kSaga:
      break;
  }
  if (command.row->plan.kind == PlanKind::kScatter) {
    return {fmt::format("a saga: its keys are locked, and each of {} shards does its part", shards),
            "all or nothing, also when the proxy is killed"};
  }
  NeededKeys keys;
  if (command.row->plan.over_shards == nullptr && keys.Add(command, args, database)) {
    return BroughtTogether(context, keys.Take());
  }
  return {"by the proxy, in steps, while its keys are locked",
          "all or nothing, also when the proxy is killed"};
}

Way WayOf(const CommandContext& context, const Command& command, std::span<const Bytes> args,
          int database, size_t shards) {
  const Row& row = *command.row;
  const bool excepted = IsExcepted(context, row, args);
  if (excepted && row.except.recipe == nullptr) {
    return {"refused: it " + std::string(row.except.why), "nothing is done"};
  }
  if (excepted) return {"by the proxy, in steps that ask the shards", "each step for itself"};
  switch (row.plan.kind) {
    case PlanKind::kForward:
      if (shards > 1) return OverShards(context, command, args, database, shards);
      if (shards == 0) return {"by any shard", "as in Redis"};
      return {"as it is by its shard", "as in Redis"};
    case PlanKind::kScatter:
      if (shards <= 1) return {"as it is by its shard", "as in Redis"};
      if (FansOut(context, command)) {
        return {"a part to each shard, replies merged", "each shard for itself"};
      }
      if (command.Is(kReadOnly)) {
        return {"a part to each shard while its keys are locked", "all at one moment"};
      }
      return OverShards(context, command, args, database, shards);
    case PlanKind::kEveryShard:
      return {"as it is by every shard, replies merged", "each shard for itself"};
    case PlanKind::kLocal:
    case PlanKind::kStart:
      return {"by the proxy itself", "as in Redis"};
    case PlanKind::kRecipe:
      if (command.Is(kBlocking) && shards > 1) {
        return {"by the proxy, which asks the shards in turn until one has something",
                "one element, from one shard"};
      }
      return {"by the proxy, in steps that ask the shards",
              shards == 1 ? "as in Redis" : "each step for itself"};
    case PlanKind::kRefuse:
      break;
  }
  return {"refused: it " + std::string(row.plan.why), "nothing is done"};
}

const char* Moving(const CommandContext& context, Bytes key) {
  const RingMove* move = context.router.move();
  if (move == nullptr || !move->Locate(key).moves()) return "";
  return ", on the move: brought there before the command runs";
}

}  // namespace

std::string Explain(const CommandContext& context, const ClientState& client,
                    std::span<const Bytes> args) {
  const Command* command = context.table.Find(args);
  if (command == nullptr && context.modules != nullptr) command = context.modules->Known(args[0]);
  if (command == nullptr) return "served: refused, there is no such command\n";
  std::string text = fmt::format("command: {}\n", command->full_name);
  if (!command->ArityFits(args.size())) {
    return text + "served: refused, the number of arguments is wrong\n";
  }
  std::vector<uint32_t> positions;
  if (HasKeys(*command->row) && !FindKeys(*command->row, args, positions)) {
    return text + "served: by any shard, which says what is wrong with its arguments\n";
  }
  std::vector<uint32_t> shards;
  for (size_t i = 0; i < positions.size(); ++i) {
    const Bytes key = args[positions[i]];
    const uint32_t shard = context.router.ShardOf(key);
    if (std::find(shards.begin(), shards.end(), shard) == shards.end()) shards.push_back(shard);
    if (i >= kShownKeys) continue;
    text += fmt::format("key: {} on shard {}{}\n", key.substr(0, kShownKey),
                        context.router.shard_name(shard), Moving(context, key));
  }
  text += fmt::format("database: {}\nshards: {}", client.database, shards.size());
  for (const uint32_t shard : shards) text += " " + context.router.shard_name(shard);
  const Way way = WayOf(context, *command, args, client.database, shards.size());
  text += fmt::format("\nserved: {}\natomic: {}\n", way.served, way.atomic);
  if (context.InBackground(*command)) text += "background: it waits for its turn (PROXY JOBS)\n";
  return text;
}

}  // namespace ringmaster
