#include "command/serve/saga_rules.h"

#include <fmt/format.h>

#include "command/table/keys.h"

namespace ringmaster {

SagaMode BuiltInMode(const Command& command) {
  const Bytes name = command.row->name;
  const bool removes = name == "del" || name == "unlink";
  return removes || command.Is(kReadOnly) ? SagaMode::kFanout : SagaMode::kSaga;
}

Result<std::shared_ptr<const SagaRules>> MakeSagaRules(
    const CommandTable& table, const std::vector<std::pair<std::string, SagaMode>>& modes,
    bool isolated_reads) {
  auto rules = std::make_shared<SagaRules>();
  rules->isolated_reads = isolated_reads;
  rules->modes.resize(table.size(), SagaMode::kSaga);
  for (const auto& command : table.all()) {
    rules->modes[command->id] = BuiltInMode(*command);
  }
  for (const auto& [name, mode] : modes) {
    const Command* command = table.FindByName(name);
    if (command == nullptr) {
      return Error{ErrorCode::kInvalid, fmt::format("saga.modes: there is no command '{}'", name)};
    }
    const PlanKind kind = command->row->plan.kind;
    if (!HasKeys(*command->row) || command->single_key != 0 ||
        (kind != PlanKind::kForward && kind != PlanKind::kScatter)) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("saga.modes: '{}' has no keys that could live on several shards, or "
                               "no choice; remove it",
                               name)};
    }
    if (mode == SagaMode::kFanout && kind != PlanKind::kScatter) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("saga.modes: '{}' cannot be done by each shard for itself; write "
                               "saga or reject",
                               name)};
    }
    rules->modes[command->id] = mode;
  }
  return std::shared_ptr<const SagaRules>(std::move(rules));
}

}  // namespace ringmaster
