// The promise: of a shard that lists its servers, the one that says that it is a primary serves,
// and no other; nobody has to know Sentinel for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "support/cluster.h"
#include "support/http.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;

class RolesTest : public testing::Test {
 protected:
  RolesTest() {
    EXPECT_TRUE(Eventually([&] { return Linked(second_); }));
    config_.timeouts = "command: 3s, connect: 300ms";
    config_.pool().Shard("a", first_.address(),
                         "replicas: ['" + second_.address().ToString() + "'], follow: role");
    config_.more = "rebalance: {durable_move: replica}";
  }
  static bool Linked(const RedisServer& replica) {
    return replica.Command({"INFO", "replication"}).find("master_link_status:up") !=
           std::string::npos;
  }
  static std::string Promote(const RedisServer& server) {
    return server.Command({"REPLICAOF", "NO", "ONE"});
  }
  static std::string Field(const ProxyProcess& proxy, const std::string& field) {
    const std::string shards = proxy.Command({"PROXY", "SHARDS"});
    const size_t at = shards.find("," + field + "=");
    if (at == std::string::npos) return "";
    const size_t value = at + field.size() + 2;
    return shards.substr(value, shards.find_first_of(",\n", value) - value);
  }
  bool IsAt(const ProxyProcess& proxy, const RedisServer& server) {
    return Eventually([&] { return Field(proxy, "address") == server.address().ToString(); });
  }

  RedisServer first_{{.config = {"repl-diskless-sync-delay 0"}}};
  RedisServer second_{{.config = {"replicaof 127.0.0.1 " + std::to_string(first_.port()),
                                  "repl-diskless-sync-delay 0"}}};
  ConfigText config_;
};

TEST_F(RolesTest, ThePromotedOneServesWhenThePrimaryIsGone) {
  ProxyProcess proxy(config_);
  Client client = proxy.Connect();
  ASSERT_EQ(client.Command({"SET", "k", "1"}), "OK");
  EXPECT_TRUE(Eventually([&] { return Field(proxy, "replicas") == "1"; }));
  ASSERT_EQ(first_.Command({"WAIT", "1", "5000"}), "(integer) 1");
  first_.Kill();
  EXPECT_THAT(client.Command({"SET", "k", "2"}), HasSubstr("shard a"));
  ASSERT_EQ(Promote(second_), "OK");
  ASSERT_TRUE(IsAt(proxy, second_));
  EXPECT_TRUE(Eventually([&] { return client.Command({"GET", "k"}) == "\"1\""; }));
  EXPECT_EQ(client.Command({"SET", "k", "3"}), "OK");
  EXPECT_TRUE(proxy.LogSays("it does not answer, and " + second_.address().ToString() +
                            " says that it is a primary"));
  EXPECT_EQ(Field(proxy, "switches"), "1");
  EXPECT_TRUE(Eventually([&] { return HttpGet(proxy.admin_port(), "/readyz").status == 200; }));
  // The file names the one that is gone first.
  ProxyProcess again(config_);
  EXPECT_EQ(Field(again, "address"), second_.address().ToString());
  EXPECT_EQ(Field(again, "switches"), "0");
  EXPECT_EQ(again.Command({"GET", "k"}), "\"3\"");
}

TEST_F(RolesTest, TheOneInUseStaysAsLongAsItAnswers) {
  ProxyProcess proxy(config_);
  Client client = proxy.Connect();
  ASSERT_EQ(client.Command({"SET", "k", "1"}), "OK");
  ASSERT_EQ(Promote(second_), "OK");
  EXPECT_TRUE(proxy.LogSays(second_.address().ToString() + " says that it is a primary, too"));
  EXPECT_EQ(client.Command({"SET", "k", "2"}), "OK");
  EXPECT_EQ(Field(proxy, "address"), first_.address().ToString());
  // It becomes a replica of the other one: that serves at once.
  ASSERT_EQ(first_.Command({"REPLICAOF", "127.0.0.1", std::to_string(second_.port())}), "OK");
  ASSERT_TRUE(IsAt(proxy, second_));
  EXPECT_TRUE(Eventually([&] { return client.Command({"SET", "k", "3"}) == "OK"; }));
  EXPECT_TRUE(proxy.LogSays("it is no primary any more"));
}

