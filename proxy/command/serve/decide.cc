#include "command/serve/decide.h"

#include <algorithm>
#include <vector>

#include "command/serve/saga_rules.h"
#include "command/table/keys.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

using Kind = Decision::Kind;
using Refusal = Decision::Refusal;

Decision Refuse(Refusal why) { return {.kind = Kind::kRefuse, .refusal = why}; }

SagaMode ModeOf(const CommandContext& context, const Command& command) {
  const SagaRules* rules = context.saga_rules;
  return rules != nullptr ? rules->modes[command.id] : BuiltInMode(command);
}

bool IsExcepted(const CommandContext& context, const Exception& except,
                std::span<const Bytes> args) {
  if (except.applies == nullptr) return false;
  return except.applies(args, context.router.topology()) ||
         (context.moving && except.applies_in_moves != nullptr && except.applies_in_moves(args));
}

// Where the keys of a call are, in the context's scratch.
class Keys {
 public:
  Keys(CommandContext& context, std::span<const Bytes> args)
      : router_(context.router), args_(args), at_(context.key_positions) {
    at_.clear();
  }
  // False: there are none, or the arguments make no sense: a shard says so in Redis's own words.
  bool Find(const Command& command) {
    if (command.single_key != 0) {
      at_.push_back(command.single_key);
      return true;
    }
    return FindKeys(*command.row, args_, at_) && !at_.empty();
  }
  // Of a command whose plan is kScatter.
  void Step(const Command& command) {
    const auto step = static_cast<uint32_t>(command.key_step);
    for (auto i = static_cast<uint32_t>(command.first_key); i < args_.size(); i += step) {
      at_.push_back(i);
    }
  }
  bool reserved() const {
    return std::any_of(at_.begin(), at_.end(),
                       [this](uint32_t key) { return IsReserved(args_[key]); });
  }
  uint32_t shard() const { return router_.ShardOf(args_[at_[0]]); }  // of the first
  bool several() const {
    const uint32_t first = shard();
    return std::any_of(at_.begin() + 1, at_.end(),
                       [&](uint32_t key) { return router_.ShardOf(args_[key]) != first; });
  }

 private:
  const Router& router_;
  const std::span<const Bytes> args_;
  std::vector<uint32_t>& at_;
};

Decision Steps(RecipeFunction recipe, bool several) {
  return {.kind = Kind::kSteps, .several = several, .alone = true, .recipe = recipe};
}

// As it is, to the shard of its keys; by `over_shards` when there are several.
Decision ByKeys(CommandContext& context, const Command& command, std::span<const Bytes> args,
                const AclUser* limits, RecipeFunction over_shards) {
  Decision decision{.kind = Kind::kForward, .script = command.Is(kRunsScript)};
  const bool checked = IsCheckedScript(command, limits);
  Keys keys(context, args);
  if (!keys.Find(command)) {
    if (checked) return Steps(context.table.recipes().checked_script, false);
    decision.anywhere = true;
    decision.shard = AnyShard(context.router);
    return decision;
  }
  if (keys.reserved()) [[unlikely]]
    return Refuse(Refusal::kReservedKey);
  decision.shard = keys.shard();
  if (keys.several()) {
    if (checked) return Refuse(Refusal::kScriptOverShards);
    decision = Steps(over_shards, true);
    decision.shard = keys.shard();
    return decision;
  }
  return checked ? Steps(context.table.recipes().checked_script, false) : decision;
}

Decision Forward(CommandContext& context, const Command& command, std::span<const Bytes> args,
                 const AclUser* limits) {
  const DefaultRecipes& recipes = context.table.recipes();
  const RecipeFunction own = command.row->plan.over_shards;
  const Decision decision =
      ByKeys(context, command, args, limits, own != nullptr ? own : recipes.over_shards);
  if (!decision.several) return decision;
  // Of a module's keys nobody knows which it writes, and what could be undone.
  const bool never = own != nullptr && own == recipes.not_over_shards;
  const bool rejected = never || ModeOf(context, command) == SagaMode::kReject;
  return rejected ? Refuse(Refusal::kManyShards) : decision;
}

// A part to each shard, unless it is to be all or nothing, or of one moment.
Decision ByParts(CommandContext& context, const Command& command, std::span<const Bytes> args,
                 Asked asked) {
  const auto first = static_cast<size_t>(command.first_key);
  const auto step = static_cast<size_t>(command.key_step);
  if (!asked.queued && (args.size() - first) % step != 0) return Refuse(Refusal::kArity);
  Keys keys(context, args);
  keys.Step(command);
  if (keys.reserved()) [[unlikely]]
    return Refuse(Refusal::kReservedKey);
  const Decision parts{.kind = Kind::kScatter, .several = keys.several(), .shard = keys.shard()};
  if (!parts.several) return parts;
  const SagaMode mode = ModeOf(context, command);
  if (mode == SagaMode::kReject) return Refuse(Refusal::kManyShards);
  if (context.sagas == nullptr) return parts;
  const RecipeFunction own = command.row->plan.over_shards;
  if (mode == SagaMode::kSaga && own != nullptr) return Steps(own, true);
  // What only reads has nothing to undo: all of it from one moment is what it can have of a saga.
  const bool isolated = mode == SagaMode::kSaga ||
                        (context.saga_rules != nullptr && context.saga_rules->isolated_reads);
  if (!isolated || !command.Is(kReadOnly) || asked.in_exec) return parts;
  return Steps(context.table.recipes().isolated_read, true);
}

