// The whole configuration, checked: the schema of conf/ringmaster.yml as plain structs. Every
// member's initial value is the key's default. Made at start and at each reload, then immutable.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "move/options.h"

namespace ringmaster {

// TLS of a listener or towards a shard. All members have their initial values unless enabled.
struct TlsConfig {
  bool enabled = false;
  std::string certificate;  // readable PEM files; never one of these two without the other
  std::string key;
  std::string authorities;  // who may sign the peer's certificate; empty: the system's
  std::string server_name;  // shards: expected in the certificate; empty: the host of the address
  bool verify = true;       // shards: their certificate; listeners: clients need one
  bool operator==(const TlsConfig&) const = default;
};

struct ListenConfig {
  Address address;
  TlsConfig tls;  // never with a Unix socket
  bool operator==(const ListenConfig&) const = default;
};

struct RingConfig {
  std::string hash = "xxh3";
  std::string distribution = "ring";
  uint32_t virtual_nodes = 1024;
  std::string hash_tag = "{}";             // two characters, or empty: none
  std::vector<std::string> together = {};  // rules (base/tag_rule.h), in the order of asking
  bool operator==(const RingConfig&) const = default;
};

struct ShardConfig {
  std::string name;  // unique in its pool
  Address address;   // unique in its pool
  uint32_t weight = 1;
  std::string username;  // empty: the shard's default user
  std::string password;  // empty: none
  TlsConfig tls;
  // With `address` the servers of its group, whichever says that it is a primary; none: it has one
  // server, or Sentinels know them.
  std::vector<Address> replicas;
  std::string master = {};  // how the pool's Sentinels call it, unique; empty: they do not know it
  // Its address may change while it serves.
  bool followed() const { return !master.empty() || !replicas.empty(); }
  bool operator==(const ShardConfig&) const = default;
};

// Of a user who may not do everything: its scripts may not do more than it may itself, or they run
// with the proxy's own rights.
enum class UserScripts : uint8_t { kChecked, kUnchecked };

// In the words of Redis's ACL.
struct UserConfig {
  std::string name;
  std::vector<std::string> passwords;
  std::vector<std::string> password_sha256;  // 64 lowercase hexadecimal digits each
  bool nopass = false;                       // true exactly when there is no password
  std::string commands = "+@all";
  std::vector<std::string> keys = {"*"};
  std::vector<std::string> channels = {"*"};
  UserScripts scripts = UserScripts::kChecked;
  bool operator==(const UserConfig&) const = default;
};

// Who says where the primaries of a pool's shards are.
struct SentinelsConfig {
  std::vector<Address> addresses;  // empty: nobody
  std::string username;            // empty: their default user
  std::string password;            // empty: none
  bool operator==(const SentinelsConfig&) const = default;
};

struct PoolConfig {
  std::string name = "main";
  std::vector<ListenConfig> listen;  // at least one; by default 127.0.0.1:6380
  RingConfig ring;
  SentinelsConfig sentinels;
  std::vector<ShardConfig> shards;  // at least one
  uint32_t databases = 16;
  std::vector<UserConfig> users;  // empty: a default user without password who may do all
  bool operator==(const PoolConfig&) const = default;
};

struct BalanceConfig {
  bool push = true;
  bool pull = true;
  Duration interval = std::chrono::milliseconds(100);
  double threshold = 0.15;
  uint32_t gather = 8;  // clients that share one worker while it has time; 0: never
  bool operator==(const BalanceConfig&) const = default;
};

struct ScheduleConfig {
  uint32_t quantum = 32;
  uint32_t window = 512;
  double background_share = 0.05;
  std::vector<std::string> background;  // commands that wait for a quiet moment, by name
  bool operator==(const ScheduleConfig&) const = default;
};

enum class FsyncPolicy : uint8_t { kAlways, kEverySecond, kNo };
// How a multi-key write is carried out when its keys live on several shards.
enum class CommandMode : uint8_t { kSaga, kFanout, kReject };

struct SagaConfig {
  // The state database. Empty: none, on purpose. Not said: a place of the system's or the user's,
  // which the server chooses (server/state_place.h).
  std::optional<std::string> journal;
  FsyncPolicy fsync = FsyncPolicy::kEverySecond;
  std::map<std::string, CommandMode> modes;  // by command, in capitals; others: as their row says
  bool isolated_reads = false;               // reads over several shards see no write half done
  bool operator==(const SagaConfig&) const = default;
};

// A command of a module, or what is to be otherwise with a built-in one. What is not said stays as
// built in.
enum class CommandService : uint8_t { kForward, kEveryShard, kSum, kConcat, kRefuse };
struct CommandConfig {
  struct Keys {
    int first = 0;  // 0: it has none
    int last = 0;   // negative: from the end
    int step = 1;
    bool said_by_shard = false;  // the rest means nothing
    bool operator==(const Keys&) const = default;
  };