// It has nothing of what the shard had.
TEST_F(RolesTest, AnEmptyServerTakesNobodysPlace) {
  ProxyProcess proxy(config_);
  Client client = proxy.Connect();
  ASSERT_EQ(client.Command({"SET", "k", "1"}), "OK");
  ASSERT_TRUE(Eventually([&] { return Field(proxy, "replicas") == "1"; }));
  first_.Kill();
  second_.Kill();
  ASSERT_TRUE(second_.Restart());
  ASSERT_EQ(Promote(second_), "OK");
  EXPECT_TRUE(proxy.LogSays("does not go on from what the shard had"));
  EXPECT_EQ(Field(proxy, "address"), first_.address().ToString());
  EXPECT_EQ(second_.Command({"DBSIZE"}), "(integer) 0");
}

TEST_F(RolesTest, AFrozenPrimaryThatComesBackGetsNothingMore) {
  ProxyProcess proxy(config_);
  Client client = proxy.Connect();
  ASSERT_EQ(client.Command({"SET", "k", "1"}), "OK");
  ASSERT_TRUE(Eventually([&] { return Field(proxy, "replicas") == "1"; }));
  first_.Pause();
  ASSERT_EQ(Promote(second_), "OK");
  ASSERT_TRUE(IsAt(proxy, second_));
  ASSERT_TRUE(Eventually([&] { return client.Command({"SET", "after", "1"}) == "OK"; }));
  first_.Resume();
  EXPECT_TRUE(proxy.LogSays(first_.address().ToString() + " says that it is a primary, too"));
  EXPECT_EQ(client.Command({"SET", "later", "1"}), "OK");
  EXPECT_EQ(first_.Command({"EXISTS", "after", "later"}), "(integer) 0");
}

TEST_F(RolesTest, AShardBecomesAGroupAndOneServerAgain) {
  ConfigText plain = config_;
  plain.pool().shards.clear();
  plain.pool().Shard("a", first_.address());
  ProxyProcess proxy(plain);
  ConfigText group = proxy.config();
  group.pool().shards = config_.pool().shards;
  ASSERT_THAT(proxy.Reload(group), HasSubstr("0.00 % of the keys changed owner"));
  ASSERT_TRUE(Eventually([&] { return Field(proxy, "replicas") == "1"; }));
  first_.Kill();
  ASSERT_EQ(Promote(second_), "OK");
  ASSERT_TRUE(IsAt(proxy, second_));
  ASSERT_TRUE(Eventually([&] { return proxy.Command({"SET", "k", "1"}) == "OK"; }));
  ConfigText other = proxy.config();
  other.pool().shards.clear();
  other.pool().Shard("a", second_.address());
  ASSERT_THAT(proxy.Reload(other), HasSubstr("0.00 % of the keys changed owner"));
  EXPECT_EQ(proxy.Command({"GET", "k"}), "\"1\"");
}

TEST_F(RolesTest, AShardThatLacksReplicasForWritesIsNotReady) {
  ProxyProcess proxy(config_);
  ASSERT_TRUE(Eventually([&] { return HttpGet(proxy.admin_port(), "/readyz").status == 200; }));
  first_.Command({"CONFIG", "SET", "min-replicas-to-write", "2"});
  const std::string why = "shard a of pool 'main' takes no writes: NOREPLICAS: 1 of 2 replicas";
  EXPECT_TRUE(Eventually([&] {
    const HttpReply ready = HttpGet(proxy.admin_port(), "/readyz");
    return ready.status == 503 && ready.body.find(why) != std::string::npos;
  })) << HttpGet(proxy.admin_port(), "/readyz").body;
  first_.Command({"CONFIG", "SET", "min-replicas-to-write", "1"});
  EXPECT_TRUE(Eventually([&] { return HttpGet(proxy.admin_port(), "/readyz").status == 200; }));
}

// One server by itself is asked when it has refused a write.
TEST(ReadyWithoutReplicasTest, OneServerThatRefusedIsAskedAgain) {
  const RedisServer server;
  ConfigText config;
  config.pool().Shard("a", server.address());
  ProxyProcess proxy(config);
  Client client = proxy.Connect();
  ASSERT_EQ(client.Command({"SET", "k", "1"}), "OK");
  server.Command({"CONFIG", "SET", "min-replicas-to-write", "1"});
  EXPECT_THAT(client.Command({"SET", "k", "2"}), HasSubstr("NOREPLICAS"));
  const HttpReply ready = HttpGet(proxy.admin_port(), "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_THAT(ready.body, HasSubstr("takes no writes: NOREPLICAS: 0 of 1 replicas"));
  server.Command({"CONFIG", "SET", "min-replicas-to-write", "0"});
  EXPECT_EQ(HttpGet(proxy.admin_port(), "/readyz").status, 200);
}

}  // namespace
}  // namespace ringmaster::integration
