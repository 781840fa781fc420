#include "config/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "config/dump.h"

namespace ringmaster {
namespace {

// The smallest configuration, with `more` behind it at the top level.
std::string Top(const std::string& more) {
  return "pools: [{shards: [{name: a, address: '127.0.0.1:7001'}]}]\n" + more;
}

// One pool with `more` as its other keys, one a line from line 3 on.
std::string Pool(const std::string& more) {
  return "pools:\n  - shards: [{name: a, address: '127.0.0.1:7001'}]\n" + more;
}

// One pool with these shards, one a line from line 3 on.
std::string Shards(const std::string& shards) { return "pools:\n  - shards:\n" + shards; }

// "fine", or all that is wrong.
std::string Wrong(const std::string& text) {
  const Result<Config> config = ParseConfig(text, "f");
  return config ? "fine" : config.error().text;
}

Config Parsed(const std::string& text) {
  Result<Config> config = ParseConfig(text, "f");
  if (!config) {
    ADD_FAILURE() << config.error().text;
    return {};
  }
  return *std::move(config);
}

// An empty file that lives as long as the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(Bytes content = "") {
    char name[] = "/tmp/ringmaster-config-XXXXXX";
    const int fd = mkstemp(name);
    EXPECT_GE(fd, 0);
    EXPECT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    close(fd);
    path_ = name;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(ConfigTest, NeedsNothingButAShard) {
  EXPECT_EQ(DumpConfig(Parsed("pools: [{shards: [{address: '127.0.0.1:7001'}]}]")),
            R"(pools:
  - name: main
    listen:
      - address: 127.0.0.1:6380
    ring: {hash: xxh3, distribution: ring, virtual_nodes: 1024, hash_tag: "{}"}
    shards:
      - name: 127.0.0.1:7001
        address: 127.0.0.1:7001
        weight: 1
    databases: 16
workers: 0
balance: {push: true, pull: true, interval: 100ms, threshold: 0.15, gather: 8}
schedule: {quantum: 32, window: 512, background_share: 0.05}
rebalance: {batch: 64, max_keys_per_second: 0, durable_move: aof}
saga: {fsync: everysec, isolated_reads: false, modes: {}}
timeouts: {connect: 1s, command: 5s, idle_client: 0s, drain: 10s}
limits:
  clients: 10000
  query_buffer: 64mb
  reply_buffer: 64mb
  memory: 0
  max_args: 1048576
  max_bulk: 512mb
  nesting: 8192
admin: {listen: 127.0.0.1:9180}
watchdog: 2s
log: {level: info, file: "", format: text}
)");
}

TEST(ConfigTest, ReadsEveryScalarKeyOfTheTopLevel) {
  const Config config = Parsed(Top(R"(
workers: 3
balance: {push: false, pull: false, interval: 1s, threshold: 0.5, gather: 3}
schedule: {quantum: 1, window: 2, background_share: 0.25, background: [keys, SCAN]}
saga: {journal: ./state.db, fsync: no, modes: {del: saga, MSET: fanout, RENAME: reject}}
commands: {ft.get: {keys: 1, write: false, arity: -2}, KEYS: {serve: refuse, why: "is slow"},
           M.ALL: {keys: {first: 2, last: -1, step: 3}}, M.ASK: {keys: shard},
           M.SUM: {keys: none, serve: sum}}
rebalance: {batch: 7, max_keys_per_second: 8, durable_move: replica}
timeouts: {connect: 10ms, command: 20ms, idle_client: 30s, drain: 0s}
limits: {clients: 9, query_buffer: 1mb, reply_buffer: 2mb, memory: 1gb, max_args: 10,
         max_bulk: 3mb, nesting: 9}
admin: {listen: /run/admin.sock, hosts: [Proxy.example., "::1"]}
watchdog: 5s
log: {level: debug, file: /tmp/log, format: json}
)"));
  Config expected = Parsed(Top(""));
  expected.workers = 3;
  expected.balance = {false, false, std::chrono::seconds(1), 0.5, 3};
  expected.schedule = {1, 2, 0.25, {"keys", "SCAN"}};
  expected.saga = {"./state.db",
                   FsyncPolicy::kNo,
                   {{"DEL", CommandMode::kSaga},
                    {"MSET", CommandMode::kFanout},
                    {"RENAME", CommandMode::kReject}}};
  using Keys = CommandConfig::Keys;
  expected.commands = {
      {"FT.GET", {}, Keys{1, 1, 1}, false, -2},
      {"KEYS", CommandService::kRefuse, {}, {}, {}, "is slow"},
      {"M.ALL", {}, Keys{2, -1, 3}, {}, {}},
      {"M.ASK", {}, Keys{.said_by_shard = true}, {}, {}},
      {"M.SUM", CommandService::kSum, Keys{}, {}, {}},
  };
  expected.rebalance = {7, 8, DurableMove::kReplica};
  expected.timeouts = {std::chrono::milliseconds(10), std::chrono::milliseconds(20),
                       std::chrono::seconds(30), Duration(0)};
  expected.limits = {9, 1 << 20, 2 << 20, 1 << 30, 10, 3 << 20, 9};
  expected.admin.listen = Address{Address::kUnix, "", 0, "/run/admin.sock"};
  expected.admin.hosts = {"proxy.example", "::1"};
  expected.watchdog = std::chrono::seconds(5);
  expected.log = {LogLevel::kDebug, "/tmp/log", true};
  EXPECT_EQ(DumpConfig(config), DumpConfig(expected));
  EXPECT_TRUE(config == expected);
}

TEST(ConfigTest, ReadsEveryKeyOfAPool) {
  const TemporaryFile pem;
  const std::string tls = "cert: " + pem.path() + ", key: " + pem.path() + ", ca: " + pem.path();
  const Config config = Parsed(R"(pools:
  - name: p
    listen: [{address: "[::1]:6390", tls: {)" +
                               tls + R"(, verify_client: true}}, unix:/run/p.sock]
    ring: {hash: md5, distribution: modula, virtual_nodes: 5, hash_tag: ""}
    shards:
      - {name: a, address: host.a:1, weight: 3, username: u, password: 007,
         replicas: [host.b:1, "redis://host.c:1"],
         tls: {)" + tls + R"(, server_name: s, verify: false}}
      - {address: host.d:1, tls: true}
      - host.e:1
      - {address: host.f:1, master: group}
    sentinels: {addresses: [host.g:1, host.h:1], username: su, password: sp}
    databases: 2
)");
  PoolConfig expected;
  expected.name = "p";
  const Address v6{Address::kTcp, "::1", 6390, ""};
  const Address path{Address::kUnix, "", 0, "/run/p.sock"};
  expected.listen = {{v6, {true, pem.path(), pem.path(), pem.path(), "", true}}, {path, {}}};
  expected.ring = {"md5", "modula", 5, ""};
  const auto host = [](const char* name) { return Address{Address::kTcp, name, 1, ""}; };
  expected.shards = {{"a",
                      host("host.a"),
                      3,
                      "u",
                      "007",
                      {true, pem.path(), pem.path(), pem.path(), "s", false},
                      {host("host.b"), host("host.c")}},
                     {"host.d:1", host("host.d"), 1, "", "", {true, "", "", "", "", true}, {}},
                     {"host.e:1", host("host.e"), 1, "", "", {}, {}},
                     {"group", host("host.f"), 1, "", "", {}, {}, "group"}};
  expected.sentinels = {{host("host.g"), host("host.h")}, "su", "sp"};
  expected.databases = 2;
  ASSERT_EQ(config.pools.size(), 1U);
  EXPECT_TRUE(config.pools[0] == expected) << DumpConfig(config, Secrets::kShown);
}

TEST(ConfigTest, ReadsUsers) {
  const std::string digest(64, 'A');
  const Config config = Parsed(Pool(R"(
    users:
      - {name: default, nopass: true, keys: [], channels: []}
      - {name: app, password: one, commands: "+@all -@dangerous -config|set", keys: "app:*"}
      - {name: open, nopass: true, scripts: unchecked}
      - {name: two, passwords: [x, y], password_sha256: )" +
                                    digest + R"(, keys: ["%R~a*", "%RW~b*"], channels: [c, d]}
)"));
  const std::vector<UserConfig> expected = {
      {"default", {}, {}, true, "+@all", {}, {}},
      {"app", {"one"}, {}, false, "+@all -@dangerous -config|set", {"app:*"}, {"*"}},
      {"open", {}, {}, true, "+@all", {"*"}, {"*"}, UserScripts::kUnchecked},
      {"two", {"x", "y"}, {std::string(64, 'a')}, false, "+@all", {"%R~a*", "%RW~b*"}, {"c", "d"}}};
  EXPECT_TRUE(config.pools.at(0).users == expected) << DumpConfig(config, Secrets::kShown);
}

TEST(ConfigTest, TakesAMapWithoutKeysForItsDefaults) {
  EXPECT_TRUE(Parsed(Top("limits:\nsaga: {}\nlog:\n  # level: debug\n")) == Parsed(Top("")));
}

TEST(ConfigTest, TurnsTheAdminListenerOff) {
  EXPECT_FALSE(Parsed(Top("admin: {listen: ''}")).admin.listen);
  EXPECT_EQ(Parsed(Top("admin: {hosts: '*'}")).admin.hosts, std::vector<std::string>{"*"});
}

TEST(ConfigTest, LeavesTlsOutWhenItIsNotEnabled) {
  const Config config =
      Parsed(Shards("      - {address: h.a:1, tls: {enabled: false}}\n"
                    "      - {address: h.b:1, tls: false}\n"));
  for (const ShardConfig& shard : config.pools.at(0).shards) EXPECT_TRUE(shard.tls == TlsConfig());
}

TEST(ConfigTest, NamesAKetamaShardAsTwemproxyHashesIt) {
  const Config config = Parsed(R"(pools:
  - ring: {distribution: ketama}
    shards: ["127.0.0.1:11211", "127.0.0.1:7001", /run/r.sock, {name: n, address: h:11211}]
)");
  std::string names;
  for (const ShardConfig& shard : config.pools.at(0).shards) names += shard.name + " ";
  EXPECT_EQ(names, "127.0.0.1 127.0.0.1:7001 /run/r.sock: n ");
}

TEST(ConfigTest, LoadsAFileAndNamesItInErrors) {
  const TemporaryFile good(Top(""));
  EXPECT_TRUE(LoadConfig(good.path()));
  const TemporaryFile bad("pools: 1\n");
  EXPECT_EQ(LoadConfig(bad.path()).error().text, bad.path() + ":1:8: pools: a list belongs here");
  EXPECT_EQ(LoadConfig("/nowhere/x.yml").error().text,
            "/nowhere/x.yml: cannot read the configuration: No such file or directory");
  EXPECT_EQ(LoadConfig("/tmp").error().text, "/tmp: cannot read the configuration: Is a directory");
  const TemporaryFile huge(std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(LoadConfig(huge.path()).error().text,
            huge.path() + ":1:1: the file is larger than the 1 MiB that a configuration may have");
}

TEST(ConfigErrorsTest, AreAllTold) {
  EXPECT_EQ(
      Wrong(R"(pools:
  - name: main
    shards:
      - {name: a, address: 127.0.0.1:7001, weight: heavy}
      - {name: a, address: 127.0.0.1}
    database: 4
workers: -1
timeouts: {command: 5}
)"),
      "f:4:52: pools[0].shards[0].weight: write a whole number from 1 to 100000, not 'heavy'\n"
      "f:5:16: pools[0].shards[1].name: the shard on line 4 is called 'a' already\n"
      "f:5:28: pools[0].shards[1].address: '127.0.0.1' is no address: the port is missing; "
      "use host:port, [v6]:port or /path/of.sock\n"
      "f:6:5: unknown key 'database' in pools[0]: did you mean 'databases'?\n"
      "f:7:10: workers: write a whole number from 0 to 1024, not '-1'\n"
      "f:8:21: timeouts.command: '5' has no unit: add one of us, ms, s, m, h, d");
}

TEST(ConfigErrorsTest, TellWhatIsMissing) {
  const std::string no_pools =
      "f:1:1: the pools are missing: add pools with one pool that has shards";
  EXPECT_EQ(Wrong(""), no_pools);
  EXPECT_EQ(Wrong("workers: 1"), no_pools);
  EXPECT_EQ(Wrong("pools:\n  - name: x\n"),
            "f:2:5: pools[0]: the shards are missing: add shards with at least one address");
  EXPECT_EQ(Wrong("pools:\n  - shards: []\n"),
            "f:2:13: pools[0].shards: the list is empty: add an entry or remove the key");
  EXPECT_EQ(Wrong(Shards("      - {name: a}")),
            "f:3:9: pools[0].shards[0]: the shard's address is missing: add address");
  EXPECT_EQ(
      Wrong(Top("workers:")),
      "f:2:1: workers: the value is missing: write one, or leave the key out for its default");
  EXPECT_EQ(Wrong(Pool("    users: []")),
            "f:3:12: pools[0].users: the list is empty: add an entry or remove the key");
}

TEST(ConfigErrorsTest, TellWrongKindsOfValues) {
  EXPECT_EQ(Wrong("[]"), "f:1:1: a map of keys belongs here, not a list");
  EXPECT_EQ(Wrong(Top("limits: 5")),
            "f:2:9: limits: a map of keys belongs here, not a plain value");
  EXPECT_EQ(Wrong(Top("workers: [1]")), "f:2:10: workers: one value belongs here, not a list");
  EXPECT_EQ(Wrong(Top("workers: '2'")),
            "f:2:10: workers: write a whole number from 0 to 1024, not \"2\" in quotes");
  EXPECT_EQ(Wrong(Top("balance: {push: yes}")),
            "f:2:17: balance.push: write true or false, not 'yes'");
  EXPECT_EQ(Wrong(Top("log: {file: \"a\\nb\"}")),
            "f:2:13: log.file: the text holds a control character");
}

TEST(ConfigErrorsTest, TellImpossibleValues) {
  EXPECT_EQ(Wrong(Top("workers: 1025")),
            "f:2:10: workers: write a whole number from 0 to 1024, not '1025'");
  EXPECT_EQ(Wrong(Top("balance: {threshold: 1.5}")),
            "f:2:22: balance.threshold: write a number from 0.01 to 1, not '1.5'");
  EXPECT_EQ(Wrong(Top("balance: {threshold: nan}")),
            "f:2:22: balance.threshold: write a number from 0.01 to 1, not 'nan'");
  EXPECT_EQ(Wrong(Top("timeouts: {command: 0s}")),
            "f:2:21: timeouts.command: '0s' is not within 1ms to 1d");
  EXPECT_EQ(Wrong(Top("limits: {memory: 1}")),
            "f:2:18: limits.memory: '1' is not 0 or within 1mb to 1024gb");
  EXPECT_EQ(Wrong(Pool("    ring: {virtual_nodes: 0}")),
            "f:3:27: pools[0].ring.virtual_nodes: write a whole number from 1 to 65536, not '0'");
  EXPECT_EQ(Wrong(Pool("    ring: {hash_tag: '{'}")),
            "f:3:22: pools[0].ring.hash_tag: write the opening and the closing character, such as "
            "\"{}\", or \"\" for no hash tags");
  EXPECT_EQ(
      Wrong(Pool("    ring: {together: ['bull:{queue}*']}")),
      "f:3:23: pools[0].ring.together: 'bull:{queue}*' does not say where {queue} ends: write "
      "the character that follows it in the keys, before the *");
  EXPECT_EQ(Wrong(Pool("    ring: {together: ['a:{b}', 'a:{b}']}")),
            "f:3:32: pools[0].ring.together: 'a:{b}' is there twice: remove one");
  EXPECT_EQ(Wrong(Shards("      - {name: a, address: 'h:1', weight: 0}")),
            "f:3:43: pools[0].shards[0].weight: write a whole number from 1 to 100000, not '0'");
  EXPECT_EQ(Wrong(Shards("      - {name: a, address: 'h:1', weight: 100000}")),
            "f:3:7: pools[0].shards: the weights times virtual_nodes make 102400000 points, more "
            "than 16777216: lower either");
}

TEST(ConfigErrorsTest, SuggestWhatWasMeant) {
  EXPECT_EQ(Wrong(Pool("    ring: {hash: fnv_1a_64}")),
            "f:3:18: pools[0].ring.hash: 'fnv_1a_64' is unknown: did you mean 'fnv1a_64'?");
  EXPECT_EQ(Wrong(Pool("    ring: {distribution: random}")),
            "f:3:26: pools[0].ring.distribution: 'random' is unknown: use ring, ketama or modula");
  EXPECT_EQ(Wrong(Top("time_outs: {}")),
            "f:2:1: unknown key 'time_outs': did you mean 'timeouts'?");
  EXPECT_EQ(Wrong(Top("log: {colour: red}")),
            "f:2:7: unknown key 'colour' in log: known are level, file or format");
}

TEST(ConfigErrorsTest, TellWhatIsWrongWithACommand) {
  EXPECT_EQ(Wrong(Top("commands: {a b: {keys: 1}}")),
            "f:2:12: commands.A B: this is no command's name");
  EXPECT_EQ(
      Wrong(Top("commands: {X: {keys: 0}}")),
      "f:2:22: commands.X.keys: write the position of its only key, {first: 1, last: -1, step: "
      "1}, shard when only a shard can tell, or none");
  EXPECT_EQ(
      Wrong(Top("commands: {X: {keys: {last: 1}}}")),
      "f:2:22: commands.X.keys: 'first' is missing: the position of the first key, 1 behind the "
      "command");
  EXPECT_EQ(
      Wrong(Top("commands: {X: {serve: never}}")),
      "f:2:23: commands.X.serve: 'never' is unknown: use forward, every_shard, sum, concat or "
      "refuse");
  EXPECT_EQ(Wrong(Top("commands: {X: {serve: sum, why: no}}")),
            "f:2:33: commands.X.why: goes only with 'serve: refuse'");
  EXPECT_EQ(Wrong(Top("commands: {X: {keys: 1, arity: 0}}")),
            "f:2:32: commands.X.arity: write how many arguments it has with its name, or -3 for 3 "
            "and more");
  EXPECT_EQ(Wrong(Top("commands: {x: {keys: 1}, X: {keys: 1}}")),
            "f:2:26: commands.X: the command is there twice: remove one of them");
}

TEST(ConfigErrorsTest, TellNamesThatAreThereTwice) {
  EXPECT_EQ(Wrong("pools:\n"
                  "  - {name: a, listen: 'h:1', shards: ['s:1']}\n"
                  "  - {name: a, listen: 'h:2', shards: ['s:1']}\n"),
            "f:3:12: pools[1].name: the pool on line 2 is called 'a' already");
  EXPECT_EQ(Wrong(Pool("    users: [{name: u, nopass: true}, {name: u, nopass: true}]")),
            "f:3:45: pools[0].users[1].name: the user on line 3 is called 'u' already");
  EXPECT_EQ(Wrong(Top("saga: {modes: {DEL: saga, del: fanout}}")),
            "f:2:27: saga.modes.DEL: the command is there twice: remove one of them");
  EXPECT_EQ(Wrong(Shards("      - {name: 'a b', address: 'h:1'}")),
            "f:3:16: pools[0].shards[0].name: a name has 1 to 128 characters and no spaces, unlike "
            "'a b'");
}

TEST(ConfigErrorsTest, TellListenersThatCannotBeOpenTogether) {
  const auto two = [](const std::string& a, const std::string& b) {
    return Wrong("pools:\n  - {name: a, shards: ['s:1'], listen: ['" + a +
                 "']}\n  - {name: b, shards: ['s:1'], listen: ['" + b + "']}\n");
  };
  EXPECT_EQ(two("h:1", "H:1"),
            "f:3:41: pool 'b': cannot listen on H:1: pool 'a' listens on h:1 (line 2)");
  EXPECT_EQ(two("0.0.0.0:1", "127.0.0.1:1"),
            "f:3:41: pool 'b': cannot listen on 127.0.0.1:1: pool 'a' listens on 0.0.0.0:1 "
            "(line 2)");
  EXPECT_EQ(two("/run/a.sock", "unix:/run/a.sock"),
            "f:3:41: pool 'b': cannot listen on /run/a.sock: pool 'a' listens on /run/a.sock "
            "(line 2)");
  EXPECT_EQ(two("127.0.0.1:9180", "h:1"),
            "f:1:1: admin: cannot listen on 127.0.0.1:9180: pool 'a' listens on 127.0.0.1:9180 "
            "(line 2)");
  EXPECT_EQ(two("0.0.0.0:1", "[::]:1"), "fine");
  EXPECT_EQ(two("127.0.0.1:1", "127.0.0.1:2"), "fine");
}

TEST(ConfigErrorsTest, TellReplicasThatNobodyCouldFollow) {
  EXPECT_EQ(Wrong(Shards("      - {name: a, address: 'h:1', master: m, replicas: ['h:2']}\n"
                         "    sentinels: {addresses: ['s:1']}\n")),
            "f:3:56: pools[0].shards[0].replicas: its Sentinels know its servers: remove it, or "
            "master");
  EXPECT_EQ(Wrong(Shards("      - {name: a, address: 'h:1', follow: role}\n")),
            "f:3:43: pools[0].shards[0].follow: by role means that the shard's servers say which "
            "of them is the primary: list the others as replicas, without a master");
  EXPECT_EQ(Wrong(Shards("      - {name: a, address: 'h:1', replicas: ['h:2'], follow: x}\n")),
            "f:3:62: pools[0].shards[0].follow: it is 'role' or nothing: Sentinels follow a "
            "master");
}

TEST(ConfigErrorsTest, TellSentinelsAndMastersThatDoNotFit) {
  const std::string shard = "      - {name: a, address: 'h:1', master: m}\n";
  EXPECT_EQ(Wrong(Shards(shard)),
            "f:2:5: pools[0]: a shard has a master, and nobody can say where that is: add "
            "sentinels");
  EXPECT_EQ(Wrong(Shards("      - {name: a, address: 'h:1'}\n"
                         "    sentinels: {addresses: ['s:1']}\n")),
            "f:4:16: pools[0].sentinels: no shard says which of their masters it is: add master to "
            "the shards");
  EXPECT_EQ(Wrong(Shards(shard + "      - {name: b, address: 'h:2', master: m}\n"
                                 "    sentinels: {addresses: ['s:1']}\n")),
            "f:4:43: pools[0].shards[1].master: the shard on line 3 has this one already");
  EXPECT_EQ(Wrong(Shards(shard + "    sentinels: {addresses: ['s:1', 's:1']}\n")),
            "f:4:36: pools[0].sentinels.addresses[1]: it is there already: each Sentinel has one "
            "voice");
  EXPECT_EQ(Wrong(Shards(shard + "    sentinels: {addresses: ['s:1'], tls: true}\n")),
            "f:4:42: pools[0].sentinels.tls: Sentinels are reached without TLS: the library that "
            "asks them has none; remove it, and ask them over a network that nobody else is in");
}

TEST(ConfigErrorsTest, TellShardsThatWouldAnswerTwiceOrInCircles) {
  EXPECT_EQ(Wrong(Shards("      - {name: a, address: 'h:1'}\n"
                         "      - {name: b, address: 'h:2', replicas: ['h:1']}\n")),
            "f:4:46: pools[0].shards[1].replicas[0]: h:1 is a shard or replica on line 3 already: "
            "two of them would hold the same keys twice");
  EXPECT_EQ(Wrong(Shards("      - 127.0.0.1:6380")),
            "f:3:9: pools[0].shards[0]: pool 'main' listens on 127.0.0.1:6380 itself, so its "
            "requests would go in circles: give the address of a Redis");
}

TEST(ConfigErrorsTest, TellWhatIsWrongWithTls) {
  const TemporaryFile pem;
  const auto listener = [](const std::string& tls) {
    return Wrong(Pool("    listen: {address: 'h:1', tls: {" + tls + "}}"));
  };
  EXPECT_EQ(listener(""), "f:3:35: pools[0].listen[0].tls: a listener needs cert and key");
  EXPECT_EQ(listener("cert: /nowhere, key: " + pem.path()),
            "f:3:42: pools[0].listen[0].tls.cert: cannot read '/nowhere': No such file or "
            "directory");
  EXPECT_EQ(listener("cert: /tmp, key: " + pem.path()),
            "f:3:42: pools[0].listen[0].tls.cert: '/tmp' is no file");
  EXPECT_EQ(listener("cert: " + pem.path()),
            "f:3:35: pools[0].listen[0].tls: a certificate needs its key: add key");
  EXPECT_EQ(listener("verify_client: true, cert: " + pem.path() + ", key: " + pem.path()),
            "f:3:35: pools[0].listen[0].tls: verify_client needs ca: who signs the clients' "
            "certificates");
  EXPECT_EQ(Wrong(Shards("      - {address: /run/a.sock, tls: true}")),
            "f:3:37: pools[0].shards[0].tls: a Unix socket takes no TLS: remove it");
  EXPECT_EQ(Wrong(Shards("      - {address: 'h:1', tls: maybe}")),
            "f:3:31: pools[0].shards[0].tls: a map of keys belongs here, not a plain value");
}

TEST(ConfigErrorsTest, TellWhatIsWrongWithUsers) {
  const auto user = [](const std::string& keys) {
    const std::string wrong = Wrong(Pool("    users: [{name: u, " + keys + "}]"));
    const size_t start = wrong.find("users[0]");
    return start == std::string::npos ? wrong : wrong.substr(start);
  };
  EXPECT_EQ(user("keys: a"),
            "users[0]: nobody could log in: add password, password_sha256 or nopass: true");
  EXPECT_EQ(user("passwords: []"),
            "users[0]: nobody could log in: add password, password_sha256 or nopass: true");
  EXPECT_EQ(user("nopass: true, password: x"),
            "users[0]: nopass and a password contradict each other: keep one of them");
  EXPECT_EQ(user("password_sha256: abc"),
            "users[0].password_sha256: a SHA-256 has 64 hexadecimal digits");
  EXPECT_EQ(user("nopass: true, commands: +@raed"),
            "users[0].commands: '@raed' is no category of commands: did you mean '@read'?");
  EXPECT_EQ(user("nopass: true, scripts: some").substr(0, 17), "users[0].scripts:");
  EXPECT_EQ(user("nopass: true, commands: get"),
            "users[0].commands: 'get' has neither + nor - in front");
  EXPECT_EQ(user("nopass: true, keys: '~a'"), "users[0].keys: write 'a' without the ~ in front");
  EXPECT_EQ(user("nopass: true, keys: '%X~a'"),
            "users[0].keys: behind % stand R, W or RW and then ~, as in %R~pattern");
  EXPECT_EQ(user("nopass: true, channels: '&a'"),
            "users[0].channels: write 'a' without the & in front");
}

TEST(ConfigErrorsTest, NeverShowASecret) {
  const std::string wrong = Wrong(Shards(
      "      - {name: a, address: 'h:1', username: u, password: \"hidden\\n\", pasword: hidden}"));
  EXPECT_NE(wrong, "fine");
  EXPECT_EQ(wrong.find("hidden"), std::string::npos) << wrong;
}

}  // namespace
}  // namespace ringmaster
