#include "config/dump.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/units.h"

namespace ringmaster {
namespace {

bool IsPlain(Bytes text) {
  if (text.empty() || text == "null" || text == "Null" || text == "NULL") return false;
  const auto is_letter = [](char c) { return ToLower(c) >= 'a' && ToLower(c) <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!is_letter(text[0]) && !is_digit(text[0]) && text[0] != '/') return false;
  if (text.ends_with(':') || text.find("::") != Bytes::npos) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == ':' || c == '/' || c == '-' || c == '_';
  });
}

// One character of UTF-8 at `at`, or nothing when the bytes are none.
struct CodePoint {
  uint32_t value = 0;
  size_t size = 0;
};
CodePoint Decode(Bytes text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  if (size == 0 || at + size > text.size()) return {};
  uint32_t value = first & (0xffU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xc0U) != 0x80) return {};
    value = value << 6 | (next & 0x3fU);
  }
  return {value, size};
}

// Plain where everybody reads it the same way, else in double quotes; what is not ASCII is escaped,
// because YAML takes some of it for line ends.
std::string Quoted(Bytes text) {
  if (IsPlain(text)) return std::string(text);
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const CodePoint point = byte < 0x80 ? CodePoint{byte, 1} : Decode(text, i);
    if (point.size == 0) {
      out.push_back(c);
      ++i;
      continue;
    }
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      out += fmt::format("\\U{:08x}", point.value);
    }
    i += point.size;
  }
  return out + "\"";
}

std::string QuotedList(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + Quoted(text);
  return out + "]";
}

class Dumper {
 public:
  explicit Dumper(Secrets secrets) : secrets_(secrets) {}

  std::string Dump(const Config& config) {
    out_ = "pools:\n";
    for (const PoolConfig& pool : config.pools) Pool(pool);
    Line("workers: {}", config.workers);
    Policies(config);
    Saga(config.saga);
    if (!config.commands.empty()) Line("commands:");
    for (const CommandConfig& command : config.commands) Command(command);
    Bounds(config);
    Line("admin: {{listen: {}{}}}",
         config.admin.listen ? Quoted(config.admin.listen->ToString()) : "\"\"",
         config.admin.hosts.empty() ? "" : ", hosts: " + QuotedList(config.admin.hosts));
    Line("watchdog: {}", FormatDuration(config.watchdog));
    Line("log: {{level: {}, file: {}, format: {}}}", LogLevelName(config.log.level),
         Quoted(config.log.file), config.log.json ? "json" : "text");
    return std::move(out_);
  }

