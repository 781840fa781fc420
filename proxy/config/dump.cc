#include "config/dump.h"

#include <fmt/format.h>
#include <yaml-cpp/emitter.h>
#include <yaml-cpp/emittermanip.h>

#include "base/check.h"
#include "config/units.h"

namespace ringmaster {
namespace {

class Dumper {
 public:
  explicit Dumper(Secrets secrets) : secrets_(secrets) {
    // YAML takes some of what is not ASCII for line ends.
    out_.SetOutputCharset(YAML::EscapeNonAscii);
  }

  std::string Dump(const Config& config) {
    out_ << YAML::BeginMap;
    Key("pools");
    out_ << YAML::BeginSeq;
    for (const PoolConfig& pool : config.pools) Pool(pool);
    out_ << YAML::EndSeq;
    Put("workers", config.workers);
    Policies(config);
    Saga(config.saga);
    Commands(config.commands);
    Bounds(config);
    Admin(config.admin);
    Put("watchdog", FormatDuration(config.watchdog));
    Begin("log");
    PutText("level", LogLevelName(config.log.level));
    Put("file", config.log.file);
    Put("format", config.log.json ? "json" : "text");
    End();
    out_ << YAML::EndMap;
    RM_CHECK(out_.good());
    return std::string(out_.c_str(), out_.size()) + "\n";
  }

 private:
  void Key(Bytes key) { out_ << YAML::Key << std::string(key) << YAML::Value; }
  template <typename Value>
  void Put(Bytes key, const Value& value) {
    Key(key);
    out_ << value;
  }
  void PutText(Bytes key, Bytes text) { Put(key, std::string(text)); }
  // The shortest text that is read as this number.
  void Put(Bytes key, double number) { Put(key, fmt::format("{}", number)); }
  void Put(Bytes key, const std::vector<std::string>& texts) {
    Key(key);
    out_ << YAML::Flow << YAML::BeginSeq;
    for (const std::string& text : texts) out_ << text;
    out_ << YAML::EndSeq;
  }
  void Begin(Bytes key, YAML::EMITTER_MANIP form = YAML::Flow) {
    Key(key);
    out_ << form << YAML::BeginMap;
  }
  void End() { out_ << YAML::EndMap; }
  // Left out when empty.
  void PutIfAny(Bytes key, const std::string& text) {
    if (!text.empty()) Put(key, text);
  }

  void Secret(const std::string& text) {
    if (secrets_ == Secrets::kShown) {
      out_ << text;
    } else {
      out_ << YAML::DoubleQuoted << "<redacted>";
    }
  }
  void PutSecrets(Bytes key, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    Key(key);
    out_ << YAML::Flow << YAML::BeginSeq;
    for (const std::string& text : texts) Secret(text);
    out_ << YAML::EndSeq;
  }

  void Pool(const PoolConfig& pool) {
    out_ << YAML::BeginMap;
    Put("name", pool.name);
    Key("listen");
    out_ << YAML::BeginSeq;
    for (const ListenConfig& listen : pool.listen) Listen(listen);
    out_ << YAML::EndSeq;
    Begin("ring");
    Put("hash", pool.ring.hash);
    Put("distribution", pool.ring.distribution);
    Put("virtual_nodes", pool.ring.virtual_nodes);
    Put("hash_tag", pool.ring.hash_tag);
    if (!pool.ring.together.empty()) Put("together", pool.ring.together);
    End();
    if (!pool.sentinels.addresses.empty()) Sentinels(pool.sentinels);
    Key("shards");
    out_ << YAML::BeginSeq;
    for (const ShardConfig& shard : pool.shards) Shard(shard);
    out_ << YAML::EndSeq;
    Put("databases", pool.databases);
    if (!pool.users.empty()) {
      Key("users");
      out_ << YAML::BeginSeq;
      for (const UserConfig& user : pool.users) User(user);
      out_ << YAML::EndSeq;
    }
    out_ << YAML::EndMap;
  }

  void Sentinels(const SentinelsConfig& sentinels) {
    std::vector<std::string> addresses;
    for (const Address& address : sentinels.addresses) addresses.push_back(address.ToString());
    Begin("sentinels");
    Put("addresses", addresses);
    PutIfAny("username", sentinels.username);
    if (!sentinels.password.empty()) {
      Key("password");
      Secret(sentinels.password);
    }
    End();
  }

  void Listen(const ListenConfig& listen) {
    out_ << YAML::BeginMap;
    Put("address", listen.address.ToString());
    if (listen.tls.enabled) {
      Begin("tls");
      Put("cert", listen.tls.certificate);
      Put("key", listen.tls.key);
      PutIfAny("ca", listen.tls.authorities);
      Put("verify_client", listen.tls.verify);
      End();
    }
    out_ << YAML::EndMap;
  }

