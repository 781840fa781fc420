#include "command/table/operator_rows.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/bytes.h"
#include "command/table/categories.h"

namespace ringmaster {
namespace {

Error Wrong(const OperatorRow& given, const std::string& what) {
  return {ErrorCode::kInvalid, fmt::format("commands.{}: {}", given.name, what)};
}

PlanSpec PlanOf(const CommandTable& table, OperatorRow::Serve serve, const std::string& why) {
  switch (serve) {
    case OperatorRow::Serve::kForward:
      return Forward(table.recipes().not_over_shards);
    case OperatorRow::Serve::kEveryShard:
      return EveryShard(Merge::kAllSucceeded);
    case OperatorRow::Serve::kSum:
      return EveryShard(Merge::kSum);
    case OperatorRow::Serve::kConcat:
      return EveryShard(Merge::kConcat);
    case OperatorRow::Serve::kRefuse:
      break;
  }
  return Refuse(why.c_str());
}

void SetKeys(Row& row, const OperatorRow::Keys& keys) {
  for (KeySpec& spec : row.specs) spec = {};
  row.finder = nullptr;
  row.flags &= ~uint32_t{kMovableKeys};
  if (keys.said_by_shard) {
    row.flags |= kMovableKeys;
  } else if (keys.first > 0) {
    row.specs[0] = KeyRangeOf(keys.first, keys.last, keys.step);
  }
}

// The row as it is without the operator: that of the command it replaces, or a module's.
Row BaseOf(const CommandTable& table, const Command* replaced, const char* name) {
  if (replaced != nullptr) return *replaced->row;
  Row row;
  row.name = name;
  row.arity = -1;
  row.flags = kWrite;
  row.plan = Forward(table.recipes().not_over_shards);
  return row;
}

// A command that is served by rules or functions of its own has its arguments where these expect
// them: only served by the operator's rule it may look different.
std::string WhyNotLikeThis(const OperatorRow& given, const Command& replaced) {
  if (given.serve || (given.keys && given.keys->said_by_shard)) return "";
  const Row& row = *replaced.row;
  const PlanKind kind = row.plan.kind;
  if (given.keys && kind != PlanKind::kForward && kind != PlanKind::kScatter) {
    return "the proxy serves it in a way of its own, which knows its keys; say 'serve', too, or "
           "remove 'keys'";
  }
  if (!given.arity) return "";
  const int least = std::abs(row.arity);
  const bool looser = std::abs(*given.arity) < least || (row.arity > 0 && *given.arity != least);
  if (!looser) return "";
  return fmt::format(
      "its arity is {}, and the proxy counts on that; write a stricter one, or say 'serve', too",
      row.arity);
}

std::string WhyNot(const OperatorRow& given, const Command* replaced) {
  if (given.name.find('|') != std::string::npos ||
      (replaced != nullptr && !replaced->subcommands.empty())) {
    return "commands with subcommands, and these, cannot be changed; remove it";
  }
  if (replaced != nullptr && replaced->Is(kHidden)) {
    return "the name belongs to the proxy; remove it";
  }
  const bool refused = given.serve == OperatorRow::Serve::kRefuse;
  if (replaced == nullptr && !given.keys && !refused) {
    return "say where its keys are: 'keys: 1', 'keys: {first: 1, last: -1, step: 1}', 'keys: "
           "shard' when only a shard can tell, or 'keys: none'";
  }
  const bool by_shard = given.keys && given.keys->said_by_shard;
  if (by_shard &&
      given.serve.value_or(OperatorRow::Serve::kForward) != OperatorRow::Serve::kForward) {
    return "'keys: shard' goes only with 'serve: forward'";
  }
  return replaced != nullptr ? WhyNotLikeThis(given, *replaced) : "";
}

}  // namespace

Result<std::shared_ptr<const OperatorCommands>> MakeOperatorCommands(
    const CommandTable& table, const std::vector<OperatorRow>& rows) {
  auto made = std::make_shared<OperatorCommands>();
  for (const OperatorRow& given : rows) {
    const Command* replaced = table.BuiltIn(given.name);
    if (std::string wrong = WhyNot(given, replaced); !wrong.empty()) {
      return Wrong(given, wrong);
    }
    auto added = std::make_unique<OperatorCommand>();
    added->name = Lowercase(given.name);
    added->why = given.why;
    added->replaced = replaced;
    Row& row = added->row;
    row = BaseOf(table, replaced, added->name.c_str());
    if (given.arity) row.arity = *given.arity;
    if (given.keys) SetKeys(row, *given.keys);
    if (given.write) {
      row.flags &= ~(uint32_t{kWrite} | kReadOnly);
      row.flags |= *given.write ? kWrite : kReadOnly;
    }
    if (given.serve) {
      row.plan = PlanOf(table, *given.serve, added->why);
      row.except = {};
    }
    if (given.keys && replaced != nullptr && !given.serve) {
      // What served it knew other keys.
      row.plan = PlanOf(table, OperatorRow::Serve::kForward, added->why);
      row.except = {};
    }
    if (given.keys && given.keys->said_by_shard)
      row.plan = Recipe(table.recipes().keys_said_by_shard);
    added->command.row = &row;
    added->command.rights = replaced;
    added->command.categories = CategoriesOf(row);
    added->command.learned = replaced == nullptr;
    added->command.id = replaced != nullptr ? replaced->id : table.FindByName("module-command")->id;
    added->command.full_name = added->name;
    DeriveKeySpan(added->command);
    added->command.of_clients = CountsForClients(added->row);
    made->push_back(std::move(added));
  }
  return std::shared_ptr<const OperatorCommands>(std::move(made));
}

}  // namespace ringmaster
