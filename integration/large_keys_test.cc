// The promise: a large key moves in pieces, so that no server stops for it, and arrives as it was;
// what cannot be cut is named.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/break_movers.h"
#include "support/cluster.h"
#include "support/fault_proxy.h"
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
  void StartMove() {
    ConfigText more = proxy_.config();
    more.pool().Shard("extra", link_.address(), "weight: 1000");
    proxy_.Reload(more);
  }
  bool MoveEnds() { return proxy_.LogSays("every key has arrived", kMovePatience); }

  // Over a link that takes many seconds for this hash until it heals; in the middle of it.
  void StartSlowly(const std::string& hash) {
    link_.Throttle(300'000);
    StartMove();
    ASSERT_TRUE(Eventually([&] { return CopiedMore(hash, 1000); }));
  }
  // The same, and it stands still there until Hurry(), or until somebody wants the key.
  void StartAndHold(const std::string& hash) {
    ASSERT_NO_FATAL_FAILURE(StartSlowly(hash));
    proxy_.Command({"PROXY", "REBALANCE", "PAUSE"});
    link_.Heal();
    // The piece that was under way ends.
    std::string before;
    TimePoint since = MonotonicNow();
    ASSERT_TRUE(Eventually([&] {
      const std::string now = StatusField(proxy_, "large_key");
      if (now != before) since = MonotonicNow();
      before = now;
      return MonotonicNow() - since > std::chrono::milliseconds(300);
    }));
    ASSERT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  }
  void Hurry() { proxy_.Command({"PROXY", "REBALANCE", "RESUME"}); }
  bool CopiedMore(const std::string& hash, int64_t fields) const {
    const std::string said = extra_.Command({"HLEN", "__rm:mv:" + hash});
    return std::stoll(said.substr(said.find(' ') + 1)) > fields;
  }

  RedisServer extra_{{.config = {"enable-debug-command local"}}};
  FaultProxy link_{extra_.address()};
  // Few points, for a weight of a thousand has a thousand times as many.
  Cluster cluster_{ClusterOptions{.shards = 1,
                                  .ring = "virtual_nodes: 8",
                                  .server = {.config = {"enable-debug-command local"}}}};
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

// A large key takes its time, in which servers may come and go. One that
// comes back without what was copied must not get the rest of it and be taken for complete.
TEST_F(LargeKeysTest, ServerThatComesBackEmptyInTheMiddleGetsTheWholeKey) {
  Fill("hash", kHash, "200000");
  ASSERT_NO_FATAL_FAILURE(StartAndHold("hash"));
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
  Hurry();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"HLEN", "hash"}), "(integer) 200000");
  EXPECT_EQ(client_.Command({"HGET", "hash", "field1"}), "\"value1\"");
  EXPECT_EQ(client_.Command({"HGET", "hash", "field200000"}), "\"value200000\"");
}

// A piece is on its way to the recipient when the donor is lost: its reply belongs to nobody else.
TEST_F(LargeKeysTest, LostConnectionsInTheMiddleCostNothingOfIt) {
  Fill("hash", kHash, "200000");
  ASSERT_NO_FATAL_FAILURE(StartSlowly("hash"));
  for (const RedisServer* server : std::initializer_list<const RedisServer*>{
           &cluster_.server(0), &cluster_.server(0), &extra_}) {
    EXPECT_TRUE(Eventually([&] { return BreakMovers(*server) > 0; }));
  }
  EXPECT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  link_.Heal();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"HLEN", "hash"}), "(integer) 200000");
  EXPECT_EQ(cluster_.server(0).Command({"EXISTS", "hash"}), "(integer) 0");
}

// The recipient is slow in the middle of it, so that there is time to look; a piece arrives soon.
TEST_F(LargeKeysTest, ReadsAreServedWhileItIsCopiedAndWritesAfterwards) {
  Fill("hash", kHash, "200000");
  std::vector<Client> readers;  // on both workers
  readers.reserve(12);
  for (int i = 0; i < 12; ++i) readers.push_back(cluster_.Connect());
  const auto all_read = [&] {
    for (Client& reader : readers) reader.Send("HGET hash field77\r\n");
    for (Client& reader : readers) EXPECT_EQ(reader.Read(), "\"value77\"");
  };
  ASSERT_NO_FATAL_FAILURE(StartAndHold("hash"));
  link_.Throttle(300'000);
  all_read();
  // Who wants to know how far it is asks.
  const std::string status = proxy_.Connect().CommandRaw({"PROXY", "REBALANCE", "STATUS"});
  EXPECT_NE(status.find("large_key: donor=s0,type=hash,elements=200000,done="), std::string::npos)
      << status;
  EXPECT_NE(status.find(",key=hash\n"), std::string::npos) << status;
  EXPECT_EQ(status.find(",done=0,"), std::string::npos) << status;
  Client writer = cluster_.Connect();
  writer.Send("HSET hash field77 new\r\n");
  EXPECT_TRUE(writer.Silent(std::chrono::milliseconds(200)));
  EXPECT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  link_.Heal();
  Hurry();
  EXPECT_EQ(writer.Read(), "(integer) 0");
  for (Client& reader : readers) EXPECT_EQ(reader.Command({"HGET", "hash", "field77"}), "\"new\"");
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"HLEN", "hash"}), "(integer) 200000");
  const std::string stats = cluster_.server(0).Connect().CommandRaw({"INFO", "commandstats"});
  EXPECT_NE(stats.find("cmdstat_hget:calls=12,"), std::string::npos) << stats;
}

TEST_F(LargeKeysTest, WriteThatComesLateToTheOldOwnerIsNotLostByHalf) {
  Fill("hash", kHash, "100000");
  ASSERT_NO_FATAL_FAILURE(StartAndHold("hash"));
  // As what a lost connection had sent. The copy may have passed its place already.
  EXPECT_EQ(cluster_.server(0).Command({"HSET", "hash", "field1", "late", "field99999", "late"}),
            "(integer) 0");
  Hurry();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"HMGET", "hash", "field1", "field99999"}), "[\"late\", \"late\"]");
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