Decision ToEveryShard(const CommandContext& context, const Command& command, Asked asked) {
  const bool marked =
      command.row->plan.unmarked != nullptr && context.router.topology().epoch() > 1;
  // Its own transaction may be all that there is; in which database it comes to run nobody knows.
  if (asked.queued && context.router.shard_count() == 1 && !marked) {
    return {.kind = Kind::kForward};
  }
  return {.kind = Kind::kEveryShard, .unmarked = marked && asked.database == 0};
}

// All that is known is a part of the arguments.
Decision ByHeader(CommandContext& context, const Command& command, std::span<const Bytes> args) {
  if (!command.by_key_alone || command.single_key >= args.size()) return {.kind = Kind::kOpen};
  if (!IsSettledByKey(command, args)) return Refuse(Refusal::kReservedKey);
  return {.kind = Kind::kForward, .shard = context.router.ShardOf(args[command.single_key])};
}

// The first of them that belongs to the proxy.
Bytes ReservedOf(std::span<const Bytes> args, const std::vector<uint32_t>& keys) {
  const auto at =
      std::find_if(keys.begin(), keys.end(), [&](uint32_t key) { return IsReserved(args[key]); });
  return at != keys.end() ? args[*at] : Bytes();
}

}  // namespace

Decision DecideByRow(CommandContext& context, const Command& command, std::span<const Bytes> args,
                     Asked asked) {
  if (asked.header_only) return ByHeader(context, command, args);
  const PlanSpec& plan = command.row->plan;
  const Exception& except = command.row->except;
  const bool waits = asked.queued && command.Is(kBlocking);
  if (IsExcepted(context, except, args)) {
    // Within a transaction a shard does not wait.
    if (waits && except.recipe != nullptr) {
      return ByKeys(context, command, args, asked.limits, except.recipe);
    }
    if (!ReservedKeyOf(context, command, args).empty()) return Refuse(Refusal::kReservedKey);
    if (except.recipe == nullptr) return Refuse(Refusal::kException);
    return Steps(except.recipe, false);
  }
  switch (plan.kind) {
    case PlanKind::kForward:
      return Forward(context, command, args, asked.limits);
    case PlanKind::kScatter:
      return ByParts(context, command, args, asked);
    case PlanKind::kEveryShard:
      return ToEveryShard(context, command, asked);
    case PlanKind::kLocal:
      if (except.in_steps != nullptr && !asked.pushed && !asked.queued &&
          except.in_steps(context)) {
        return {.kind = Kind::kSteps, .recipe = except.recipe};
      }
      return {.kind = Kind::kLocal};
    case PlanKind::kRecipe:
      if (waits) return ByKeys(context, command, args, asked.limits, plan.recipe);
      if (!ReservedKeyOf(context, command, args).empty()) return Refuse(Refusal::kReservedKey);
      return {.kind = Kind::kSteps, .recipe = plan.recipe};
    case PlanKind::kStart:
      return {.kind = Kind::kStart};
    case PlanKind::kRefuse:
      break;
  }
  return Refuse(Refusal::kPlan);
}

std::string RefusalReply(const Decision& decision, const Command& command,
                         std::span<const Bytes> args, const AclUser* limits) {
  switch (decision.refusal) {
    case Refusal::kReservedKey: {
      std::vector<uint32_t> keys;
      FindKeys(*command.row, args, keys);
      return errors::ReservedKey(ReservedOf(args, keys));
    }
    case Refusal::kManyShards:
      return errors::ManyShards(command.full_name);
    case Refusal::kArity:
      return errors::WrongArity(command.full_name);
    case Refusal::kScriptOverShards:
      return ScriptRefusal(*limits, "its keys are on several shards");
    case Refusal::kException:
      return errors::Refused(command.full_name, command.row->except.why);
    case Refusal::kPlan:
    case Refusal::kNone:
      break;
  }
  return errors::Refused(command.full_name, command.row->plan.why);
}

Bytes ReservedKeyOf(CommandContext& context, const Command& command, std::span<const Bytes> args) {
  std::vector<uint32_t>& keys = context.key_positions;
  keys.clear();
  if (!HasKeys(*command.row) || !FindKeys(*command.row, args, keys)) return Bytes();
  return ReservedOf(args, keys);
}

uint32_t AnyShard(const Routes& routes) {
  for (uint32_t shard = 0; shard < routes.shard_count(); ++shard) {
    if (!routes.backend(shard).link().failing()) return shard;
  }
  return 0;
}

}  // namespace ringmaster