 private:
  template <typename... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...);
    out_ += '\n';
  }

  std::string Secret(const std::string& text) const {
    return secrets_ == Secrets::kShown ? Quoted(text) : "\"<redacted>\"";
  }
  std::string SecretList(const std::vector<std::string>& texts) const {
    std::string out = "[";
    for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + Secret(text);
    return out + "]";
  }

  void Pool(const PoolConfig& pool) {
    Line("  - name: {}", Quoted(pool.name));
    Line("    listen:");
    for (const ListenConfig& listen : pool.listen) Listen(listen);
    Line("    ring: {{hash: {}, distribution: {}, virtual_nodes: {}, hash_tag: {}}}",
         pool.ring.hash, pool.ring.distribution, pool.ring.virtual_nodes,
         Quoted(pool.ring.hash_tag));
    Line("    shards:");
    for (const ShardConfig& shard : pool.shards) Shard(shard);
    Line("    databases: {}", pool.databases);
    if (!pool.users.empty()) Line("    users:");
    for (const UserConfig& user : pool.users) User(user);
  }

  void Listen(const ListenConfig& listen) {
    Line("      - address: {}", Quoted(listen.address.ToString()));
    if (!listen.tls.enabled) return;
    std::string tls =
        fmt::format("cert: {}, key: {}", Quoted(listen.tls.certificate), Quoted(listen.tls.key));
    if (!listen.tls.authorities.empty()) tls += ", ca: " + Quoted(listen.tls.authorities);
    Line("        tls: {{{}, verify_client: {}}}", tls, listen.tls.verify);
  }

  void Shard(const ShardConfig& shard) {
    Line("      - name: {}", Quoted(shard.name));
    Line("        address: {}", Quoted(shard.address.ToString()));
    Line("        weight: {}", shard.weight);
    if (!shard.username.empty()) Line("        username: {}", Quoted(shard.username));
    if (!shard.password.empty()) Line("        password: {}", Secret(shard.password));
    if (shard.tls.enabled) {
      std::string tls = fmt::format("verify: {}", shard.tls.verify);
      if (!shard.tls.authorities.empty()) tls += ", ca: " + Quoted(shard.tls.authorities);
      if (!shard.tls.certificate.empty()) tls += ", cert: " + Quoted(shard.tls.certificate);
      if (!shard.tls.key.empty()) tls += ", key: " + Quoted(shard.tls.key);
      if (!shard.tls.server_name.empty()) tls += ", server_name: " + Quoted(shard.tls.server_name);
      Line("        tls: {{{}}}", tls);
    }
    if (shard.replicas.empty()) return;
    std::vector<std::string> replicas;
    for (const Address& replica : shard.replicas) replicas.push_back(replica.ToString());
    Line("        replicas: {}", QuotedList(replicas));
  }

  void User(const UserConfig& user) {
    Line("      - name: {}", Quoted(user.name));
    if (user.nopass) Line("        nopass: true");
    if (!user.passwords.empty()) Line("        passwords: {}", SecretList(user.passwords));
    if (!user.password_sha256.empty()) {
      Line("        password_sha256: {}", SecretList(user.password_sha256));
    }
    Line("        commands: {}", Quoted(user.commands));
    Line("        keys: {}", QuotedList(user.keys));
    Line("        channels: {}", QuotedList(user.channels));
    if (user.scripts == UserScripts::kUnchecked) Line("        scripts: unchecked");
  }

  void Policies(const Config& config) {
    const BalanceConfig& balance = config.balance;
    Line("balance: {{push: {}, pull: {}, interval: {}, threshold: {}, gather: {}}}", balance.push,
         balance.pull, FormatDuration(balance.interval), balance.threshold, balance.gather);
    const std::vector<std::string>& background = config.schedule.background;
    Line("schedule: {{quantum: {}, window: {}, background_share: {}{}}}", config.schedule.quantum,
         config.schedule.window, config.schedule.background_share,
         background.empty() ? "" : ", background: " + QuotedList(background));
    static constexpr Bytes kDurableMoves[] = {"off", "aof", "replica"};
    Line("rebalance: {{batch: {}, max_keys_per_second: {}, durable_move: {}}}",
         config.rebalance.batch, config.rebalance.max_keys_per_second,
         kDurableMoves[static_cast<size_t>(config.rebalance.durable_move)]);
  }

  void Saga(const SagaConfig& saga) {
    static constexpr Bytes kFsync[] = {"always", "everysec", "no"};
    static constexpr Bytes kModes[] = {"saga", "fanout", "reject"};
    std::string modes;
    for (const auto& [command, mode] : saga.modes) {
      modes += (modes.empty() ? "" : ", ") + Quoted(command) + ": ";
      modes += kModes[static_cast<size_t>(mode)];
    }
    Line("saga: {{{}fsync: {}, isolated_reads: {}, modes: {{{}}}}}",
         saga.journal ? "journal: " + Quoted(*saga.journal) + ", " : "",
         kFsync[static_cast<size_t>(saga.fsync)], saga.isolated_reads ? "true" : "false", modes);
  }

  void Command(const CommandConfig& command) {
    static constexpr Bytes kServices[] = {"forward", "every_shard", "sum", "concat", "refuse"};
    std::vector<std::string> said;
    if (command.serve) {
      said.push_back("serve: " + std::string(kServices[static_cast<size_t>(*command.serve)]));
    }
    if (command.serve == CommandService::kRefuse) said.push_back("why: " + Quoted(command.why));
    if (command.keys) said.push_back("keys: " + Keys(*command.keys));
    if (command.write) said.push_back(fmt::format("write: {}", *command.write));
    if (command.arity) said.push_back(fmt::format("arity: {}", *command.arity));
    Line("  {}: {{{}}}", Quoted(command.name), fmt::join(said, ", "));
  }

  static std::string Keys(const CommandConfig::Keys& keys) {
    if (keys.said_by_shard) return "shard";
    if (keys.first == 0) return "none";
    return fmt::format("{{first: {}, last: {}, step: {}}}", keys.first, keys.last, keys.step);
  }

  void Bounds(const Config& config) {
    Line("timeouts: {{connect: {}, command: {}, idle_client: {}, drain: {}}}",
         FormatDuration(config.timeouts.connect), FormatDuration(config.timeouts.command),
         FormatDuration(config.timeouts.idle_client), FormatDuration(config.timeouts.drain));
    Line("limits:");
    Line("  clients: {}", config.limits.clients);
    Line("  query_buffer: {}", FormatSize(config.limits.query_buffer));
    Line("  reply_buffer: {}", FormatSize(config.limits.reply_buffer));
    Line("  memory: {}", FormatSize(config.limits.memory));
    Line("  max_args: {}", config.limits.max_args);
    Line("  max_bulk: {}", FormatSize(config.limits.max_bulk));
    Line("  nesting: {}", config.limits.nesting);
  }

  const Secrets secrets_;
  std::string out_;
};

}  // namespace

std::string DumpConfig(const Config& config, Secrets secrets) {
  return Dumper(secrets).Dump(config);
}

}  // namespace ringmaster
