// What newer servers know of a key besides its value goes wherever the key goes; what an older one
// cannot read does not go there, and the operator hears why. With servers of scripts/servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/cluster.h"
#include "support/fault_proxy.h"
#include "support/rebalance_status.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kRedis8[] = "redis-server-8.0";

// Fields of a hash at absolute times, each its own.
constexpr char kTimedHash[] =
    "local t = redis.call('TIME') local now = t[1] * 1000 "
    "for i = 1, tonumber(ARGV[1]) do local f = 'field' .. i "
    "redis.call('HSET', KEYS[1], f, 'value' .. i) "
    "redis.call('HPEXPIREAT', KEYS[1], string.format('%.0f', now + 3600000 + i), 'FIELDS', 1, f) "
    "end redis.call('HSET', KEYS[1], 'stays', string.rep('x', 1000000))";

class NewerServersTest : public testing::Test {
 protected:
  static ClusterOptions Redis8(int shards) {
    return ClusterOptions{.shards = shards,
                          .ring = "virtual_nodes: 8",
                          .server = {.program = RedisServer::Fetched(kRedis8)}};
  }
  static void MoveTo(ProxyProcess& proxy, const Address& address) {
    ConfigText more = proxy.config();
    more.pool().Shard("extra", address, "weight: 1000");
    proxy.Reload(more);
  }
  static std::string Digest(const ProxyProcess& proxy) {
    const std::string text = proxy.Connect().CommandRaw({"PROXY", "VERIFY", "DIGEST"});
    const size_t at = text.find("digest");
    return at == std::string::npos ? text : text.substr(at, text.find('\n', at) - at);
  }
  static bool Arrive(const ProxyProcess& proxy) {
    return proxy.LogSays("every key has arrived", kMovePatience);
  }
};

TEST_F(NewerServersTest, TimesToLiveOfFieldsArriveWithAHashThatIsCopiedInPieces) {
  RM_SKIP_WITHOUT_SERVER(kRedis8);
  Cluster cluster(Redis8(1));
  RedisServer extra({.program = RedisServer::Fetched(kRedis8)});
  Client client = cluster.Connect();
  ASSERT_EQ(client.Command({"EVAL", kTimedHash, "1", "hash", "20000"}), "(nil)");
  const std::vector<std::string> times = {"HPEXPIRETIME", "hash",       "FIELDS",     "4",
                                          "field1",       "field10000", "field20000", "stays"};
  const std::string before = client.Command(times);
  const std::string digest = Digest(cluster.proxy());
  ASSERT_THAT(digest, HasSubstr("digest"));
  MoveTo(cluster.proxy(), extra.address());
  ASSERT_TRUE(Arrive(cluster.proxy()));
  EXPECT_EQ(cluster.server(0).Command({"EXISTS", "hash"}), "(integer) 0");
  EXPECT_EQ(extra.Command(times), before);
  EXPECT_EQ(Digest(cluster.proxy()), digest);
  EXPECT_EQ(extra.Command({"HPERSIST", "hash", "FIELDS", "1", "field7"}), "[(integer) 1]");
  EXPECT_NE(Digest(cluster.proxy()), digest) << "a time to live counts";
}

// To the one who watches, a field that expires looks like a write.
TEST_F(NewerServersTest, FieldsThatExpireWhileTheirHashIsCopiedHoldNothingUp) {
  RM_SKIP_WITHOUT_SERVER(kRedis8);
  Cluster cluster(Redis8(1));
  RedisServer extra({.program = RedisServer::Fetched(kRedis8)});
  FaultProxy link(extra.address());
  Client client = cluster.Connect();
  // One after the other expires, in the seconds of the copy and beyond.
  ASSERT_EQ(
      client.Command(
          {"EVAL",
           "for i = 1, 40000 do local f = 'field' .. i "
           "redis.call('HSET', KEYS[1], f, string.rep('v', 50) .. i) "
           "if i % 2 == 0 then redis.call('HPEXPIRE', KEYS[1], 500 + math.floor(i / 8), 'FIELDS', "
           "1, f) end end",
           "1", "hash"}),
      "(nil)");
  link.Throttle(1'000'000);
  MoveTo(cluster.proxy(), link.address());
  ASSERT_TRUE(Arrive(cluster.proxy()));
  const std::string stats = cluster.server(0).Connect().CommandRaw({"INFO", "stats"});
  EXPECT_THAT(stats, Not(HasSubstr("expired_subkeys:0"))) << "it ended too soon to show anything";
  EXPECT_THAT(cluster.proxy().Log(), Not(HasSubstr("was changed past the proxy")));
  EXPECT_EQ(client.Command({"HGET", "hash", "field39999"}),
            "\"" + std::string(50, 'v') + "39999\"");
  // Of those that stay none is missing, and the others end on the new owner.
  EXPECT_TRUE(Eventually(
      [&] {
        return extra.Command({"HLEN", "hash"}) == "(integer) 20000";
      },
      kMovePatience));
}

