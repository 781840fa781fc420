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

// A shard and a proxy in front of it, with users who may do the same in both.
class ScriptsOfUsersTest : public testing::Test {
 protected:
  using Words = std::vector<std::string>;
  static constexpr char kText[] = "return redis.call('get', 'secret')";

  void Start(const std::string& shard_login = "") {
    ConfigText config;
    config.pool().Shard("s", server_.address(), shard_login);
    config.pool().more =
        "users: [{name: default, nopass: true}, {name: app, password: pw, commands: '+@all "
        "-@dangerous', keys: ['app:*'], channels: ['news']}, {name: trusted, password: pw, keys: "
        "['app:*'], scripts: unchecked}]";
    proxy_ = std::make_unique<ProxyProcess>(std::move(config));
    admin_ = std::make_unique<Client>(proxy_->Connect());
    for (Client* each : {admin_.get(), &one_admin_}) {
      each->Command({"SET", "secret", "s3cret"});
      each->Command({"SET", "app:1", "mine"});
      sha_ = each->Command({"SCRIPT", "LOAD", kText});
      each->Command({"FUNCTION", "LOAD", "REPLACE",
                     "#!lua name=lib\nredis.register_function{function_name='f', callback="
                     "function(keys) return redis.call('get', keys[1] or 'secret') end, "
                     "flags={'no-writes'}}"});
    }
    sha_ = sha_.substr(1, sha_.size() - 2);
    EXPECT_EQ(one_admin_.Command({"ACL", "SETUSER", "app", "on", ">pw", "+@all", "-@dangerous",
                                  "~app:*", "&news"}),
              "OK");
  }
  Client LogIn(Client client, const std::string& user) {
    EXPECT_EQ(client.Command({"AUTH", user, "pw"}), "OK");
    return client;
  }
  // As a shard says it of what a script does.
  static bool Denied(const std::string& reply) {
    return reply.find("The user executing the script can't") != std::string::npos;
  }
  std::vector<Words> Calls() const {
    const std::string of_key = "return redis.call('get', KEYS[1])";
    return {{"EVAL", kText, "0"},
            {"EVAL_RO", kText, "0"},
            {"EVALSHA", sha_, "0"},
            {"EVALSHA_RO", sha_, "0"},
            {"FCALL", "f", "0"},
            {"FCALL_RO", "f", "0"},
            {"EVAL", of_key, "1", "app:1"},
            {"EVAL", of_key, "1", "secret"},
            {"FCALL", "f", "1", "app:1"},
            {"FCALL_RO", "f", "1", "secret"},
            {"EVAL", "return redis.call('set', KEYS[1], ARGV[1])", "1", "app:2", "x"},
            {"EVAL", "return redis.call('flushall')", "0"},
            {"EVAL", "return redis.call('keys', '*')", "0"},
            {"EVAL", "return redis.call('publish', 'news', 'x')", "0"},
            {"EVAL", "return redis.call('publish', 'other', 'x')", "0"},
            {"EVAL", "return redis.pcall('get', 'secret')", "0"},
            {"EVAL", "return redis.call('acl', 'whoami')", "0"},
            {"EVAL", "return redis.call('script', 'flush')", "0"},
            {"EVALSHA", std::string(40, 'f'), "0"}};
  }

  RedisServer server_;
  RedisServer one_;
  Client one_admin_ = one_.Connect();
  std::unique_ptr<ProxyProcess> proxy_;
  std::unique_ptr<Client> admin_;
  std::string sha_;
};

TEST_F(ScriptsOfUsersTest, DoNotMoreThanTheirUserMay) {
  Start();
  Client ours = LogIn(proxy_->Connect(), "app");
  Client one = LogIn(one_.Connect(), "app");
  for (const int resp : {2, 3}) {
    ours.Command({"HELLO", std::to_string(resp)});
    one.Command({"HELLO", std::to_string(resp)});
    for (const Words& call : Calls())
      EXPECT_EQ(ours.CommandRaw(call), one.CommandRaw(call)) << call[1];
  }
  // The order of one client's commands stays.
  const std::string get = "return redis.call('get', KEYS[1])";
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += "*3\r\n$3\r\nSET\r\n$5\r\napp:1\r\n$2\r\n" + std::to_string(10 + i) + "\r\n";
    requests += "*4\r\n$4\r\nEVAL\r\n$" + std::to_string(get.size()) + "\r\n" + get +
                "\r\n$1\r\n1\r\n$5\r\napp:1\r\n";
  }
  ours.Send(requests);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ours.Read(), "OK");
    EXPECT_EQ(ours.Read(), "\"" + std::to_string(10 + i) + "\"");
  }
}

