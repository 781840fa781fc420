#include "command/operator/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "command/call/call.h"
#include "command/multikey/over_shards.h"
#include "command/serve/decide.h"
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

constexpr char kAlways[] = "all or nothing, also when the proxy is killed";

// Where the others' keys are brought together, and what becomes of them.
Way BroughtTogether(const CommandContext& context, const Command& command,
                    std::vector<NeededKey> keys) {
  Place(context.router, keys);
  const uint32_t executing = ExecutingShard(keys);
  const std::string& shard = context.router.shard_name(executing);
  if (!WritesForeign(keys, executing)) {
    return {"its keys are locked, and shard " + shard +
                " runs it in a transaction with copies of the others' keys",
            command.Is(kReadOnly) ? "all at one moment"
                                  : "all or nothing, for all that is written lives there"};
  }
  return {"a saga: its keys are locked, shard " + shard +
              " runs it beside copies of the others' keys, and what it wrote is carried home",
          kAlways};
}

// In steps, because its keys are on several shards.
Way OverShards(const CommandContext& context, const Command& command, std::span<const Bytes> args,
               int database, RecipeFunction recipe, size_t shards) {
  const DefaultRecipes& recipes = context.table.recipes();
  if (recipe == recipes.isolated_read) {
    return {"a part to each shard while its keys are locked", "all at one moment"};
  }
  NeededKeys keys;
  if (recipe == recipes.over_shards && keys.Add(command, args, database)) {
    return BroughtTogether(context, command, keys.Take());
  }
  if (command.row->plan.kind == PlanKind::kScatter) {
    return {fmt::format("a saga: its keys are locked, and each of {} shards does its part", shards),
            kAlways};
  }
  return {"by the proxy, in steps, while its keys are locked", kAlways};
}

Way InSteps(const CommandContext& context, const Command& command, std::span<const Bytes> args,
            int database, const Decision& decision, size_t shards) {
  if (decision.several) {
    return OverShards(context, command, args, database, decision.recipe, shards);
  }
  if (decision.recipe == context.table.recipes().checked_script) {
    return {"by its shard, with its user's rights there", "as in Redis"};
  }
  if (command.Is(kBlocking) && command.row->plan.kind == PlanKind::kRecipe && shards > 1) {
    return {"by the proxy, which asks the shards in turn until one has something",
            "one element, from one shard"};
  }
  const bool as_in_redis = command.row->plan.kind == PlanKind::kRecipe && shards == 1;
  return {"by the proxy, in steps that ask the shards",
          as_in_redis ? "as in Redis" : "each step for itself"};
}

// The error without its mark and its line's end.
std::string Words(const std::string& reply) { return reply.substr(1, reply.size() - 3); }

Way WayOf(const CommandContext& context, const Command& command, std::span<const Bytes> args,
          const ClientState& client, const Decision& decision, size_t shards) {
  const bool wants_keys = HasKeys(*command.row) && !command.Is(kNoMandatoryKeys);
  switch (decision.kind) {
    case Decision::Kind::kForward:
      if (!decision.anywhere) return {"as it is by its shard", "as in Redis"};
      if (!wants_keys) return {"by any shard", "as in Redis"};
      return {"by any shard, which says what is wrong with its arguments", "nothing is done"};
    case Decision::Kind::kScatter:
      if (!decision.several) return {"as it is by its shard", "as in Redis"};
      return {"a part to each shard, replies merged", "each shard for itself"};
    case Decision::Kind::kEveryShard:
      return {"as it is by every shard, replies merged", "each shard for itself"};
    case Decision::Kind::kSteps:
      return InSteps(context, command, args, client.database, decision, shards);
    case Decision::Kind::kLocal:
    case Decision::Kind::kStart:
      return {"by the proxy itself", "as in Redis"};
    case Decision::Kind::kRefuse:
    case Decision::Kind::kOpen:
      break;
  }
  return {"refused: " + Words(RefusalReply(decision, command, args, client.limits)),
          "nothing is done"};
}

std::string Together(const CommandContext& context, Bytes key) {
  const auto [rule, tag] = context.router.topology().ByRule(key);
  if (rule == nullptr) return "";
  return fmt::format(", with all of {} by the rule {}", tag.substr(0, kShownKey), rule->text());
}

const char* Moving(const CommandContext& context, Bytes key) {
  const RingMove* move = context.router.move();
  if (move == nullptr || !move->Locate(key).moves()) return "";
  return ", on the move: brought there before the command runs";
}

}  // namespace

std::string Explain(CommandContext& context, const ClientState& client,
                    std::span<const Bytes> args) {
  const Command* command = context.table.Find(args);
  if (command == nullptr && context.modules != nullptr) command = context.modules->Known(args[0]);
  if (command == nullptr) return "served: refused, there is no such command\n";
  std::string text = fmt::format("command: {}\n", command->full_name);
  if (!ArityFits(context.modules, *command, args.size())) {
    return text + "served: refused, the number of arguments is wrong\n";
  }
  // Asked by itself, whatever its caller is at.
  const Asked asked{.limits = client.limits, .database = client.database};
  const Decision decision = Decide(context, *command, args, asked);
  std::vector<uint32_t> positions;
  if (!HasKeys(*command->row) || !FindKeys(*command->row, args, positions)) positions.clear();
  std::vector<uint32_t> shards;
  for (size_t i = 0; i < positions.size(); ++i) {
    const Bytes key = args[positions[i]];
    const uint32_t shard = context.router.ShardOf(key);
    if (std::find(shards.begin(), shards.end(), shard) == shards.end()) shards.push_back(shard);
    if (i >= kShownKeys) continue;
    text +=
        fmt::format("key: {} on shard {}{}{}\n", key.substr(0, kShownKey),
                    context.router.shard_name(shard), Together(context, key), Moving(context, key));
  }
  text += fmt::format("database: {}\nshards: {}", client.database, shards.size());
  for (const uint32_t shard : shards) text += " " + context.router.shard_name(shard);
  const Way way = WayOf(context, *command, args, client, decision, shards.size());
  text += fmt::format("\nserved: {}\natomic: {}\n", way.served, way.atomic);
  if (context.InBackground(*command)) text += "background: it waits for its turn (PROXY JOBS)\n";
  return text;
}

}  // namespace ringmaster
