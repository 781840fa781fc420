#include "config/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/config_file.h"

namespace ringmaster {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kTiB = uint64_t{1} << 40;

constexpr Bytes kFsyncPolicies[] = {"always", "everysec", "no"};
constexpr Bytes kDurableMoves[] = {"off", "aof", "replica"};
constexpr Bytes kCommandModes[] = {"saga", "fanout", "reject"};
constexpr Bytes kLogFormats[] = {"text", "json"};

BalanceConfig ParseBalance(Section& root) {
  BalanceConfig balance;
  Section section(root.Find("balance"), "balance", root.problems());
  section.Read("push", balance.push);
  section.Read("pull", balance.pull);
  section.ReadDuration("interval", milliseconds(10), hours(1), balance.interval);
  section.ReadNumber("threshold", 0.01, 1, balance.threshold);
  section.ReadInteger("gather", 0, 10'000, balance.gather);
  return balance;
}

ScheduleConfig ParseSchedule(Section& root) {
  ScheduleConfig schedule;
  Section section(root.Find("schedule"), "schedule", root.problems());
  section.ReadInteger("quantum", 1, 65536, schedule.quantum);
  section.ReadInteger("window", 1, 65536, schedule.window);
  // Background work with no share would never end, and with all of it nobody else would go on.
  section.ReadNumber("background_share", 0.001, 0.9, schedule.background_share);
  for (const YamlValue* name : section.FindTexts("background")) {
    schedule.background.push_back(name->text);
  }
  return schedule;
}

std::map<std::string, CommandMode> ParseModes(const YamlValue* value, Problems& problems) {
  std::map<std::string, CommandMode> modes;
  if (value == nullptr) return modes;
  if (value->kind != YamlValue::Kind::kMap) {
    if (value->kind != YamlValue::Kind::kNull) {
      problems.Add(value->at, "saga.modes: a map of commands belongs here, such as {DEL: saga}");
    }
    return modes;
  }
  const Section section(nullptr, "saga.modes", problems);
  for (size_t i = 0; i < value->keys.size(); ++i) {
    const YamlValue& key = value->keys[i];
    const YamlValue& mode = value->values[i];
    const std::string command = Uppercase(key.text);
    const std::string path = "saga.modes." + Printable(command, 64);
    const bool plausible = !command.empty() && command.size() <= 64 &&
                           std::all_of(command.begin(), command.end(), [](char c) {
                             return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                                    c == '-' || c == '.';
                           });
    if (!plausible) {
      problems.Add(key.at, path + ": this is no command's name");
    } else if (mode.kind != YamlValue::Kind::kText) {
      problems.Add(mode.at, path + ": write " + Listed(kCommandModes));
    } else if (const int index = section.Choose(mode, kCommandModes, path); index >= 0) {
      if (!modes.emplace(command, static_cast<CommandMode>(index)).second) {
        problems.Add(key.at, path + ": the command is there twice: remove one of them");
      }
    }
  }
  return modes;
}

SagaConfig ParseSaga(Section& root) {
  SagaConfig saga;
  Section section(root.Find("saga"), "saga", root.problems());
  if (section.FindText("journal") != nullptr) section.Read("journal", saga.journal.emplace());
  section.ReadEnum("fsync", kFsyncPolicies, saga.fsync);
  saga.modes = ParseModes(section.Find("modes"), root.problems());
  section.Read("isolated_reads", saga.isolated_reads);
  return saga;
}

RebalanceConfig ParseRebalance(Section& root) {
  RebalanceConfig rebalance;
  Section section(root.Find("rebalance"), "rebalance", root.problems());
  section.ReadInteger("batch", 1, 10'000, rebalance.batch);
  section.ReadInteger("max_keys_per_second", 0, 1'000'000'000, rebalance.max_keys_per_second);
  section.ReadEnum("durable_move", kDurableMoves, rebalance.durable_move);
  return rebalance;
}

TimeoutsConfig ParseTimeouts(Section& root) {
  TimeoutsConfig timeouts;
  Section section(root.Find("timeouts"), "timeouts", root.problems());
  section.ReadDuration("connect", milliseconds(1), minutes(10), timeouts.connect);
  section.ReadDuration("command", milliseconds(1), hours(24), timeouts.command);
  section.ReadDuration("idle_client", seconds(0), hours(24 * 365), timeouts.idle_client);
  section.ReadDuration("drain", seconds(0), hours(24), timeouts.drain);
  return timeouts;
}

LimitsConfig ParseLimits(Section& root) {
  LimitsConfig limits;
  Section section(root.Find("limits"), "limits", root.problems());
  section.ReadInteger("clients", 1, 1'000'000, limits.clients);
  section.ReadSize("query_buffer", kKiB, kTiB, limits.query_buffer);
  section.ReadSize("reply_buffer", kKiB, kTiB, limits.reply_buffer);
  section.ReadSize("memory", kKiB * kKiB, kTiB, limits.memory, true);
  section.ReadInteger("max_args", 1, INT32_MAX, limits.max_args);
  section.ReadSize("max_bulk", kKiB, kTiB, limits.max_bulk);
  // What the proxy itself asks its shards nests up to six levels.
  section.ReadInteger("nesting", 8, 65536, limits.nesting);
  return limits;
}

// Names as in the Host of a request: without port.
std::vector<std::string> ParseHosts(Section& section) {
  std::vector<std::string> hosts;
  for (const YamlValue* value : section.FindTexts("hosts")) {
    std::string host = value->text;
    if (host.ends_with('.')) host.pop_back();
    for (char& c : host) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    constexpr std::string_view kOthers = "-._";
    const bool fits = !host.empty() && std::all_of(host.begin(), host.end(), [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
             kOthers.find(c) != std::string_view::npos;
    });
    // With '::1' in quotes an address of IPv6 is a name, too.
    const bool six = host.find(':') != host.rfind(':');
    if (host == "*" || fits || six) {
      hosts.push_back(std::move(host));
    } else {
      section.Complain(*value, "hosts",
                       "'" + Printable(value->text, 64) +
                           "' is no name of a host; write one without port, or '*' for any");
    }
  }
  return hosts;
}

AdminConfig ParseAdmin(Section& root, ListenClaims& claims) {
  AdminConfig admin;
  Section section(root.Find("admin"), "admin", root.problems());
  Position at = section.at();
  admin.hosts = ParseHosts(section);
  if (const YamlValue* listen = section.FindText("listen")) {
    at = listen->at;
    admin.listen.reset();
    if (listen->text.empty()) return admin;
    admin.listen = ParseAddressValue(*listen, "admin.listen", root.problems());
  }
  if (admin.listen) claims.Claim(*admin.listen, at, "admin");
  return admin;
}

LogOptions ParseLog(Section& root) {
  LogOptions log;
  Section section(root.Find("log"), "log", root.problems());
  if (const YamlValue* level = section.FindText("level")) {
    const Result<LogLevel> parsed = ParseLogLevel(level->text);
    if (parsed) {
      log.level = *parsed;
    } else {
      section.Complain(*level, "level", parsed.error().text);
    }
  }
  section.Read("file", log.file);
  uint8_t format = 0;
  section.ReadEnum("format", kLogFormats, format);
  log.json = format == 1;
  return log;
}

bool CannotBothListen(const Address& a, const Address& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == Address::kUnix) return a.path == b.path;
  if (a.port != b.port) return false;
  if (Lowercase(a.host) == Lowercase(b.host)) return true;
  const auto is_v6 = [](const Address& x) { return x.host.find(':') != std::string::npos; };
  if (is_v6(a) != is_v6(b)) return false;  // listeners of ours are for one family each
  const Bytes any = is_v6(a) ? "::" : "0.0.0.0";
  return a.host == any || b.host == any;
}

}  // namespace

void ListenClaims::Claim(const Address& address, Position at, const std::string& owner) {
  for (const Entry& entry : entries_) {
    if (!CannotBothListen(address, entry.address)) continue;
    problems_.Add(
        at, fmt::format("{}: cannot listen on {}: {} listens on {} (line {})", owner,
                        address.ToString(), entry.owner, entry.address.ToString(), entry.at.line));
    return;
  }
  entries_.push_back({address, at, owner});
}

void ListenClaims::RefuseLoop(const Address& shard, Position at, const std::string& path) const {
  for (const Entry& entry : entries_) {
    if (entry.address != shard) continue;
    problems_.Add(at, fmt::format("{}: {} listens on {} itself, so its requests would go in "
                                  "circles: give the address of a Redis",
                                  path, entry.owner, shard.ToString()));
    return;
  }
}

std::optional<Address> ParseAddressValue(const YamlValue& value, const std::string& path,
                                         Problems& problems) {
  if (value.kind != YamlValue::Kind::kText) {
    problems.Add(value.at, path + ": an address belongs here, such as 127.0.0.1:6379");
    return std::nullopt;
  }
  Result<Address> address = ParseAddress(value.text);
  if (address) return std::move(address).value();
  problems.Add(value.at, path + ": " + address.error().text);
  return std::nullopt;
}

std::span<const YamlValue> ListElements(const YamlValue& value, size_t max, const std::string& path,
                                        Problems& problems) {
  if (value.kind != YamlValue::Kind::kList) {
    problems.Add(value.at, path + ": a list belongs here");
  } else if (value.values.empty()) {
    problems.Add(value.at, path + ": the list is empty: add an entry or remove the key");
  } else if (value.values.size() > max) {
    problems.Add(value.at, fmt::format("{}: the list is longer than {}", path, max));
  } else {
    return value.values;
  }
  return {};
}

ConfigFile ConfigFile::Parse(std::string_view text, std::string name, NamedFiles files) {
  ConfigFile file;
  file.name_ = std::move(name);
  Problems& problems = file.problems_;
  if (files == NamedFiles::kLeaveAlone) problems.LeaveFilesAlone();
  Config& config = file.config_;
  file.tree_ = ParseYaml(text, problems);
  if (!file.tree_) return file;
  ListenClaims claims(problems);
  std::vector<PlacedAddress> shards;
  Section root(&*file.tree_, "", problems);
  config.pools = ParsePools(root, claims, shards);
  root.ReadInteger("workers", 0, 1024, config.workers);
  config.balance = ParseBalance(root);
  config.schedule = ParseSchedule(root);
  config.saga = ParseSaga(root);
  config.commands = ParseCommands(root);
  config.rebalance = ParseRebalance(root);
  config.timeouts = ParseTimeouts(root);
  config.limits = ParseLimits(root);
  config.admin = ParseAdmin(root, claims);
  root.ReadDuration("watchdog", seconds(0), hours(1), config.watchdog);
  config.log = ParseLog(root);
  for (const PlacedAddress& shard : shards) {
    claims.RefuseLoop(shard.address, shard.at, shard.path);
  }
  return file;
}

Result<Config> ParseConfig(std::string_view text, std::string_view file_name, NamedFiles files) {
  const ConfigFile file = ConfigFile::Parse(text, std::string(file_name), files);
  if (!file.problems().empty()) return file.problems().ToError(file_name);
  return file.config();
}

Result<Config> LoadConfig(const std::string& path, FileKind kind) {
  const Result<ConfigFile> file = ConfigFile::Load(path, kind);
  if (!file) return file.error();
  if (!file->problems().empty()) return file->problems().ToError(path);
  return file->config();
}

}  // namespace ringmaster
