// The promise: SIGTERM finishes what is under way and stops; a second one stops at once.
#include <gtest/gtest.h>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

const char kBusy[] =
    "local t = redis.call('TIME') repeat local n = redis.call('TIME') "
    "until (n[1]-t[1])*1e6 + n[2]-t[2] > tonumber(ARGV[1]) * 1000 return 'done'";

TEST(DrainTest, RequestsUnderWayAreAnsweredThenEverybodyIsClosed) {
  Cluster cluster;
  Client idle = cluster.Connect();
  ASSERT_EQ(idle.Command({"PING"}), "PONG");
  Client busy = cluster.Connect();
  busy.Send(EncodeAll({{"SET", "a", "1"}, {"EVAL", kBusy, "1", "a", "500"}, {"GET", "a"}}));
  ASSERT_EQ(busy.Read(), "OK");
  cluster.proxy().Signal(SIGTERM);
  EXPECT_TRUE(idle.PeerCloses());
  ASSERT_TRUE(Eventually([&] { return !cluster.proxy().Connect().connected(); }));
  EXPECT_EQ(busy.ReadToEnd(), "$4\r\ndone\r\n$1\r\n1\r\n<closed>");
  EXPECT_EQ(cluster.proxy().Wait(), 0);
  EXPECT_NE(cluster.proxy().Log().find("stopped"), std::string::npos);
}

TEST(DrainTest, DeadlineEndsWhatDoesNotEnd) {
  const RedisServer shard;
  ConfigText config;
  config.timeouts = "drain: 300ms, command: 30s";
  config.pool().Shard("a", shard.address());
  ProxyProcess proxy(config);
  Client busy = proxy.Connect();
  busy.Send(Encode({"EVAL", kBusy, "1", "a", "3000"}));
  ASSERT_TRUE(proxy.AwaitCommand("eval"));
  const TimePoint told = MonotonicNow();
  EXPECT_EQ(proxy.Terminate(), 0);
  EXPECT_LT(Milliseconds(MonotonicNow() - told), 2000 * Slowness());
  EXPECT_TRUE(busy.PeerCloses());
}

TEST(DrainTest, SecondSignalStopsAtOnce) {
  const RedisServer shard;
  ConfigText config;
  config.timeouts = "drain: 30s, command: 30s";
  config.pool().Shard("a", shard.address());
  ProxyProcess proxy(config);
  Client busy = proxy.Connect();
  busy.Send(Encode({"EVAL", kBusy, "1", "a", "3000"}));
  ASSERT_TRUE(proxy.AwaitCommand("eval"));
  proxy.Signal(SIGTERM);
  ASSERT_TRUE(proxy.LogSays("stopping"));
  const TimePoint told = MonotonicNow();
  EXPECT_EQ(proxy.Terminate(), 0);
  EXPECT_LT(Milliseconds(MonotonicNow() - told), 2000 * Slowness());
}

TEST(DrainTest, ReaderOfALargeReplyGetsItToTheEnd) {
  Cluster cluster{ClusterOptions{.shards = 1}};
  Client reader = cluster.Connect();
  const std::string value(32 << 20, 'v');
  ASSERT_EQ(reader.Command({"SET", "large", value}), "OK");
  reader.Send(Encode({"GET", "large"}));
  ASSERT_FALSE(reader.Silent(std::chrono::seconds(5)));
  cluster.proxy().Signal(SIGTERM);
  ASSERT_TRUE(cluster.proxy().LogSays("stopping"));
  EXPECT_EQ(reader.ReadRaw().size(), value.size() + 13) << reader.failure();
  EXPECT_EQ(cluster.proxy().Wait(), 0);
}

}  // namespace
}  // namespace ringmaster::integration
