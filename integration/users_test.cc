// The promise: users of the configuration are asked for their passwords and held to their rules, on
// every worker, and ACL changes them at once; CLIENT PAUSE holds what it says and lets go; the slow
// log and the statistics are those of one server.
#include <gtest/gtest.h>

#include <memory>

#include "support/cluster.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

// A proxy with users in front of two shards.
class UsersTest : public testing::Test {
 protected:
  UsersTest() {
    ConfigText config;
    for (size_t i = 0; i < 2; ++i) {
      config.pool().Shard("s" + std::to_string(i), servers_[i].address());
    }
    config.pool().more =
        "users: [{name: default, password: secret}, "
        "{name: reader, password: pw, commands: '+@read +ping +acl|whoami', keys: ['app:*']}]";
    proxy_ = std::make_unique<ProxyProcess>(std::move(config));
  }
  Client Connect() const { return proxy_->Connect(); }

 private:
  RedisServer servers_[2];
  std::unique_ptr<ProxyProcess> proxy_;
};

std::string NoPermission(const std::string& what) {
  return "(error) NOPERM this user has no permissions to " + what;
}

TEST_F(UsersTest, ClientsHaveToLogIn) {
  Client client = Connect();
  EXPECT_EQ(client.Command({"PING"}), "(error) NOAUTH Authentication required.");
  EXPECT_EQ(client.Command({"AUTH", "wrong"}),
            "(error) WRONGPASS invalid username-password pair or user is disabled.");
  EXPECT_EQ(client.Command({"HELLO", "3"}).substr(0, 26), "(error) NOAUTH HELLO must ");
  EXPECT_EQ(client.Command({"AUTH", "secret"}), "OK");
  EXPECT_EQ(client.Command({"SET", "k", "v"}), "OK");
}

