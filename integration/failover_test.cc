// The promise: commands go to a server that says that it is a primary, and to no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/cluster.h"
#include "support/http.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// "1234" of "role=slave,role_since=1234": behind `field`=.
std::string FieldOfShards(const ProxyProcess& proxy, const std::string& field) {
  const std::string shards = proxy.Command({"PROXY", "SHARDS"});
  const size_t at = shards.find("," + field + "=");
  if (at == std::string::npos) return "";
  const size_t value = at + field.size() + 2;
  return shards.substr(value, shards.find_first_of(",\n", value) - value);
}

class ReplicaTest : public testing::Test {
 protected:
  ReplicaTest() { config_.pool().Shard("a", first_.address()); }
  std::string Follow(const RedisServer& who, const RedisServer& whom) {
    return who.Command({"REPLICAOF", whom.address().host, std::to_string(whom.port())});
  }

  RedisServer first_, second_;
  ConfigText config_;
};

TEST_F(ReplicaTest, OneThatIsAReplicaAtTheStartGetsNothing) {
  ASSERT_EQ(Follow(first_, second_), "OK");
  ProxyProcess proxy(config_);
  Client client = proxy.Connect();
  const std::string why = "shard a: it is a replica of " + second_.address().ToString();
  EXPECT_THAT(client.Command({"SET", "k", "v"}), HasSubstr("NOTAPPLIED " + why));
  EXPECT_THAT(client.Command({"GET", "k"}), HasSubstr("NOTAPPLIED " + why));
  EXPECT_EQ(FieldOfShards(proxy, "role"), "slave");
  EXPECT_EQ(FieldOfShards(proxy, "state"), "down");
  const HttpReply ready = HttpGet(proxy.admin_port(), "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_THAT(ready.body, HasSubstr("shard a of pool 'main' takes no writes: it is a replica of "));
  EXPECT_THAT(HttpGet(proxy.admin_port(), "/metrics").body,
              HasSubstr("ringmaster_shard_primary{pool=\"main\",shard=\"a\"} 0"));
  ASSERT_EQ(first_.Command({"REPLICAOF", "NO", "ONE"}), "OK");
  EXPECT_TRUE(Eventually([&] { return client.Command({"SET", "k", "v"}) == "OK"; }));
  EXPECT_EQ(FieldOfShards(proxy, "role"), "master");
  EXPECT_EQ(HttpGet(proxy.admin_port(), "/readyz").status, 200);
}

// The server keeps its connections.
TEST_F(ReplicaTest, OneThatBecomesAReplicaIsFoundOutByItsFirstRefusal) {
  ProxyProcess proxy(config_);
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(proxy.Connect());  // on both workers
  for (Client& client : clients) ASSERT_EQ(client.Command({"SET", "k", "v"}), "OK");
  ASSERT_EQ(Follow(first_, second_), "OK");
  EXPECT_THAT(clients[0].Command({"SET", "k", "w"}),
              testing::AnyOf(HasSubstr("READONLY"), HasSubstr("is a replica of")));
  for (Client& client : clients) {
    EXPECT_TRUE(Eventually([&] {
      return client.Command({"GET", "k"}).find("NOTAPPLIED shard a: it is a replica of") !=
             std::string::npos;
    }));
  }
  EXPECT_TRUE(proxy.LogSays("it gets no commands until it is a primary"));
  EXPECT_EQ(HttpGet(proxy.admin_port(), "/readyz").status, 503);
  ASSERT_EQ(first_.Command({"REPLICAOF", "NO", "ONE"}), "OK");
  for (Client& client : clients) {
    EXPECT_TRUE(Eventually([&] { return client.Command({"SET", "k", "v"}) == "OK"; }));
  }
}

// Moves and their checks ask on their own.
TEST_F(ReplicaTest, NoKeyMovesToOne) {
  ProxyProcess proxy(config_);
  RedisServer replica;
  ASSERT_EQ(Follow(replica, second_), "OK");
  ConfigText more = proxy.config();
  more.pool().Shard("b", replica.address());
  proxy.Reload(more);
  EXPECT_TRUE(Eventually([&] {
    return proxy.Command({"PROXY", "REBALANCE", "STATUS"}).find("it is a replica of") !=
           std::string::npos;
  }));
}

}  // namespace
}  // namespace ringmaster::integration
