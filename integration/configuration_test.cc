// The promise: a configuration means what it says. What it cannot have is refused by its name, at
// start as at a reload, and what a former process wrote down never keeps the next from starting.
#include <gtest/gtest.h>

#include <filesystem>

#include "storage/database.h"
#include "support/cluster.h"
#include "support/rebalance_status.h"

namespace ringmaster::integration {
namespace {

class ConfigurationTest : public testing::Test {
 protected:
  // Two shards and a state database that outlives the process.
  ConfigText Two() const {
    ConfigText config;
    config.pool().Shard("a", a_.address()).Shard("b", b_.address());
    config.saga = "journal: \"" + state_ + "\"";
    config.more = "rebalance: {durable_move: off}";
    return config;
  }
  // What a proxy says that does not start.
  std::string StartFails(const std::string& yaml, const std::string& name = "wrong.yml") const {
    const Finished done =
        RunProgram({ProxyProgram(), "--config", folder_.Write(name, yaml)}, kPatience);
    EXPECT_EQ(done.status, 1) << done.output;
    return done.output;
  }
  static std::string Shards(const std::string& shards) {
    return "pools: [{listen: [/tmp/ringmaster-never-" + std::to_string(getpid()) +
           ".sock], shards: [" + shards + "]}]\nadmin: {listen: ''}\n";
  }