TEST_F(UsersTest, RulesHoldForCommandsAndKeys) {
  Client client = Connect();
  EXPECT_EQ(client.Command({"AUTH", "reader", "pw"}), "OK");
  EXPECT_EQ(client.Command({"ACL", "WHOAMI"}), "\"reader\"");
  EXPECT_EQ(client.Command({"GET", "app:1"}), "(nil)");
  EXPECT_EQ(client.Command({"GET", "other"}),
            NoPermission("access one of the keys used as arguments"));
  EXPECT_EQ(client.Command({"SET", "app:1", "v"}), NoPermission("run the 'set' command"));
  EXPECT_EQ(client.Command({"SET", "app:1", std::string(300'000, 'x')}),
            NoPermission("run the 'set' command"));
  EXPECT_EQ(client.Command({"MGET", "app:1", "other"}),
            NoPermission("access one of the keys used as arguments"));
}

TEST_F(UsersTest, AChangeReachesClientsThatAreLoggedIn) {
  Client admin = Connect();
  ASSERT_EQ(admin.Command({"AUTH", "secret"}), "OK");
  std::vector<Client> readers;
  for (int i = 0; i < 4; ++i) {
    readers.push_back(Connect());
    ASSERT_EQ(readers.back().Command({"AUTH", "reader", "pw"}), "OK");
  }
  ASSERT_EQ(admin.Command({"ACL", "SETUSER", "reader", "+set"}), "OK");
  for (Client& reader : readers) EXPECT_EQ(reader.Command({"SET", "app:1", "v"}), "OK");
  EXPECT_EQ(admin.Command({"ACL", "DELUSER", "reader"}), "(integer) 1");
  for (Client& reader : readers) EXPECT_TRUE(reader.PeerCloses());
  EXPECT_EQ(admin.Command({"ACL", "DELUSER", "default"}),
            "(error) ERR The 'default' user cannot be removed");
}

// As Redis: its patterns may name any key, so they are for who may read every key.
TEST_F(UsersTest, SortsPatternsAreForWhoMayReadEveryKey) {
  Client admin = Connect();
  ASSERT_EQ(admin.Command({"AUTH", "secret"}), "OK");
  const auto as = [&](const std::vector<std::string>& rules) {
    std::vector<std::string> words = {"ACL", "SETUSER", "ann", "reset", "on", "nopass", "+@all"};
    words.insert(words.end(), rules.begin(), rules.end());
    EXPECT_EQ(admin.Command(words), "OK");
    Client client = Connect();
    EXPECT_EQ(client.Command({"AUTH", "ann", "x"}), "OK");
    return client;
  };
  Client ann = as({"~app:*"});
  EXPECT_EQ(ann.Command({"RPUSH", "app:l", "2", "1"}), "(integer) 2");
  EXPECT_EQ(ann.Command({"SORT", "app:l", "BY", "secret:*"}),
            "(error) ERR BY option of SORT denied due to insufficient ACL permissions.");
  EXPECT_EQ(ann.Command({"SORT_RO", "app:l", "GET", "secret:*"}),
            "(error) ERR GET option of SORT denied due to insufficient ACL permissions.");
  EXPECT_EQ(ann.Command({"SORT", "app:l", "BY", "nosort"}), "[\"2\", \"1\"]");
  EXPECT_EQ(ann.Command({"SORT", "app:l", "LIMIT", "0", "x", "BY", "w*"}),
            "(error) ERR value is not an integer or out of range");
  EXPECT_EQ(as({"%R~*"}).Command({"SORT_RO", "app:l", "GET", "#", "GET", "x*"}),
            "[\"1\", (nil), \"2\", (nil)]");
}

// The keys that are checked are those that the command uses.
TEST_F(UsersTest, AnOptionThatIsGivenTwiceHidesNoKey) {
  Client admin = Connect();
  ASSERT_EQ(admin.Command({"AUTH", "secret"}), "OK");
  ASSERT_EQ(admin.Command({"ACL", "SETUSER", "ann", "on", "nopass", "+@all", "~app:*", "~c", "~km",
                           "~STREAMS", "~limit"}),
            "OK");
  Client ann = Connect();
  ASSERT_EQ(ann.Command({"AUTH", "ann", "x"}), "OK");
  const std::vector<std::vector<std::string>> calls = {
      {"GEORADIUS", "app:g", "0", "0", "1", "km", "STORE", "app:x", "STORE", "secret"},
      {"GEORADIUS", "app:g", "0", "0", "1", "km", "STOREDIST", "app:x", "STOREDIST", "secret"},
      {"SORT", "app:l", "STORE", "limit", "STORE", "secret"},
      {"XREADGROUP", "GROUP", "STREAMS", "c", "STREAMS", "secret", ">"},
      {"SET", "app:1", std::string(300'000, 'x'), "GET"}};
  ASSERT_EQ(admin.Command({"SET", "app:1", "hidden"}), "OK");
  for (const auto& call : calls) {
    const bool last = &call == &calls.back();
    if (last) {
      ASSERT_EQ(admin.Command({"ACL", "SETUSER", "ann", "resetkeys", "%W~app:*"}), "OK");
    }
    EXPECT_EQ(ann.Command(call), NoPermission("access one of the keys used as arguments"))
        << call[0];
  }
}

TEST_F(UsersTest, OrdersToTheProxyAreDangerousAndLookingIsReading) {
  Client admin = Connect();
  ASSERT_EQ(admin.Command({"AUTH", "secret"}), "OK");
  ASSERT_EQ(admin.Command(
                {"ACL", "SETUSER", "ann", "on", "nopass", "~*", "+@all", "-@dangerous", "-@admin"}),
            "OK");
  Client ann = Connect();
  ASSERT_EQ(ann.Command({"AUTH", "ann", "x"}), "OK");
  const std::vector<std::pair<std::vector<std::string>, std::string>> orders = {
      {{"PROXY", "RELOAD"}, "reload"},
      {{"PROXY", "REBALANCE", "ABANDON"}, "rebalance-order"},
      {{"PROXY", "rebalance", "pause"}, "rebalance-order"},
      {{"PROXY", "SAGAS", "ROLLBACK", "1"}, "sagas-order"},
      {{"PROXY", "JOBS", "CANCEL", "1"}, "jobs-order"},
      {{"PROXY", "LOGLEVEL", "debug"}, "loglevel-order"},
      {{"PROXY", "SLOWLOG"}, "slowlog"},
      {{"PROXY", "VERIFY"}, "verify"}};
  for (const auto& [order, right] : orders) {
    EXPECT_EQ(ann.Command(order), NoPermission("run the 'proxy|" + right + "' command"));
  }
  for (const std::vector<std::string>& look :
       std::vector<std::vector<std::string>>{{"PROXY", "INFO"},
                                             {"PROXY", "RING"},
                                             {"PROXY", "LOCATE", "k"},
                                             {"PROXY", "WORKERS"},
                                             {"PROXY", "EXPLAIN", "GET", "k"},
                                             {"PROXY", "REBALANCE", "STATUS"},
                                             {"PROXY", "SAGAS"},
                                             {"PROXY", "JOBS", "LIST"},
                                             {"PROXY", "LOGLEVEL"},
                                             {"PROXY", "SHARDS"}}) {
    EXPECT_FALSE(ann.Command(look).starts_with("(error) NOPERM")) << look[1];
  }
  ASSERT_EQ(admin.Command({"ACL", "SETUSER", "ann", "+proxy|loglevel-order"}), "OK");
  EXPECT_EQ(ann.Command({"PROXY", "LOGLEVEL", "warning"}), "OK");
  ASSERT_EQ(admin.Command({"ACL", "SETUSER", "ann", "-@all", "+@read"}), "OK");
  EXPECT_FALSE(ann.Command({"PROXY", "SHARDS"}).starts_with("(error)"));
  EXPECT_TRUE(ann.Command({"PROXY", "RELOAD"}).starts_with("(error) NOPERM"));
}

TEST(PauseTest, WritesWaitAndReadsGoOn) {
  Cluster cluster;
  Client admin = cluster.Connect();
  Client writer = cluster.Connect();
  Client reader = cluster.Connect();
  ASSERT_EQ(admin.Command({"CLIENT", "PAUSE", "60000", "WRITE"}), "OK");
  writer.Send("SET k v\r\nGET k\r\n");
  EXPECT_TRUE(Eventually([&] {
    return admin.Command({"INFO", "clients"}).find("blocked_clients:1") != std::string::npos;
  }));
  EXPECT_EQ(reader.Command({"GET", "k"}), "(nil)");
  EXPECT_EQ(reader.Command({"SET", "k"}),
            "(error) ERR wrong number of arguments for 'set' command");
  ASSERT_EQ(admin.Command({"CLIENT", "UNPAUSE"}), "OK");
  EXPECT_EQ(writer.Read(), "OK");
  EXPECT_EQ(writer.Read(), "\"v\"");
}

TEST(PauseTest, EndsByItself) {
  Cluster cluster;
  Client client = cluster.Connect();
  ASSERT_EQ(client.Command({"CLIENT", "PAUSE", "200"}), "OK");
  EXPECT_EQ(client.Command({"SET", "k", "v"}), "OK");
}

TEST(StatisticsTest, ResetstatStartsTheHistogramAnew) {
  Cluster cluster;
  Client client = cluster.Connect();
  client.Command({"SET", "k", "v"});
  ASSERT_EQ(client.Command({"CONFIG", "RESETSTAT"}), "OK");
  client.Command({"SET", "k", "v"});
  client.Command({"SET", "k", "v"});
  const std::string histogram = client.Command({"LATENCY", "HISTOGRAM", "set"});
  EXPECT_EQ(histogram.substr(0, 31), "[\"set\", [\"calls\", (integer) 2, ");
}

TEST(StatisticsTest, WhatTheProxyRefusesReachesNoShard) {
  Cluster cluster{ClusterOptions{.shards = 2}};
  Client client = cluster.Connect();
  const std::string name = "hash-max-listpack-entries";
  EXPECT_EQ(client.Command({"CONFIG", "SET", name, "55", "port", "1"}).substr(0, 23),
            "(error) ERR CONFIG SET ");
  EXPECT_EQ(client.Command({"CONFIG", "GET", name}), "[\"" + name + "\", \"512\"]");
}

}  // namespace
}  // namespace ringmaster::integration
