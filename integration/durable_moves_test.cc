// The promise of rebalance.durable_move: a key that moves leaves its old owner only when the disk
// or a replica of the new one has it, and clients notice nothing of the wait.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/cluster.h"
#include "support/rebalance_status.h"

namespace ringmaster::integration {
namespace {

constexpr int kKeys = 3000;

class DurableMovesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<std::vector<std::string>> commands;
    for (int i = 0; i < kKeys; ++i) commands.push_back({"SET", Key(i), "v"});
    client_.Pipeline(commands);
  }
  static std::string Key(int i) { return "key:" + std::to_string(i); }
  // Half of all keys go to it.
  void StartMove(const RedisServer& to, const std::string& durable) {
    ConfigText more = proxy_.config();
    more.pool().Shard("extra", to.address(), "weight: 2");
    more.more = "rebalance: {durable_move: " + durable + "}";
    proxy_.Reload(more);
  }
  // Without the marks of the ring.
  static int64_t OursOn(const RedisServer& server) {
    const std::string keys = server.Command({"EVAL", "return #redis.call('KEYS', 'key:*')", "0"});
    return std::stoll(keys.substr(keys.find(' ') + 1));
  }
  int64_t OursOnOldOwners() { return OursOn(cluster_.server(0)) + OursOn(cluster_.server(1)); }
  // All are there once, and `touched` of them were appended to.
  void ExpectAll(int touched) {
    EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) " + std::to_string(kKeys));
    for (int i = 0; i < kKeys; ++i) {
      EXPECT_EQ(client_.Command({"GET", Key(i)}), i < touched ? "\"vx\"" : "\"v\"");
    }
  }

  Cluster cluster_{ClusterOptions{.shards = 2}};
  ProxyProcess& proxy_ = cluster_.proxy();
  const ConfigText before_ = proxy_.config();
  Client client_ = cluster_.Connect();
};

TEST_F(DurableMovesTest, OldCopiesStayUntilAReplicaHasTheNewOnes) {
  const RedisServer extra({.config = {"repl-diskless-sync-delay 0"}});
  StartMove(extra, "replica");
  ASSERT_TRUE(Eventually([&] { return OursOn(extra) > kKeys / 3; }));
  ASSERT_TRUE(Eventually([&] {
    return client_.Command({"PROXY", "REBALANCE", "STATUS"}).find("no replica has yet") !=
           std::string::npos;
  })) << client_.Command({"PROXY", "REBALANCE", "STATUS"});
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE(client_.Command({"PROXY", "REBALANCE", "STATUS"}).find("no replica has yet"),
              std::string::npos)
        << "it is said as long as it is so";
  }
  EXPECT_EQ(StatusField(proxy_, "state"), "moving");
  EXPECT_EQ(client_.Command({"PROXY", "REBALANCE", "STATUS"}).find("old_copies=0,"),
            std::string::npos);
  EXPECT_EQ(OursOnOldOwners(), kKeys);
  // Whoever wants one gets it, once, and its old copy goes.
  constexpr int kTouched = 200;
  for (int i = 0; i < kTouched; ++i) {
    EXPECT_EQ(client_.Command({"APPEND", Key(i), "x"}), "(integer) 2");
  }
  EXPECT_LT(OursOnOldOwners(), kKeys - kTouched / 4);
  EXPECT_EQ(client_.Command({"DEL", Key(0)}), "(integer) 1");
  EXPECT_EQ(client_.Command({"EXISTS", Key(0)}), "(integer) 0");
  EXPECT_EQ(client_.Command({"SET", Key(0), "vx"}), "OK");

  const RedisServer replica({.config = {"replicaof 127.0.0.1 " + std::to_string(extra.port())}});
  ASSERT_TRUE(Settled(proxy_, "2"));
  EXPECT_EQ(OursOnOldOwners() + OursOn(extra), kKeys);
  ExpectAll(kTouched);
}

TEST_F(DurableMovesTest, AMoveThatIsTurnedAroundMeanwhileLosesAndDoublesNothing) {
  const RedisServer extra;
  StartMove(extra, "replica");
  ASSERT_TRUE(Eventually([&] { return OursOn(extra) > kKeys / 3; }));
  constexpr int kTouched = 100;
  for (int i = 0; i < kTouched; ++i) {
    EXPECT_EQ(client_.Command({"APPEND", Key(i), "x"}), "(integer) 2");
  }
  const std::string said = client_.Command({"PROXY", "REBALANCE", "REVERSE"});
  ASSERT_EQ(said.find("ERR"), std::string::npos) << said;
  ASSERT_TRUE(Eventually([&] { return OursOnOldOwners() == kKeys; }));
  // They have no replicas either, and the operator does not insist any more.
  ConfigText back = before_;
  back.more = "rebalance: {durable_move: off}";
  proxy_.Reload(back);
  ASSERT_TRUE(Eventually([&] { return StatusField(proxy_, "state") == "stable"; }, kMovePatience))
      << client_.Command({"PROXY", "REBALANCE", "STATUS"});
  EXPECT_EQ(OursOnOldOwners(), kKeys);
  EXPECT_EQ(OursOn(extra), 0);
  ExpectAll(kTouched);
}

TEST_F(DurableMovesTest, AProxyThatIsKilledMeanwhileLosesNothing) {
  const RedisServer extra;
  StartMove(extra, "replica");
  ASSERT_TRUE(Eventually([&] { return OursOn(extra) > kKeys / 3; }));
  constexpr int kTouched = 100;
  for (int i = 0; i < kTouched; ++i) {
    EXPECT_EQ(client_.Command({"APPEND", Key(i), "x"}), "(integer) 2");
  }
  proxy_.Kill9();
  ProxyProcess again({"--config", proxy_.folder().File("ringmaster.yml")}, proxy_.address());
  ASSERT_TRUE(again.LogSays("goes on"));
  client_ = again.Connect();
  EXPECT_EQ(client_.Command({"APPEND", Key(kTouched), "x"}), "(integer) 2");
  const RedisServer replica({.config = {"replicaof 127.0.0.1 " + std::to_string(extra.port())}});
  ASSERT_TRUE(Settled(again, "2"));
  ExpectAll(kTouched + 1);
}

// The default. Servers before Redis 7.2 cannot say what their disk has.
TEST_F(DurableMovesTest, TheNewOwnersDiskIsWaitedForWhereItCanSayWhatItHas) {
  const RedisServer extra({.config = {"appendonly yes", "appendfsync everysec"}});
  const bool can_say =
      extra.Command({"COMMAND", "INFO", "WAITAOF"}).find("waitaof") != std::string::npos;
  StartMove(extra, "aof");
  constexpr int kTouched = 500;
  for (int i = 0; i < kTouched; ++i) {
    EXPECT_EQ(client_.Command({"APPEND", Key(i), "x"}), "(integer) 2");
  }
  ASSERT_TRUE(Settled(proxy_, "2"));
  EXPECT_EQ(proxy_.Log().find("do not wait for its disk") == std::string::npos, can_say);
  EXPECT_EQ(OursOnOldOwners() + OursOn(extra), kKeys);
  ExpectAll(kTouched);
}

TEST_F(DurableMovesTest, AShardWithoutAnAppendOnlyFileIsNotWaitedFor) {
  const RedisServer extra;
  StartMove(extra, "aof");
  ASSERT_TRUE(Settled(proxy_, "2"));
  EXPECT_NE(proxy_.Log().find("do not wait for its disk"), std::string::npos);
  ExpectAll(0);
}

}  // namespace
}  // namespace ringmaster::integration
