// The promise: the proxy listens and finds its shards on IPv4, IPv6, host names and Unix sockets,
// for several pools in one process.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "support/checked_load.h"
#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

TEST(UnixSocketsTest, ServesOnOneAndReachesShardsOverOne) {
  RedisServer a({.unix_socket = true}), b({.unix_socket = true});
  const TempFolder folder;
  ConfigText config;
  config.pool().listen = {folder.File("main.sock")};
  config.pool().Shard("a", a.address()).Shard("b", b.address());
  ProxyProcess proxy(config);
  CheckedLoad load(proxy.address(), {.clients = 2});
  EXPECT_TRUE(Eventually([&] { return load.replies() > 2000; }));
  const CheckedLoad::Report report = load.Stop();
  EXPECT_TRUE(report.mismatches.empty() && report.errors == 0) << Summary(report);
  EXPECT_NE(a.Command({"DBSIZE"}), "(integer) 0");
  EXPECT_NE(b.Command({"DBSIZE"}), "(integer) 0");
  EXPECT_EQ(proxy.Terminate(), 0);
  EXPECT_FALSE(std::filesystem::exists(folder.File("main.sock")));
}

// Left behind by a process that was killed.
TEST(UnixSocketsTest, TakesOverASocketFileThatNobodyServes) {
  const RedisServer shard;
  const TempFolder folder;
  ConfigText config;
  config.pool().listen = {folder.File("main.sock")};
  config.pool().Shard("a", shard.address());
  ProxyProcess(config).Kill9();
  ASSERT_TRUE(std::filesystem::exists(folder.File("main.sock")));
  EXPECT_EQ(ProxyProcess(config).Command({"PING"}), "PONG");
}

TEST(Ipv6Test, ServesOnOneAndReachesShardsOverOne) {
  RedisServer shard({.ipv6 = true});
  const Port port(true);
  ConfigText config;
  config.pool().listen = {"\"[::1]:" + std::to_string(port.number()) + "\""};
  config.pool().Shard("a", shard.address());
  ProxyProcess proxy(config);
  EXPECT_EQ(proxy.Command({"SET", "key", "value"}), "OK");
  EXPECT_EQ(shard.Command({"GET", "key"}), "\"value\"");
  const std::string info = proxy.Command({"CLIENT", "INFO"});
  EXPECT_NE(info.find("laddr=[::1]:" + std::to_string(port.number())), std::string::npos) << info;
}

TEST(HostNamesTest, ShardsAreFoundByName) {
  const RedisServer a, b;
  ConfigText config;
  config.pool().Shard("a", Address{Address::kTcp, "localhost", a.port(), ""});
  config.pool().Shard("b", Address{Address::kTcp, "localhost", b.port(), ""});
  ProxyProcess proxy(config);
  CheckedLoad load(proxy.address(), {.clients = 2});
  EXPECT_TRUE(Eventually([&] { return load.replies() > 2000; }));
  const CheckedLoad::Report report = load.Stop();
  EXPECT_TRUE(report.mismatches.empty() && report.errors == 0) << Summary(report);
}

// Looking up a name takes long when no name server answers: it must not hold up anybody else.
TEST(HostNamesTest, NameThatDoesNotExistHurtsOnlyItsOwnShard) {
  const RedisServer good;
  ConfigText config;
  config.workers = 1;
  config.timeouts = "connect: 300ms, command: 500ms";
  config.pool().Shard("good", good.address());
  config.pool().Shard("bad", Address{Address::kTcp, "no-such-host.invalid", 7000, ""});
  ProxyProcess proxy(config);
  Client client = proxy.Connect();
  int served = 0, refused = 0;
  Duration slowest{};
  for (int i = 0; i < 200; ++i) {
    const TimePoint asked = MonotonicNow();
    const std::string reply = client.Command({"SET", "key" + std::to_string(i), "v"});
    if (reply == "OK") {
      ++served;
      slowest = std::max(slowest, MonotonicNow() - asked);
    } else {
      EXPECT_TRUE(reply.starts_with("(error) NOTAPPLIED shard bad")) << reply;
      ++refused;
    }
  }
  EXPECT_GT(served, 50);
  EXPECT_GT(refused, 50);
  EXPECT_LT(Milliseconds(slowest), 100 * Slowness());
}

TEST(SeveralPoolsTest, EachHasItsShardsItsListenersAndItsDatabases) {
  const RedisServer a, b, c;
  const Port second, third;
  const auto at = [](const Port& port) { return "127.0.0.1:" + std::to_string(port.number()); };
  ConfigText config;
  config.pool().Shard("a", a.address());
  config.pools.push_back({.name = "cache", .listen = {at(second), at(third)}});
  config.pools[1].Shard("b", b.address()).Shard("c", c.address());
  config.pools[1].more = "databases: 2";
  ProxyProcess proxy(config);
  Client main = proxy.Connect();
  Client cache(second.number());
  EXPECT_EQ(main.Command({"SET", "key", "main"}), "OK");
  EXPECT_EQ(cache.Command({"SET", "key", "cache"}), "OK");
  EXPECT_EQ(main.Command({"GET", "key"}), "\"main\"");
  EXPECT_EQ(Client(third.number()).Command({"GET", "key"}), "\"cache\"");
  EXPECT_EQ(a.Command({"GET", "key"}), "\"main\"");
  EXPECT_EQ(main.Command({"SELECT", "15"}), "OK");
  EXPECT_EQ(cache.Command({"SELECT", "1"}), "OK");
  EXPECT_EQ(cache.Command({"SELECT", "2"}), "(error) ERR DB index is out of range");
  EXPECT_EQ(main.Command({"FLUSHALL"}), "OK");
  EXPECT_EQ(Client(second.number()).Command({"GET", "key"}), "\"cache\"");
}

}  // namespace
}  // namespace ringmaster::integration
