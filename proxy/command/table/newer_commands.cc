#include "command/table/newer_commands.h"

#include <algorithm>
#include <cstdlib>

namespace ringmaster {
namespace {

// More than any server has.
constexpr size_t kMostCommands = 4096;

}  // namespace

bool ArityMayDiffer(const Command& command, int arity) {
  const Row& row = *command.row;
  if (row.plan.kind != PlanKind::kForward || row.except.applies != nullptr) return false;
  return command.single_key != 0 && std::abs(arity) > static_cast<int>(command.single_key);
}

std::optional<NewerCommands> ReadNewerCommands(const CommandTable& table, Bytes reply) {
  const std::vector<ReplyElement> entries = ReadArray(reply);
  if (entries.empty() || entries.size() > kMostCommands) return std::nullopt;
  NewerCommands newer;
  for (const ReplyElement& entry : entries) {
    std::optional<CommandFacts> facts = ReadCommandFacts(entry);
    if (!facts) continue;
    const Command* command = table.BuiltIn(facts->name);
    if (command == nullptr) {
      std::string name = facts->name;
      newer.unknown.emplace(std::move(name), std::move(*facts));
    } else if (facts->arity != command->row->arity && ArityMayDiffer(*command, facts->arity)) {
      newer.arities.emplace(command, facts->arity);
    }
  }
  return newer;
}

AgreedCommands Agree(const std::vector<NamedCommands>& shards) {
  AgreedCommands agreed;
  for (const auto& [shard, newer] : shards) {
    for (const auto& [name, facts] : newer->unknown) {
      if (agreed.known.contains(name) || agreed.known_to_some.contains(name)) continue;
      const auto lacks =
          std::find_if(shards.begin(), shards.end(), [&name = name](const NamedCommands& other) {
            return !other.newer->unknown.contains(name);
          });
      if (lacks == shards.end()) {
        agreed.known.emplace(name, facts);
      } else {
        agreed.known_to_some.emplace(name, AgreedCommands::Missing{facts, lacks->shard});
      }
    }
  }
  if (shards.empty()) return agreed;
  agreed.arities = shards.front().newer->arities;
  std::erase_if(agreed.arities, [&](const auto& each) {
    return std::any_of(shards.begin(), shards.end(), [&](const NamedCommands& shard) {
      const auto theirs = shard.newer->arities.find(each.first);
      return theirs == shard.newer->arities.end() || theirs->second != each.second;
    });
  });
  return agreed;
}

}  // namespace ringmaster
