// The promise: a large key moves in pieces, so that no server stops for it, and arrives as it was;
// what cannot be cut is named.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "support/cluster.h"
#include "support/rebalance_status.h"

namespace ringmaster::integration {
namespace {

constexpr char kHash[] =
    "for i = 1, tonumber(ARGV[1]) do redis.call('HSET', KEYS[1], 'field' .. i, 'value' .. i) end";
constexpr char kSet[] = "for i = 1, 60000 do redis.call('SADD', KEYS[1], 'member' .. i) end";
constexpr char kSortedSet[] =
    "for i = 1, 40000 do redis.call('ZADD', KEYS[1], i / 7, 'member' .. i) end "
    "redis.call('ZADD', KEYS[1], 'inf', 'last', '-inf', 'first')";
// Elements of very unlike sizes.
constexpr char kList[] =
    "for i = 1, 8000 do redis.call('RPUSH', KEYS[1], i .. string.rep('x', i % 500)) end "
    "for i = 1, 8 do redis.call('RPUSH', KEYS[1], string.rep('y', 300000) .. i) end";
constexpr char kString[] =
    "for i = 1, 50 do redis.call('APPEND', KEYS[1], i .. '\\0\\r\\n' .. string.rep('z', 99991)) "
    "end";
constexpr char kStream[] =
    "for i = 1, 3000 do redis.call('XADD', KEYS[1], i .. '-1', 'f', string.rep('w', 1000)) end";

class LargeKeysTest : public testing::Test {
 protected:
  void Fill(const std::string& key, const char* script, const std::string& arg = "0") {
    ASSERT_EQ(client_.Command({"EVAL", script, "1", key, arg}), "(nil)");
  }
  // To another shard, with all but a thousandth of the keys.
  void StartMove(const std::string& rules = "") {
    ConfigText more = proxy_.config();
    more.pool().Shard("extra", extra_.address(), "weight: 1000");
    more.more = rules;
    proxy_.Reload(more);
  }
  // Asked of the log: who asks the proxy again and again is a client that large keys give way to.
  bool MoveEnds() { return proxy_.LogSays("every key has arrived"); }

  RedisServer extra_{{.config = {"enable-debug-command local"}}};
  Cluster cluster_{
      ClusterOptions{.shards = 1, .server = {.config = {"enable-debug-command local"}}}};
  ProxyProcess& proxy_ = cluster_.proxy();
  Client client_ = cluster_.Connect();
};

TEST_F(LargeKeysTest, EveryTypeArrivesAsItWasAndIsNeverDumped) {
  Fill("hash", kHash, "30000");
  Fill("set", kSet);
  Fill("zset", kSortedSet);
  Fill("list", kList);
  Fill("string", kString);
  const std::vector<std::string> keys = {"hash", "set", "zset", "list", "string"};
  for (const std::string& key : keys) {
    ASSERT_EQ(client_.Command({"PEXPIRE", key, "500000"}), "(integer) 1");
  }
  std::vector<std::string> digest = {"DEBUG", "DIGEST-VALUE"};
  digest.insert(digest.end(), keys.begin(), keys.end());
  const std::string before = cluster_.server(0).Command(digest);
  StartMove();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(extra_.Command(digest), before);
  for (const std::string& key : keys) {
    EXPECT_EQ(cluster_.server(0).Command({"EXISTS", key}), "(integer) 0") << key;
    const std::string left = client_.Command({"PTTL", key});
    EXPECT_GT(std::stoll(left.substr(left.find(' ') + 1)), 400000) << key;
  }
  EXPECT_EQ(extra_.Command({"KEYS", "__rm:mv:*"}), "[]");
  // The mover's probe is dumped, once.
  const std::string stats = cluster_.server(0).Connect().CommandRaw({"INFO", "commandstats"});
  EXPECT_NE(stats.find("cmdstat_dump:calls=1,"), std::string::npos) << stats;
  EXPECT_NE(stats.find("cmdstat_getrange:"), std::string::npos) << stats;
}

// While clients are busy a large key takes its time, in which servers may come and go. One that
// comes back without what was copied must not get the rest of it and be taken for complete.
TEST_F(LargeKeysTest, ServerThatComesBackEmptyInTheMiddleGetsTheWholeKey) {
  Fill("hash", kHash, "200000");
  std::atomic<bool> busy{true};
  std::thread load([&] {
    Client other = cluster_.Connect();
    while (busy) other.Command({"ECHO", "x"});
  });
  StartMove("schedule: {background_share: 0.01}");
  const std::vector<std::string> copied = {"HLEN", "__rm:mv:hash"};
  EXPECT_TRUE(Eventually([&] { return extra_.Command(copied) > "(integer) 1000"; }));
  EXPECT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  // Past the proxy, so that the sweep has not seen them; too large for the workers, so that the
  // mover meets the server's end, and its return, while it brings them.
  const std::string value(100000, 'v');
  constexpr int kOthers = 8;
  const auto name = [](int i) { return "other:" + std::to_string(i); };
  for (int i = 0; i < kOthers; ++i) cluster_.server(0).Command({"SET", name(i), value});
  extra_.Kill();
  EXPECT_TRUE(extra_.Restart());
  for (int i = 0; i < kOthers; ++i) {
    EXPECT_EQ(client_.Command({"STRLEN", name(i)}), "(integer) 100000");
  }
  busy = false;
  load.join();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"HLEN", "hash"}), "(integer) 200000");
  EXPECT_EQ(client_.Command({"HGET", "hash", "field1"}), "\"value1\"");
  EXPECT_EQ(client_.Command({"HGET", "hash", "field200000"}), "\"value200000\"");
}

TEST_F(LargeKeysTest, WhatCannotBeCutIsNamedInTheLog) {
  Fill("stream", kStream);
  StartMove();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"XLEN", "stream"}), "(integer) 3000");
  EXPECT_TRUE(proxy_.LogSays("moves at once, for it cannot be copied in pieces"));
}

}  // namespace
}  // namespace ringmaster::integration
