// The promise: a huge value passes through without ever lying in the proxy's memory, and those who
// ask for small ones meanwhile do not wait for it.
#include <gtest/gtest.h>

#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

constexpr size_t kMiB = 1 << 20;

std::string Patterned(size_t size) {
  std::string value(size, '\0');
  for (size_t i = 0; i < size; ++i) value[i] = static_cast<char>(i * 31 + i / 4096);
  return value;
}

TEST(LargeValuesTest, A256MiBValueIsSetAndReadWithin16MiBOfMemory) {
  Cluster cluster{ClusterOptions{.shards = 2, .timeouts = "command: 30s"}};
  Client client = cluster.Connect();
  client.set_patience(std::chrono::seconds(60));
  // What both workers need once for small requests does not count.
  for (int i = 0; i < 8; ++i) ASSERT_EQ(cluster.Connect().Command({"SET", "large", "x"}), "OK");
  const std::string value = Patterned(256 * kMiB);
  ResetPeakMemory(cluster.proxy().pid());
  const int64_t before = cluster.proxy().PeakKib();
  ASSERT_EQ(client.Command({"SET", "large", value}), "OK");
  const int64_t set_growth = cluster.proxy().PeakKib() - before;
  const std::string reply = client.CommandRaw({"GET", "large"});
  const int64_t growth = cluster.proxy().PeakKib() - before;
  EXPECT_TRUE(reply == "$268435456\r\n" + value + "\r\n") << reply.size() << client.failure();
  RecordProperty("kib_grown_by_set", static_cast<int>(set_growth));
  RecordProperty("kib_grown_by_set_and_get", static_cast<int>(growth));
  EXPECT_LE(growth, 16 * 1024) << "of which by SET: " << set_growth;
}

TEST(LargeValuesTest, ClientsOfSmallValuesOnTheSameShardStayQuick) {
  Cluster cluster{ClusterOptions{.shards = 1, .workers = 1}};
  Client client = cluster.Connect();
  client.set_patience(std::chrono::seconds(60));
  const std::string value = Patterned(64 * kMiB);
  CheckedLoad small(cluster.proxy().address(), {.clients = 2, .pipeline = 1});
  ASSERT_TRUE(Eventually([&] { return small.replies() > 200; }));
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(client.Command({"SET", "large", value}), "OK");
    ASSERT_EQ(client.CommandRaw({"GET", "large"}).size(), value.size() + 13);
  }
  const CheckedLoad::Report report = small.Stop();
  EXPECT_TRUE(report.mismatches.empty() && report.errors == 0) << Summary(report);
  EXPECT_LT(Milliseconds(report.p99), 30 * Slowness()) << Summary(report);
}

TEST(LargeValuesTest, EveryKindOfLargeReplyAndRequestArrivesWhole) {
  Cluster cluster;
  Client client = cluster.Connect();
  const std::string value = Patterned(3 * kMiB);
  const std::string bulk = "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  EXPECT_EQ(client.Command({"HSET", "h", "field", value}), "(integer) 1");
  EXPECT_TRUE(client.CommandRaw({"HGET", "h", "field"}) == bulk);
  EXPECT_EQ(client.Command({"RPUSH", "l", value, "small", value}), "(integer) 3");
  EXPECT_TRUE(client.CommandRaw({"LRANGE", "l", "0", "-1"}) ==
              "*3\r\n" + bulk + "$5\r\nsmall\r\n" + bulk);
  EXPECT_TRUE(client.CommandRaw({"ECHO", value}) == bulk);
  EXPECT_EQ(client.Command({"MSET", "a", value, "b", value, "c", "small", "d", value}), "OK");
  EXPECT_TRUE(client.CommandRaw({"MGET", "d", "c", "b", "no", "a"}) ==
              "*5\r\n" + bulk + "$5\r\nsmall\r\n" + bulk + "$-1\r\n" + bulk);
  EXPECT_EQ(client.Command({"APPEND", "a", value}),
            "(integer) " + std::to_string(value.size() * 2));
  EXPECT_TRUE(client.CommandRaw({"GETRANGE", "a", std::to_string(value.size()), "-1"}) == bulk);
  EXPECT_EQ(client.Command({"DEL", value, "a"}), "(integer) 1");
}

TEST(LargeValuesTest, PipelineOfLargeAndSmallKeepsItsOrder) {
  Cluster cluster;
  Client client = cluster.Connect();
  const std::string value = Patterned(kMiB);
  std::string bytes, expected;
  for (int i = 0; i < 20; ++i) {
    const std::string key = "key" + std::to_string(i % 5);
    bytes += EncodeAll({{"SET", key, value}, {"STRLEN", key}, {"GET", key}, {"PING"}});
    expected += "+OK\r\n:1048576\r\n$1048576\r\n" + value + "\r\n+PONG\r\n";
  }
  client.Send(bytes);
  EXPECT_TRUE(client.ReadRaw(80) == expected);
}

TEST(LargeValuesTest, ValueBeyondTheLimitIsRefusedAsRedisDoes) {
  const RedisServer redis;
  Cluster cluster{ClusterOptions{.shards = 1}};
  for (const Address& address : {redis.address(), cluster.proxy().address()}) {
    Client client(address);
    client.Send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870913\r\n");
    EXPECT_EQ(client.ReadToEnd(), "-ERR Protocol error: invalid bulk length\r\n<closed>");
  }
}

// A shard with no room refuses before it has the value; the client hears that, and goes on.
TEST(LargeValuesTest, ShardThatRefusesALargeValueIsHeard) {
  Cluster cluster{ClusterOptions{.shards = 1}};
  ASSERT_EQ(cluster.server(0).Command({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  Client client = cluster.Connect();
  const std::string reply = client.Command({"SET", "large", Patterned(4 * kMiB)});
  EXPECT_TRUE(reply.starts_with("(error) OOM ")) << reply;
  EXPECT_EQ(client.Command({"PING"}), "PONG");
}

TEST(LargeValuesTest, ShardThatDiesInTheMiddleCostsOneErrorOrTheConnection) {
  Cluster cluster{ClusterOptions{.shards = 1, .faults = true}};
  Client client = cluster.Connect();
  const std::string value = Patterned(8 * kMiB);
  ASSERT_EQ(client.Command({"SET", "large", value}), "OK");
  cluster.fault(0).CutRequestAfter(4 * kMiB);
  const std::string set = client.Command({"SET", "large", value});
  EXPECT_TRUE(set.starts_with("(error) NOTAPPLIED") || set.starts_with("(error) UNCERTAIN")) << set;
  ASSERT_TRUE(Eventually([&] { return client.Command({"PING"}) == "PONG"; }));
  ASSERT_TRUE(Eventually([&] { return client.Command({"EXISTS", "large"}) == "(integer) 1"; }));
  cluster.fault(0).CutReplyAfter(4 * kMiB);
  // Half of it is out: the only honest end is to hang up.
  EXPECT_EQ(client.Command({"GET", "large"}), "<closed>");
  EXPECT_TRUE(Eventually([&] {
    return cluster.Connect().Command({"STRLEN", "large"}) == "(integer) 8388608";
  }));
}

}  // namespace
}  // namespace ringmaster::integration