  std::string name;  // in capitals
  std::optional<CommandService> serve;
  std::optional<Keys> keys;
  std::optional<bool> write;
  std::optional<int> arity;
  std::string why = "is refused by the configuration";  // kRefuse: behind "ERR <command> "
  bool operator==(const CommandConfig&) const = default;
};

struct RebalanceConfig {
  uint32_t batch = 64;
  uint64_t max_keys_per_second = 0;  // 0: as fast as interactive latency allows
  DurableMove durable_move = DurableMove::kAof;
  bool operator==(const RebalanceConfig&) const = default;
};

struct TimeoutsConfig {
  Duration connect = std::chrono::seconds(1);
  Duration command = std::chrono::seconds(5);
  Duration idle_client = Duration(0);  // 0: never
  Duration drain = std::chrono::seconds(10);
  bool operator==(const TimeoutsConfig&) const = default;
};

struct LimitsConfig {
  uint32_t clients = 10000;
  uint64_t query_buffer = uint64_t{64} << 20;  // of one client
  uint64_t reply_buffer = uint64_t{64} << 20;  // of one client
  uint64_t memory = 0;                         // of all clients; 0: unlimited
  uint32_t max_args = 1 << 20;
  uint64_t max_bulk = uint64_t{512} << 20;
  uint32_t nesting = 8192;  // Redis's Lua has room for fewer than 8000
  bool operator==(const LimitsConfig&) const = default;
};

struct AdminConfig {
  std::optional<Address> listen = Address{Address::kTcp, "127.0.0.1", 9180, ""};  // none: off
  std::vector<std::string> hosts;  // names that requests may be for, in lower case; "*": any
  bool operator==(const AdminConfig&) const = default;
};

struct Config {
  std::vector<PoolConfig> pools;  // at least one
  uint32_t workers = 0;           // 0: one for each core
  BalanceConfig balance;
  ScheduleConfig schedule;
  SagaConfig saga;
  std::vector<CommandConfig> commands;  // names are unique
  RebalanceConfig rebalance;
  TimeoutsConfig timeouts;
  LimitsConfig limits;
  AdminConfig admin;
  Duration watchdog = std::chrono::seconds(2);  // a thread that stands still is reported; 0: never
  LogOptions log;
  bool operator==(const Config&) const = default;
};

// `file_name` stands in front of each error. An error holds everything that was found, one
// "file:line:column: what is wrong and what to do" a line. kLookAt: looks whether the TLS files
// named in `text` can be read; touches nothing else outside.
enum class NamedFiles : uint8_t { kLookAt, kLeaveAlone };
Result<Config> ParseConfig(std::string_view text, std::string_view file_name,
                           NamedFiles files = NamedFiles::kLookAt);
// kAnyKind: pipes and devices as well, which may keep the caller waiting, for some seconds.
enum class FileKind : uint8_t { kRegular, kAnyKind };
Result<Config> LoadConfig(const std::string& path, FileKind kind = FileKind::kRegular);

}  // namespace ringmaster
