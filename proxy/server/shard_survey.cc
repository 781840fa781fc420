#include "server/shard_survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/parallel.h"
#include "config/section.h"
#include "move/ring_mark.h"
#include "move/shard_client.h"
#include "server/snapshot.h"

namespace ringmaster {
namespace {

constexpr Duration kEach = std::chrono::seconds(1);  // for connecting, and for each answer
constexpr Duration kAll = std::chrono::seconds(3);
constexpr size_t kThreads = 32;

// One shard, and what it said.
struct Asked {
  size_t pool;
  size_t shard;
  bool answered = false;
  std::string run_id = {};       // empty: it does not tell
  std::string marked = {};       // which shard it is by its mark; empty: it has none
  std::vector<bool> knows = {};  // each of the commands
};

std::vector<std::string> AddedCommands(const CompiledConfig& compiled, const CommandTable& table) {
  std::vector<std::string> names;
  for (const CommandConfig& command : compiled.config().commands) {
    if (table.BuiltIn(command.name) != nullptr) continue;
    if (command.serve != CommandService::kRefuse) names.push_back(command.name);
  }
  return names;
}

void Ask(const CompiledConfig& compiled, ShardPlaces& places,
         const std::vector<std::string>& commands, Asked& asked) {
  const Config& config = compiled.config();
  const PoolConfig& pool = config.pools[asked.pool];
  const ShardConfig& shard = pool.shards[asked.shard];
  ShardClient client(MakeTarget(shard, places.Of(pool.name, shard)), ShardClientName(),
                     std::min(config.timeouts.connect, kEach),
                     std::min(config.timeouts.command, kEach));
  if (!client.Ready()) return;
  asked.run_id = client.run_id();
  if (const std::optional<RingMark> mark = ReadMark(client)) asked.marked = mark->shard;
  if (!commands.empty()) {
    ShardClient::Args words = {"COMMAND", "INFO"};
    words.insert(words.end(), commands.begin(), commands.end());
    const ShardReply infos = client.Ask(words);
    if (!infos.is_array() || infos.size() != commands.size()) return;
    for (size_t i = 0; i < commands.size(); ++i) {
      asked.knows.push_back(infos.at(i).is_array() && infos.at(i).size() > 0);
    }
  }
  asked.answered = true;
}

// All of them, some at a time.
void AskAll(const CompiledConfig& compiled, ShardPlaces& places,
            const std::vector<std::string>& commands, const std::atomic<bool>& stop,
            std::vector<Asked>& all) {
  const TimePoint until = MonotonicNow() + kAll;
  ForEachInParallel(all.size(), kThreads, [&](size_t at) {
    if (!stop && MonotonicNow() < until) Ask(compiled, places, commands, all[at]);
  });
}

ConfigFile::Path PathOf(const Asked& asked) {
  return {"pools", std::to_string(asked.pool), "shards", std::to_string(asked.shard)};
}

// The one of this pool that the server is known as; nullptr: it is not known as another.
const ShardConfig* OtherName(const PoolConfig& pool, const Asked& asked,
                             const KnownServers& known) {
  const ShardConfig& here = pool.shards[asked.shard];
  if (asked.marked == ConnectionWord(here.name)) return nullptr;
  const auto other =
      std::find_if(pool.shards.begin(), pool.shards.end(), [&](const ShardConfig& shard) {
        if (shard.name == here.name) return false;
        if (!asked.marked.empty() && asked.marked == ConnectionWord(shard.name)) return true;
        const auto serves = known.find({pool.name, shard.name});
        return serves != known.end() && !asked.run_id.empty() && serves->second == asked.run_id;
      });
  return other == pool.shards.end() ? nullptr : &*other;
}

// Keys lie by the names of shards: the address may change, the server behind a name may not.
void FindSwapped(const CompiledConfig& compiled, const std::vector<Asked>& all,
                 const KnownServers& known, std::vector<std::string>& mistakes) {
  for (const Asked& asked : all) {
    const PoolConfig& pool = compiled.config().pools[asked.pool];
    const ShardConfig* const other = OtherName(pool, asked, known);
    if (other == nullptr) continue;
    const ShardConfig& here = pool.shards[asked.shard];
    mistakes.push_back(compiled.file.Note(
        PathOf(asked),
        fmt::format("the server at {} is shard {} and not shard {}: keys would be looked for on "
                    "the wrong one; give each name the address of its own server",
                    here.address.ToString(), other->name, here.name)));
  }
}

void FindTwins(const CompiledConfig& compiled, const std::vector<Asked>& all,
               std::vector<std::string>& mistakes) {
  std::map<std::pair<size_t, std::string>, size_t> first;
  for (const Asked& asked : all) {
    if (asked.run_id.empty()) continue;
    const auto [known, fresh] = first.emplace(std::pair(asked.pool, asked.run_id), asked.shard);
    if (fresh) continue;
    const auto& shards = compiled.config().pools[asked.pool].shards;
    mistakes.push_back(compiled.file.Note(
        PathOf(asked),
        fmt::format("shard {} ({}) and shard {} ({}) are one server (run id {}): its keys "
                    "would be there twice; remove one of them",
                    shards[known->second].name, shards[known->second].address.ToString(),
                    shards[asked.shard].name, shards[asked.shard].address.ToString(),
                    asked.run_id)));
  }
}

void FindUnknown(const CompiledConfig& compiled, const CommandTable& table,
                 const std::vector<std::string>& commands, const std::vector<Asked>& all,
                 std::vector<std::string>& notes) {
  std::vector<Bytes> built_in;
  for (const auto& command : table.all()) {
    if (command->full_name.find('|') == std::string::npos) built_in.push_back(command->full_name);
  }
  for (size_t i = 0; i < commands.size(); ++i) {
    bool answered = false;
    bool known = false;
    for (const Asked& asked : all) {
      answered = answered || asked.answered;
      known = known || (asked.answered && asked.knows[i]);
    }
    if (!answered || known) continue;
    const Bytes closest = ClosestName(Lowercase(commands[i]), built_in);
    notes.push_back(compiled.file.Note(
        {"commands", commands[i]},
        "no shard knows this command" +
            (closest.empty() ? std::string(": load its module there, or remove it")
                             : fmt::format(": did you mean '{}'?", Uppercase(closest)))));
  }
}

}  // namespace

ShardSurvey SurveyShards(const CompiledConfig& compiled, const CommandTable& table,
                         const KnownServers& known, ShardPlaces& places,
                         const std::atomic<bool>& stop) {
  const std::vector<std::string> commands = AddedCommands(compiled, table);
  std::vector<Asked> all;
  const auto& pools = compiled.config().pools;
  for (size_t pool = 0; pool < pools.size(); ++pool) {
    // One alone is nobody's twin.
    if (pools[pool].shards.size() < 2 && commands.empty()) continue;
    for (size_t shard = 0; shard < pools[pool].shards.size(); ++shard) {
      all.push_back({pool, shard});
    }
  }
  ShardSurvey survey;
  if (all.empty()) return survey;
  AskAll(compiled, places, commands, stop, all);
  FindTwins(compiled, all, survey.mistakes);
  if (survey.mistakes.empty()) FindSwapped(compiled, all, known, survey.mistakes);
  FindUnknown(compiled, table, commands, all, survey.notes);
  return survey;
}

}  // namespace ringmaster
