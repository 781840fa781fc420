#include "server/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "command/rows/all_rows.h"
#include "ring/topology.h"
#include "server/operator_commands.h"
#include "server/snapshot.h"
#include "server/users.h"

namespace ringmaster {
namespace {

using Path = ConfigFile::Path;

std::string Number(size_t index) { return std::to_string(index); }

SagaMode ModeOf(CommandMode mode) {
  return mode == CommandMode::kSaga     ? SagaMode::kSaga
         : mode == CommandMode::kFanout ? SagaMode::kFanout
                                        : SagaMode::kReject;
}

// Their texts name the key in front, which stands in front of the place as well.
std::string WithoutKey(const std::string& text, const std::string& key) {
  return text.starts_with(key + ": ") ? text.substr(key.size() + 2) : text;
}

class Compiler {
 public:
  Compiler(const CommandTable& table, ConfigFile file)
      : table_(table), made_(std::make_shared<CompiledConfig>()) {
    made_->file = std::move(file);
  }

  Result<std::shared_ptr<const CompiledConfig>> Run() {
    Commands();
    Background();
    Sagas();
    State();
    for (size_t i = 0; i < config().pools.size(); ++i) {
      made_->pools.emplace_back();
      Ring(i);
      Listeners(i);
      Shards(i);
      Users(i);
    }
    const Problems& problems = made_->file.problems();
    if (!problems.empty()) return problems.ToError(made_->file.name());
    return std::shared_ptr<const CompiledConfig>(std::move(made_));
  }

 private:
  const Config& config() const { return made_->file.config(); }
  void Complain(const Path& path, const std::string& what) { made_->file.Complain(path, what); }

  // One by one, so that each is told; then together.
  void Commands() {
    std::vector<CommandConfig> right;
    for (const CommandConfig& command : config().commands) {
      const auto one = OperatorCommandsOf(table_, {command});
      if (one) {
        right.push_back(command);
      } else {
        Complain({"commands", command.name},
                 WithoutKey(one.error().text, "commands." + command.name));
      }
    }
    auto all = OperatorCommandsOf(table_, right);
    if (!all) return Complain({"commands"}, all.error().text);
    made_->commands = std::move(*all);
    // What else the file says is about the commands as it makes them, not as they are now.
    if (auto own = OperatorCommandsOf(own_table_, right)) own_table_.Replace(std::move(*own));
  }

  void Background() {
    const std::vector<std::string>& names = config().schedule.background;
    bool right = true;
    for (size_t i = 0; i < names.size(); ++i) {
      const auto one = MakeBackgroundClass(own_table_, {names[i]});
      if (one) continue;
      right = false;
      Complain({"schedule", "background", Number(i)},
               WithoutKey(one.error().text, "schedule.background"));
    }
    if (!right) return;
    if (auto all = MakeBackgroundClass(own_table_, names)) made_->background = std::move(*all);
  }

  void Sagas() {
    const SagaConfig& saga = config().saga;
    std::vector<std::pair<std::string, SagaMode>> modes;
    for (const auto& [command, mode] : saga.modes) {
      modes.emplace_back(command, ModeOf(mode));
      const auto one = MakeSagaRules(own_table_, {modes.back()}, false);
      if (one) continue;
      Complain({"saga", "modes", command}, WithoutKey(one.error().text, "saga.modes"));
      modes.pop_back();
    }
    if (auto all = MakeSagaRules(own_table_, modes, saga.isolated_reads)) {
      made_->saga_rules = std::move(*all);
    }
  }

  void State() {
    auto place = FindStatePlace(config().saga);
    if (!place) return Complain({"saga", "journal"}, place.error().text);
    made_->state = std::move(*place);
    if (made_->state.path.empty()) {
      Note({"saga", "journal"},
           "there is no state database, on purpose: the owners of keys cannot change, and writes "
           "over several shards are all or nothing only while the proxy is not killed");
    }
  }

  void Ring(size_t pool) {
    const PoolConfig& config_of = config().pools[pool];
    if (config_of.shards.empty()) return;  // said already
    const auto built = Topology::Build(SpecOf(config_of), 1);
    if (!built) Complain({"pools", Number(pool), "shards"}, built.error().text);
  }

  void Listeners(size_t pool) {
    const auto& listen = config().pools[pool].listen;
    for (size_t i = 0; i < listen.size(); ++i) {
      auto& made = made_->pools[pool].listen_tls.emplace_back();
      if (!listen[i].tls.enabled) continue;
      auto context = TlsContext::Server(OptionsOf(listen[i].tls));
      if (context) {
        made = std::move(*context);
      } else {
        Complain({"pools", Number(pool), "listen", Number(i), "tls"}, context.error().text);
      }
    }
  }