TEST_F(ScriptsOfUsersTest, RightsThatChangeHoldForTheNextScript) {
  Start();
  Client app = LogIn(proxy_->Connect(), "app");
  EXPECT_TRUE(Denied(app.Command({"EVAL", kText, "0"})));
  ASSERT_EQ(admin_->Command({"ACL", "SETUSER", "app", "~secret"}), "OK");
  EXPECT_EQ(app.Command({"EVAL", kText, "0"}), "\"s3cret\"");
  ASSERT_EQ(admin_->Command({"ACL", "SETUSER", "app", "resetkeys", "~app:*"}), "OK");
  EXPECT_TRUE(Denied(app.Command({"EVAL", kText, "0"})));
  // Nor does a connection that was lost come back with more.
  for (int i = 0; i < 20; ++i) {
    server_.Command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    const std::string said = app.Command({"EVAL", kText, "0"});
    EXPECT_TRUE(Denied(said) || said.starts_with("(error) NOTAPPLIED") ||
                said.starts_with("(error) UNCERTAIN"))
        << said;
  }
  EXPECT_TRUE(Eventually([&] {
    return app.Command({"EVAL", "return redis.call('get', 'app:1')", "0"}) == "\"mine\"";
  }));
}

TEST_F(ScriptsOfUsersTest, AreAllowedByTheConfigurationAllTheSame) {
  Start();
  Client trusted = LogIn(proxy_->Connect(), "trusted");
  EXPECT_EQ(trusted.Command({"EVAL", kText, "0"}), "\"s3cret\"");
  EXPECT_EQ(trusted.Command({"FCALL", "f", "0"}), "\"s3cret\"");
}

TEST_F(ScriptsOfUsersTest, AreRefusedWhereNobodyChecksThem) {
  Start();
  Client app = LogIn(proxy_->Connect(), "app");
  for (const Words& call : Calls()) {
    EXPECT_EQ(app.Command({"MULTI"}), "OK");
    EXPECT_EQ(app.Command(call).substr(0, 14), "(error) NOPERM");
    EXPECT_EQ(app.Command({"EXEC"}).substr(0, 17), "(error) EXECABORT");
  }
  // Who had all rights when it was queued.
  ASSERT_EQ(admin_->Command({"ACL", "SETUSER", "fallen", "on", ">pw", "~*", "&*", "+@all"}), "OK");
  Client fallen = LogIn(proxy_->Connect(), "fallen");
  fallen.Pipeline({{"MULTI"}, {"EVAL", kText, "0"}, {"GET", "app:1"}});
  ASSERT_EQ(admin_->Command({"ACL", "SETUSER", "fallen", "resetkeys", "~app:*"}), "OK");
  const std::string reply = fallen.Command({"EXEC"});
  EXPECT_EQ(reply.substr(0, 16), "[(error) NOPERM ") << reply;
  EXPECT_TRUE(reply.ends_with(", \"mine\"]")) << reply;
}

TEST_F(ScriptsOfUsersTest, AreRefusedWhereAShardMakesNoUsers) {
  ASSERT_EQ(server_.Command({"ACL", "SETUSER", "px", "on", ">pw", "~*", "&*", "+@all", "-acl"}),
            "OK");
  Start("username: px, password: pw");
  Client app = LogIn(proxy_->Connect(), "app");
  const std::string said = app.Command({"EVAL", kText, "0"});
  EXPECT_EQ(said.substr(0, 42), "(error) NOPERM scripts of user 'app' are r");
  EXPECT_NE(said.find("the shard 's' makes no user"), std::string::npos) << said;
  EXPECT_NE(said.find("scripts: unchecked"), std::string::npos) << said;
  // The shard is as well as before.
  EXPECT_EQ(app.Command({"GET", "app:1"}), "\"mine\"");
}

TEST_F(ScriptsOfUsersTest, WhatADeadProxyLeftIsRemoved) {
  ASSERT_EQ(server_.Command({"ACL", "SETUSER", "rm-dead-1", "on", ">x", "+@all", "~*"}), "OK");
  ASSERT_EQ(server_.Command({"ACL", "SETUSER", "rm-used-1", "on", ">x", "+@all", "~*"}), "OK");
  Client used = server_.Connect();
  ASSERT_EQ(used.Command({"AUTH", "rm-used-1", "x"}), "OK");
  Start();
  Client app = LogIn(proxy_->Connect(), "app");
  app.Command({"EVAL", kText, "0"});
  const std::string users = server_.Command({"ACL", "USERS"});
  EXPECT_EQ(users.find("rm-dead-1"), std::string::npos) << users;
  EXPECT_NE(users.find("rm-used-1"), std::string::npos) << users;
}

TEST(ScriptsOverShardsTest, AreRefusedToWhoMayNotDoEverything) {
  Cluster cluster{ClusterOptions{.shards = 2}};
  Client client = cluster.Connect();
  const std::string keys[2] = {cluster.KeyOn(0), cluster.KeyOn(1)};
  ASSERT_EQ(
      client.Command({"ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-flushall"}),
      "OK");
  ASSERT_EQ(client.Command({"AUTH", "app", "pw"}), "OK");
  const std::string text = "return redis.call('set', KEYS[1], 'x')";
  EXPECT_EQ(client.Command({"EVAL", text, "1", keys[0]}), "OK");
  EXPECT_EQ(client.Command({"EVAL", text, "1", keys[1]}), "OK");
  EXPECT_NE(client.Command({"EVAL", text, "2", keys[0], keys[1]}).find("on several shards"),
            std::string::npos);
  EXPECT_NE(client.Command({"EVAL", "return redis.call('flushall')", "0"}).find("can't run this"),
            std::string::npos);
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
