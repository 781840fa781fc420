// The promise: a proxy moves keys only where no other proxy would look for them in vain, and says
// whom it found; what it leaves on the shards to that end no client sees.
#include <gtest/gtest.h>

#include "support/cluster.h"
#include "support/rebalance_status.h"

namespace ringmaster::integration {
namespace {

class MovesAloneTest : public testing::Test {
 protected:
  static constexpr int kKeys = 300;

  MovesAloneTest() {
    std::vector<std::vector<std::string>> commands;
    for (int i = 0; i < kKeys; ++i) commands.push_back({"SET", "key:" + std::to_string(i), "v"});
    cluster_.Connect().Pipeline(commands);
  }
  int Found(const ProxyProcess& proxy) const {
    std::vector<std::vector<std::string>> commands;
    for (int i = 0; i < kKeys; ++i) commands.push_back({"EXISTS", "key:" + std::to_string(i)});
    int found = 0;
    for (const std::string& reply : proxy.Connect().Pipeline(commands)) {
      found += reply == "(integer) 1" ? 1 : 0;
    }
    return found;
  }
  ConfigText With(ConfigText config, const std::string& more = "") {
    config.pool().Shard("extra", extra_.address(), more);
    return config;
  }
  // What the proxy has, and the extra shard.
  std::string AddExtra(ProxyProcess& proxy, const std::string& more = "") {
    return proxy.Reload(With(proxy.config(), more));
  }

  RedisServer extra_;
  Cluster cluster_{ClusterOptions{.shards = 3}};
  ProxyProcess& proxy_ = cluster_.proxy();
};

TEST_F(MovesAloneTest, NothingMovesWhileAnotherProxyIsConnectedAndItIsNamed) {
  {
    const ProxyProcess other(cluster_.Shards());
    ASSERT_EQ(Found(other), kKeys);
    AddExtra(proxy_);
    ASSERT_TRUE(proxy_.LogSays("another Ringmaster (rm:"));
    EXPECT_NE(StatusField(proxy_, "waiting").find("would not follow keys that move"),
              std::string::npos);
    EXPECT_EQ(StatusField(proxy_, "epoch"), "1");
    EXPECT_EQ(KeysOn(extra_), 0);
    EXPECT_EQ(Found(other), kKeys);
    EXPECT_EQ(Found(proxy_), kKeys);
  }
  ASSERT_TRUE(Settled(proxy_, "2")) << StatusField(proxy_, "everything");
  EXPECT_EQ(Found(proxy_), kKeys);
}

TEST_F(MovesAloneTest, ProxyWithAnotherRingIsToldWhoseShardsTheyAreUntilItClaimsThem) {
  AddExtra(proxy_);
  ASSERT_TRUE(Settled(proxy_, "2"));
  ASSERT_TRUE(Eventually([&] {
    return extra_.Command({"EXISTS", "__rm:proxy"}) != "(integer) 0";
  }));
  proxy_.Terminate();
  ProxyProcess late(cluster_.Shards());
  AddExtra(late, "weight: 2");
  ASSERT_TRUE(late.LogSays("follows another proxy's ring (rm:"));
  EXPECT_EQ(StatusField(late, "epoch"), "1");
  // Its ring is wrong and the shard is not new: the claim alone moves nothing.
  late.Command({"PROXY", "REBALANCE", "CLAIM"});
  ASSERT_TRUE(late.LogSays("shard extra is new and holds"));
  // Who has the very ring that the keys lie by goes on from there.
  late.Terminate();
  ProxyProcess right(With(cluster_.Shards()));
  EXPECT_EQ(Found(right), kKeys);
  ConfigText heavier = right.config();
  heavier.pool().shards.pop_back();
  right.Reload(With(heavier, "weight: 2"));
  ASSERT_TRUE(Settled(right, "2")) << StatusField(right, "everything");
  EXPECT_EQ(Found(right), kKeys);
}

TEST_F(MovesAloneTest, MarksOnShardsAreHiddenFromClients) {
  Client client = cluster_.Connect();
  AddExtra(proxy_);
  ASSERT_TRUE(Settled(proxy_, "2"));
  const auto marked = [](const RedisServer& server) {
    return server.Command({"EXISTS", "__rm:proxy"}) == "(integer) 1";
  };
  ASSERT_TRUE(Eventually([&] {
    return marked(extra_) && marked(cluster_.server(0)) && marked(cluster_.server(1)) &&
           marked(cluster_.server(2));
  }));
  EXPECT_EQ(client.Command({"DBSIZE"}), "(integer) " + std::to_string(kKeys));
  EXPECT_EQ(client.Pipeline({{"MULTI"}, {"DBSIZE"}, {"EXEC"}}).back(),
            "[(integer) " + std::to_string(kKeys) + "]");
  EXPECT_EQ(client.Command({"KEYS", "__rm*"}), "[]");
  const std::string info = client.CommandRaw({"INFO", "keyspace"});
  EXPECT_NE(info.find("keys=" + std::to_string(kKeys) + ","), std::string::npos) << info;
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < kKeys; ++i) commands.push_back({"DEL", "key:" + std::to_string(i)});
  client.Pipeline(commands);
  EXPECT_EQ(client.Command({"DBSIZE"}), "(integer) 0");
  EXPECT_EQ(client.Command({"RANDOMKEY"}), "(nil)");
  // One that leaves has none.
  ConfigText without = proxy_.config();
  without.pool().shards.pop_back();
  proxy_.Reload(without);
  ASSERT_TRUE(Settled(proxy_, "3"));
  EXPECT_EQ(KeysOn(extra_), 0);
}

TEST_F(MovesAloneTest, ShardThatVanishedFromTheConfigurationWhileTheProxyWasDownIsNotForgotten) {
  ConfigText fewer = cluster_.Shards();
  fewer.saga = "journal: \"" + proxy_.folder().File("state.db") + "\"";
  fewer.pool().shards.pop_back();
  proxy_.Terminate();
  cluster_.server(2).Kill();
  ProxyProcess again(fewer);
  ASSERT_TRUE(again.LogSays("shard s2 (" + cluster_.server(2).address().ToString() +
                            ") owns keys by the ring"));
  ASSERT_TRUE(again.LogSays("PROXY REBALANCE ABANDON s2"));
  EXPECT_EQ(StatusField(again, "epoch"), "1");
  const int64_t left = KeysOn(cluster_.server(0)) + KeysOn(cluster_.server(1));
  const std::string said = again.Command({"PROXY", "REBALANCE", "ABANDON", "s2"});
  EXPECT_EQ(said.find("(error)"), std::string::npos) << said;
  ASSERT_TRUE(Settled(again, "2")) << StatusField(again, "everything");
  EXPECT_EQ(Found(again), left);
  EXPECT_LT(left, kKeys);
}

}  // namespace
}  // namespace ringmaster::integration