TEST_F(NewerServersTest, TimesToLiveOfFieldsSurviveCommandsOverShards) {
  RM_SKIP_WITHOUT_SERVER(kRedis8);
  Cluster cluster(Redis8(2));
  Client client = cluster.Connect();
  const std::string from = cluster.KeyOn(0);
  const std::string to = cluster.KeyOn(1);
  const auto time_of = [&](const std::string& key) {
    return client.Command({"HPEXPIRETIME", key, "FIELDS", "2", "a", "b"});
  };
  client.Command({"HSET", from, "a", "1", "b", "2"});
  client.Command({"HPEXPIREAT", from, "4000000000000", "FIELDS", "1", "a"});
  const std::string times = "[(integer) 4000000000000, (integer) -1]";
  ASSERT_EQ(time_of(from), times);
  EXPECT_EQ(client.Command({"COPY", from, to}), "(integer) 1");
  EXPECT_EQ(time_of(to), times);
  EXPECT_EQ(client.Command({"RENAME", from, to}), "OK");
  EXPECT_EQ(time_of(to), times);
  EXPECT_EQ(client.Command({"EVAL", "return redis.call('HSET', KEYS[1], 'b', 3)", "2", to, from}),
            "(integer) 0");
  EXPECT_EQ(time_of(to), times);
}

TEST_F(NewerServersTest, KeysWaitWhereTheyAreWhenTheNewOwnerIsTooOldToReadThem) {
  RM_SKIP_WITHOUT_SERVER(kRedis8);
  Cluster cluster(Redis8(1));
  RedisServer older({.program = "redis-server"});
  if (older.Connect().CommandRaw({"INFO", "server"}).find("redis_version:7.0") ==
      std::string::npos) {
    GTEST_SKIP() << "needs an installed redis-server of 7.0";
  }
  Client client = cluster.Connect();
  client.Command({"SET", "key", "value"});
  MoveTo(cluster.proxy(), older.address());
  ASSERT_TRUE(Eventually([&] { return StatusField(cluster.proxy(), "state") == "waiting"; }));
  const std::string why = StatusField(cluster.proxy(), "waiting");
  EXPECT_THAT(why, HasSubstr("shard extra (Redis 7.0."));
  EXPECT_THAT(why, HasSubstr("what shard s0 (Redis 8.0."));
  EXPECT_THAT(why, HasSubstr("put a server behind extra that reads what Redis 8.0."));
  EXPECT_EQ(client.Command({"GET", "key"}), "\"value\"");
  EXPECT_EQ(older.Command({"DBSIZE"}), "(integer) 0");
}

TEST_F(NewerServersTest, CommandsAndAritiesThatAllShardsKnowAreThePools) {
  RM_SKIP_WITHOUT_SERVER(kRedis8);
  Cluster cluster(Redis8(2));
  Client client = cluster.Connect();
  const auto info = [&](const std::string& name) {
    return client.Command({"COMMAND", "INFO", name});
  };
  ASSERT_TRUE(Eventually([&] { return info("hgetex") != "[(nil)]"; }));
  EXPECT_EQ(info("hgetex"), cluster.server(0).Command({"COMMAND", "INFO", "hgetex"}));
  EXPECT_THAT(info("zrank"), HasSubstr("[[\"zrank\", (integer) -3,"));
  EXPECT_THAT(client.Command({"ACL", "CAT", "hash"}), HasSubstr("\"hexpire\""));
  EXPECT_THAT(client.Command({"COMMAND", "LIST"}), HasSubstr("\"hgetdel\""));
  client.Command({"ZADD", "z", "1", "a", "2", "b"});
  EXPECT_EQ(client.Command({"ZRANK", "z", "b", "WITHSCORE"}), "[(integer) 1, \"2\"]");
  EXPECT_EQ(client.Command({"ZRANK", "z"}),
            "(error) ERR wrong number of arguments for 'zrank' command");
  EXPECT_EQ(client.Command({"MULTI"}), "OK");
  EXPECT_EQ(client.Command({"ZREVRANK", "z", "b", "WITHSCORE"}), "QUEUED");
  EXPECT_EQ(client.Command({"EXEC"}), "[[(integer) 0, \"2\"]]");
  // One that does not know it takes it from the pool.
  RedisServer older({.program = "redis-server"});
  if (older.Connect().CommandRaw({"INFO", "server"}).find("redis_version:7.0") ==
      std::string::npos) {
    return;
  }
  ConfigText mixed;
  mixed.pool().Shard("new", cluster.server(0).address()).Shard("old", older.address());
  mixed.saga = "journal: ''";
  const ProxyProcess other(mixed);
  Client both = other.Connect();
  const std::string refused =
      "(error) ERR HGETEX is not known to shard 'old', so no shard is asked for it";
  EXPECT_TRUE(Eventually([&] {
    return both.Command({"HGETEX", "h", "FIELDS", "1", "f"}) == refused;
  }));
  EXPECT_EQ(both.Command({"COMMAND", "INFO", "hgetex"}), "[(nil)]");
  EXPECT_EQ(both.Command({"MULTI"}), "OK");
  EXPECT_EQ(both.Command({"ZRANK", "z", "b", "WITHSCORE"}),
            "(error) ERR wrong number of arguments for 'zrank' command");
  EXPECT_TRUE(both.Command({"EXEC"}).starts_with("(error) EXECABORT"));
}

}  // namespace
}  // namespace ringmaster::integration