  void Shard(const ShardConfig& shard) {
    out_ << YAML::BeginMap;
    Put("name", shard.name);
    Put("address", shard.address.ToString());
    PutIfAny("master", shard.master);
    Put("weight", shard.weight);
    PutIfAny("username", shard.username);
    if (!shard.password.empty()) {
      Key("password");
      Secret(shard.password);
    }
    if (shard.tls.enabled) {
      Begin("tls");
      Put("verify", shard.tls.verify);
      PutIfAny("ca", shard.tls.authorities);
      PutIfAny("cert", shard.tls.certificate);
      PutIfAny("key", shard.tls.key);
      PutIfAny("server_name", shard.tls.server_name);
      End();
    }
    if (!shard.replicas.empty()) {
      std::vector<std::string> replicas;
      for (const Address& replica : shard.replicas) replicas.push_back(replica.ToString());
      Put("replicas", replicas);
    }
    out_ << YAML::EndMap;
  }

  void User(const UserConfig& user) {
    out_ << YAML::BeginMap;
    Put("name", user.name);
    if (user.nopass) Put("nopass", true);
    PutSecrets("passwords", user.passwords);
    PutSecrets("password_sha256", user.password_sha256);
    Put("commands", user.commands);
    Put("keys", user.keys);
    Put("channels", user.channels);
    if (user.scripts == UserScripts::kUnchecked) Put("scripts", "unchecked");
    out_ << YAML::EndMap;
  }

  void Policies(const Config& config) {
    static constexpr Bytes kDurableMoves[] = {"off", "aof", "replica"};
    Begin("balance");
    Put("push", config.balance.push);
    Put("pull", config.balance.pull);
    Put("interval", FormatDuration(config.balance.interval));
    Put("threshold", config.balance.threshold);
    Put("gather", config.balance.gather);
    End();
    Begin("schedule");
    Put("quantum", config.schedule.quantum);
    Put("window", config.schedule.window);
    Put("background_share", config.schedule.background_share);
    if (!config.schedule.background.empty()) Put("background", config.schedule.background);
    End();
    Begin("rebalance");
    Put("batch", config.rebalance.batch);
    Put("max_keys_per_second", config.rebalance.max_keys_per_second);
    PutText("durable_move", kDurableMoves[static_cast<size_t>(config.rebalance.durable_move)]);
    End();
  }

  void Saga(const SagaConfig& saga) {
    static constexpr Bytes kFsync[] = {"always", "everysec", "no"};
    static constexpr Bytes kModes[] = {"saga", "fanout", "reject"};
    Begin("saga");
    if (saga.journal) Put("journal", *saga.journal);
    PutText("fsync", kFsync[static_cast<size_t>(saga.fsync)]);
    Put("isolated_reads", saga.isolated_reads);
    Begin("modes");
    for (const auto& [command, mode] : saga.modes) {
      PutText(command, kModes[static_cast<size_t>(mode)]);
    }
    End();
    End();
  }

  void Commands(const std::vector<CommandConfig>& commands) {
    if (commands.empty()) return;
    Begin("commands", YAML::Block);
    for (const CommandConfig& command : commands) Command(command);
    End();
  }

  void Command(const CommandConfig& command) {
    static constexpr Bytes kServices[] = {"forward", "every_shard", "sum", "concat", "refuse"};
    Begin(command.name);
    if (command.serve) PutText("serve", kServices[static_cast<size_t>(*command.serve)]);
    if (command.serve == CommandService::kRefuse) Put("why", command.why);
    if (command.keys) Keys(*command.keys);
    if (command.write) Put("write", *command.write);
    if (command.arity) Put("arity", *command.arity);
    End();
  }

  void Keys(const CommandConfig::Keys& keys) {
    if (keys.said_by_shard) return Put("keys", "shard");
    if (keys.first == 0) return Put("keys", "none");
    Begin("keys");
    Put("first", keys.first);
    Put("last", keys.last);
    Put("step", keys.step);
    End();
  }

  void Bounds(const Config& config) {
    Begin("timeouts");
    Put("connect", FormatDuration(config.timeouts.connect));
    Put("command", FormatDuration(config.timeouts.command));
    Put("idle_client", FormatDuration(config.timeouts.idle_client));
    Put("drain", FormatDuration(config.timeouts.drain));
    End();
    Begin("limits", YAML::Block);
    Put("clients", config.limits.clients);
    Put("query_buffer", FormatSize(config.limits.query_buffer));
    Put("reply_buffer", FormatSize(config.limits.reply_buffer));
    Put("memory", FormatSize(config.limits.memory));
    Put("max_args", config.limits.max_args);
    Put("max_bulk", FormatSize(config.limits.max_bulk));
    Put("nesting", config.limits.nesting);
    End();
  }

  void Admin(const AdminConfig& admin) {
    Begin("admin");
    Put("listen", admin.listen ? admin.listen->ToString() : std::string());
    if (!admin.hosts.empty()) Put("hosts", admin.hosts);
    End();
  }

  const Secrets secrets_;
  YAML::Emitter out_;
};

}  // namespace

std::string DumpConfig(const Config& config, Secrets secrets) {
  return Dumper(secrets).Dump(config);
}

}  // namespace ringmaster