  void Shards(size_t pool) {
    const auto& shards = config().pools[pool].shards;
    const auto followed = std::find_if(shards.begin(), shards.end(),
                                       [](const ShardConfig& each) { return each.followed(); });
    if (followed != shards.end() && config().rebalance.durable_move != DurableMove::kReplica) {
      Path path = {"pools", Number(pool), "shards"};
      path.push_back(Number(static_cast<size_t>(followed - shards.begin())));
      path.emplace_back(followed->master.empty() ? "replicas" : "master");
      Note(path,
           "a key that has just moved can be lost with a primary that fails before a replica has "
           "it: set rebalance.durable_move to replica");
    }
    for (size_t i = 0; i < shards.size(); ++i) {
      const Path path = {"pools", Number(pool), "shards", Number(i)};
      const auto below = [&](const char* key) {
        Path longer = path;
        longer.emplace_back(key);
        return longer;
      };
      if (const Status read = made_->shard_tls.Add(shards[i].tls); !read) {
        Complain(below("tls"), read.error().text);
      }
    }
  }

  void Users(size_t pool) {
    const PoolConfig& config_of = config().pools[pool];
    std::vector<std::shared_ptr<const AclUser>>& users = made_->pools[pool].users;
    for (size_t i = 0; i < config_of.users.size(); ++i) {
      std::string key;
      auto user = MakeUser(table_, config_of.users[i], key);
      if (user) {
        users.push_back(std::move(*user));
      } else {
        Complain({"pools", Number(pool), "users", Number(i), key}, user.error().text);
      }
      for (const std::string& rule : UnknownCommandsOf(table_, config_of.users[i])) {
        Note({"pools", Number(pool), "users", Number(i), "commands"},
             "'" + rule + "' names no command of Redis 7.0; it holds if a shard has it");
      }
    }
    AddDefaultUser(table_, users);
  }

  void Note(const Path& path, const std::string& what) {
    made_->notes.push_back(made_->file.Note(path, what));
  }

  const CommandTable& table_;
  CommandTable own_table_{
      AllCommands()};  // with the file's commands; ids are the same in all tables
  std::shared_ptr<CompiledConfig> made_;
};

std::string JournalOf(const SagaConfig& saga) {
  return saga.journal ? (saga.journal->empty() ? "none" : *saga.journal) : "the default place";
}

}  // namespace

Result<std::shared_ptr<const CompiledConfig>> Compile(const CommandTable& table, ConfigFile file) {
  return Compiler(table, std::move(file)).Run();
}

Status CheckChange(const CompiledConfig& now, const CompiledConfig& next, size_t workers) {
  const Config& before = now.config();
  const Config& after = next.config();
  ConfigFile file = next.file;
  constexpr char kRestart[] = "a reload cannot change it; leave it, or restart";
  if (after.pools.size() != before.pools.size()) {
    file.Complain({"pools"}, fmt::format("there are {} and were {}: each has its own connections "
                                         "and locks on every worker from the start on; {}",
                                         after.pools.size(), before.pools.size(), kRestart));
  }
  for (size_t i = 0; i < std::min(after.pools.size(), before.pools.size()); ++i) {
    const PoolConfig& pool = after.pools[i];
    if (pool.name != before.pools[i].name) {
      file.Complain({"pools", Number(i), "name"},
                    fmt::format("it is '{}' and was '{}': pools keep their names and order; {}",
                                pool.name, before.pools[i].name, kRestart));
    }
    if (pool.databases != before.pools[i].databases) {
      file.Complain({"pools", Number(i), "databases"},
                    fmt::format("it is {} and was {}: clients have one of them selected; {}",
                                pool.databases, before.pools[i].databases, kRestart));
    }
  }
  if (after.workers != before.workers && after.workers != workers) {
    file.Complain({"workers"},
                  fmt::format("it is {} and was {}: threads and what is shared out to them are "
                              "made at the start; {}",
                              after.workers, before.workers, kRestart));
  }
  // The default place may have become another one since.
  if (after.saga.journal != before.saga.journal && next.state.path != now.state.path) {
    file.Complain({"saga", "journal"},
                  fmt::format("it is {} and was {}: what is under way is written down there; {}",
                              JournalOf(after.saga), JournalOf(before.saga), kRestart));
  }
  if (after.saga.fsync != before.saga.fsync) {
    file.Complain({"saga", "fsync"},
                  fmt::format("the state database is open with the one before; {}", kRestart));
  }
  if (file.problems().empty()) return Done();
  return file.problems().ToError(file.name());
}

}  // namespace ringmaster