  const TempFolder folder_;
  const std::string state_ = folder_.File("state.db");
  const RedisServer a_, b_;
};

TEST_F(ConfigurationTest, ASecondProcessOnOneStateDatabaseDoesNotStart) {
  ProxyProcess proxy(Two());
  const std::string said =
      StartFails(Shards("'" + a_.address().ToString() + "'") + "saga: {journal: " + state_ + "}\n");
  EXPECT_NE(said.find("in use by another process"), std::string::npos) << said;
  EXPECT_EQ(proxy.Command({"PING"}), "PONG");
}

TEST_F(ConfigurationTest, WithoutAPlaceForTheStateDatabaseItDoesNotStartUnlessTheFileSaysSo) {
  const std::string shards = Shards("'" + a_.address().ToString() + "'");
  const std::string said = StartFails(shards + "saga: {journal: /no/such/folder/state.db}\n");
  EXPECT_NE(said.find("wrong.yml:3:17: saga.journal: there is no folder"), std::string::npos)
      << said;
  EXPECT_NE(said.find("saga: {journal: \"\"}"), std::string::npos) << said;
  folder_.Write("damaged.db", std::string(8192, 'x'));
  EXPECT_NE(StartFails(shards + "saga: {journal: " + folder_.File("damaged.db") + "}\n")
                .find("is damaged"),
            std::string::npos);
  ConfigText without = Two();
  without.saga = "journal: \"\"";
  ProxyProcess proxy(without);
  EXPECT_TRUE(proxy.LogSays("saga.journal: there is no state database, on purpose"));
  EXPECT_EQ(proxy.Command({"MSET", "k", "v", "l", "v", "m", "v", "n", "v"}), "OK");
}

// As the README's example does it: nothing said, an ordinary user, a fresh machine.
TEST_F(ConfigurationTest, TheDefaultPlaceIsMadeWhereTheUserMay) {
  ConfigText config = Two();
  config.saga = "fsync: everysec";
  const std::string home = folder_.File("service");
  std::filesystem::create_directory(home);
  setenv("STATE_DIRECTORY", home.c_str(), 1);
  {
    ProxyProcess proxy(config);
    EXPECT_TRUE(std::filesystem::exists(home + "/state.db"));
  }
  unsetenv("STATE_DIRECTORY");
  if (getuid() != 0 || std::filesystem::exists("/var/lib/ringmaster/state.db")) return;
  // Where the system's folder is not his, it is the one of his home.
  std::filesystem::create_directory(folder_.File("home"));
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(folder_.File("home"), std::filesystem::perms::all);
  const std::string file = folder_.Write("plain.yml", Shards("'127.0.0.1:1'"));
  const Finished done =
      RunProgram({"setpriv", "--reuid", "65534", "--clear-groups", "env", "-u", "XDG_STATE_HOME",
                  "HOME=" + folder_.File("home"), ProxyProgram(), "--test-config", file});
  if (done.output.find("setpriv") != std::string::npos || done.status == 126) return;
  EXPECT_NE(done.output.find("state database: " + folder_.File("home") +
                             "/.local/state/ringmaster/state.db"),
            std::string::npos)
      << done.output;
}

TEST_F(ConfigurationTest, TwoNamesForOneServerAreRefusedAtStartAndAtAReload) {
  const RedisServer twice({.config = {"unixsocket " + folder_.File("twice.sock")}});
  const std::string twin = "{name: x, address: '" + twice.address().ToString() +
                           "'}, {name: y, address: " + folder_.File("twice.sock") + "}";
  const std::string said = StartFails(Shards(twin) + "saga: {journal: ''}\n");
  EXPECT_NE(said.find("shard x ("), std::string::npos) << said;
  EXPECT_NE(said.find("are one server"), std::string::npos) << said;
  ProxyProcess proxy(Two());
  ConfigText next = proxy.config();
  next.pool().Shard("c", *ParseAddress("localhost:" + std::to_string(a_.port())));
  const std::string refused = proxy.Reload(next);
  EXPECT_NE(refused.find("reload refused"), std::string::npos) << refused;
  EXPECT_NE(refused.find("are one server"), std::string::npos) << refused;
  EXPECT_EQ(StatusField(proxy, "state"), "stable");
}

// Keys lie by the names of shards.
TEST_F(ConfigurationTest, AServerUnderAnotherShardsNameIsRefusedAtAReload) {
  ProxyProcess proxy(Two());
  Client client = proxy.Connect();
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < 50; ++i) commands.push_back({"SET", "key:" + std::to_string(i), "v"});
  client.Pipeline(commands);
  ConfigText swapped = proxy.config();
  swapped.pool().shards.clear();
  swapped.pool().Shard("a", b_.address()).Shard("b", a_.address());
  const std::string refused = proxy.Reload(swapped);
  EXPECT_NE(refused.find("reload refused"), std::string::npos) << refused;
  EXPECT_NE(refused.find("is shard b and not shard a"), std::string::npos) << refused;
  for (std::vector<std::string>& words : commands) words = {"GET", words[1]};
  for (const std::string& reply : client.Pipeline(commands)) EXPECT_EQ(reply, "\"v\"");
}

// After a move the servers themselves tell which shard they are.
TEST_F(ConfigurationTest, AServerUnderAnotherShardsNameIsRefusedAtTheStart) {
  const RedisServer third;
  {
    ProxyProcess proxy(Two());
    ConfigText more = proxy.config();
    more.pool().Shard("c", third.address());
    proxy.Reload(more);
    ASSERT_TRUE(Settled(proxy, "2"));
    for (const auto& [server, name] : {std::pair(&a_, "a"), {&b_, "b"}, {&third, "c"}}) {
      ASSERT_TRUE(Eventually([&] {
        return server->Command({"GET", "__rm:proxy"}).ends_with(std::string(" ") + name + "\"");
      }));
    }
  }
  const auto shard = [](const char* name, const RedisServer& server) {
    return std::string("{name: ") + name + ", address: '" + server.address().ToString() + "'}";
  };
  const std::string said =
      StartFails(Shards(shard("a", third) + ", " + shard("b", b_) + ", " + shard("c", a_)) +
                 "saga: {journal: '" + state_ + "'}\n");
  EXPECT_NE(said.find("is shard c and not shard a"), std::string::npos) << said;
}

TEST_F(ConfigurationTest, ACommandThatNoShardKnowsIsSaidAtStartAndInTheReloadsAnswer) {
  ConfigText config = Two();
  config.more += "\ncommands: {KYES: {keys: none}, HGETDEL.X: {serve: refuse}}";
  ProxyProcess proxy(config);
  EXPECT_TRUE(proxy.LogSays("commands.KYES: no shard knows this command: did you mean 'KEYS'?"));
  EXPECT_EQ(proxy.Log().find("HGETDEL"), std::string::npos);
  const std::string said = proxy.Command({"PROXY", "RELOAD"});
  EXPECT_NE(said.find("commands.KYES: no shard knows"), std::string::npos) << said;
}

TEST_F(ConfigurationTest, WhatOnlyARestartChangesIsRefusedByName) {
  ProxyProcess proxy(Two());
  const ConfigText good = proxy.config();
  ConfigText next = good;
  next.workers = 3;
  next.saga = "journal: \"" + folder_.File("other.db") + "\", fsync: always";
  next.pool().more = "databases: 3";
  next.limits = "max_bulk: 1kb";
  const std::string said = proxy.Reload(next);
  for (const char* each : {"workers: it is 3 and was 2", "saga.journal: it is",
                           "saga.fsync:", "pools[0].databases: it is 3"}) {
    EXPECT_NE(said.find(each), std::string::npos) << each << "\nin\n" << said;
  }
  // Nothing else of it was taken.
  EXPECT_EQ(proxy.Command({"ECHO", std::string(2000, 'x')}).size(), 2002U);
}

// What is written down is not read by the rules of a configuration: a shard at an address that a
// listener has by default, TLS files that were renamed.
TEST_F(ConfigurationTest, ARingThatWasStoredNeverKeepsAProxyFromStarting) {
  ConfigText config = Two();
  config.pool().Shard("default", *ParseAddress("127.0.0.1:6380"));
  config.pool().Shard("admin", *ParseAddress("127.0.0.1:9180"));
  { ProxyProcess proxy(config); }
  { ProxyProcess proxy(config); }
  // Databases of earlier versions hold it as a configuration.
  {
    auto database = Database::Open({.path = state_});
    ASSERT_TRUE(database.ok()) << database.error().text;
    const std::string text = "pools:\n  - name: main\n    ring: {hash: xxh3}\n    shards:\n" +
                             ("      - {name: a, address: \"" + a_.address().ToString() + "\"}\n") +
                             "      - {name: b, address: \"127.0.0.1:6380\", weight: 1, tls: "
                             "{ca: /gone.pem}}\n    gone_key: 1\n";
    ASSERT_TRUE((*database)->Execute([&](DatabaseSession& session) -> Status {
      const std::vector<DatabaseValue> values = {text};
      const auto rows = session.Run("UPDATE ring_epochs SET ring = ?", values);
      if (!rows) return rows.error();
      return Done();
    }));
  }
  { ProxyProcess proxy(Two()); }
  auto database = Database::Open({.path = state_});
  ASSERT_TRUE(database.ok());
  const auto rows = (*database)->Query("SELECT ring FROM ring_epochs");
  ASSERT_TRUE(rows.ok() && rows->size() == 1);
  EXPECT_TRUE(std::get<std::string>(rows->front()[0]).starts_with("{\"")) << "it is JSON now";
}

// Its keys have to leave it, and only the database still knows how to log in there.
TEST_F(ConfigurationTest, AShardThatLeavesIsReachedThroughAKillWithItsOwnPassword) {
  const RedisServer c({.config = {"requirepass secret"}, .password = "secret"});
  ConfigText config = Two();
  config.more = "rebalance: {durable_move: off, max_keys_per_second: 100}";
  config.pool().Shard("c", c.address(), "password: secret");
  ConfigText fewer = Two();
  constexpr int kKeys = 600;
  {
    ProxyProcess proxy(config);
    Client client = proxy.Connect();
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_EQ(client.Command({"SET", "key:" + std::to_string(i), "v"}), "OK");
    }
    for (const char* end : {"", "-wal"}) {
      EXPECT_EQ(ReadFile(state_ + end).find("secret"), std::string::npos) << end;
    }
    fewer.pool().listen = proxy.config().pools.front().listen;
    ConfigText slow = fewer;
    slow.more = config.more;
    ASSERT_NE(proxy.Reload(slow).find("read again"), std::string::npos);
    ASSERT_TRUE(Eventually([&] { return StatusField(proxy, "state") == "moving"; }));
    proxy.Kill9();
  }
  ProxyProcess proxy(fewer);
  ASSERT_TRUE(Settled(proxy, "2"));
  Client client = proxy.Connect();
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(client.Command({"GET", "key:" + std::to_string(i)}), "\"v\"") << i;
  }
}

}  // namespace
}  // namespace ringmaster::integration
