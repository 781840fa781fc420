// The promise: a right that is taken is gone at once, as with one Redis: for commands that were
// queued before, for subscriptions and MONITOR, for clients that wait, on every worker.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "support/cluster.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

using Words = std::vector<std::string>;

class RightsWithdrawnTest : public testing::Test {
 protected:
  // What `run` returns of the proxy and of one Redis is the same.
  void ExpectAsOneRedis(const std::function<std::string(const std::function<Client()>&)>& run) {
    const std::string expected = run([this] { return redis_.Connect(); });
    EXPECT_EQ(run([this] { return cluster_.Connect(); }), expected);
  }
  static Client LoggedIn(const std::function<Client()>& connect) {
    Client client = connect();
    EXPECT_EQ(client.Command({"AUTH", "alice", "pw"}), "OK");
    return client;
  }
  static Client Admin(const std::function<Client()>& connect, const Words& rules) {
    Client admin = connect();
    Words words = {"ACL", "SETUSER", "alice", "reset", "on", ">pw"};
    words.insert(words.end(), rules.begin(), rules.end());
    EXPECT_EQ(admin.Command(words), "OK");
    return admin;
  }

  Cluster cluster_{ClusterOptions{.shards = 3, .workers = 2}};
  RedisServer redis_;
};

TEST_F(RightsWithdrawnTest, ExecLeavesOutWhatIsNotAllowedAnyMore) {
  const std::vector<Words> changes = {{"-get"},           {"resetkeys", "~a"}, {"-@write"},
                                      {"-@all", "+exec"}, {"resetkeys"},       {"-publish"}};
  for (const Words& change : changes) {
    for (const char* tail : {"", ":{x}"}) {  // on several shards, and on one
      ExpectAsOneRedis([&](const std::function<Client()>& connect) {
        Client admin = Admin(connect, {"~*", "&*", "+@all"});
        admin.Command({"FLUSHALL"});
        Client client = LoggedIn(connect);
        std::string said;
        for (const Words& words : std::vector<Words>{{"MULTI"},
                                                     {"SET", std::string("a") + tail, "1"},
                                                     {"GET", std::string("b") + tail},
                                                     {"PING"},
                                                     {"PUBLISH", "news", "x"},
                                                     {"INCR", std::string("c") + tail}}) {
          said += client.CommandRaw(words);
        }
        Words rules = {"ACL", "SETUSER", "alice"};
        rules.insert(rules.end(), change.begin(), change.end());
        EXPECT_EQ(admin.Command(rules), "OK");
        said += client.CommandRaw({"EXEC"});
        for (const char* key : {"a", "b", "c"}) {
          said += admin.CommandRaw({"GET", std::string(key) + tail});
        }
        return said;
      });
    }
  }
}

TEST_F(RightsWithdrawnTest, AWatchThatWasTouchedIsNilWhateverIsLeft) {
  ExpectAsOneRedis([&](const std::function<Client()>& connect) {
    Client admin = Admin(connect, {"~*", "+@all"});
    Client client = LoggedIn(connect);
    std::string said = client.CommandRaw({"WATCH", "a"}) + client.CommandRaw({"MULTI"}) +
                       client.CommandRaw({"SET", "b", "1"});
    EXPECT_EQ(admin.Command({"SET", "a", "2"}), "OK");
    EXPECT_EQ(admin.Command({"ACL", "SETUSER", "alice", "-set"}), "OK");
    return said + client.CommandRaw({"EXEC"});
  });
}

TEST_F(RightsWithdrawnTest, ExecsDenialsAreInTheLog) {
  const auto connect = [this] { return cluster_.Connect(); };
  Client admin = Admin(connect, {"~*", "+@all"});
  Client client = LoggedIn(connect);
  client.Pipeline({{"MULTI"}, {"GET", "b"}});
  EXPECT_EQ(admin.Command({"ACL", "SETUSER", "alice", "-get"}), "OK");
  client.Command({"EXEC"});
  const std::string log = admin.Command({"ACL", "LOG"});
  EXPECT_NE(log.find("\"context\", \"multi\", \"object\", \"get\", \"username\", \"alice\""),
            std::string::npos)
      << log;
}

struct Listening {
  Words words;
  Words change;
  size_t replies = 1;
};

TEST_F(RightsWithdrawnTest, WhoListensToWhatItMayNotIsClosed) {
  const std::vector<Listening> cases = {
      {{"SUBSCRIBE", "news"}, {"resetchannels", "&other"}},
      {{"SUBSCRIBE", "news", "more"}, {"resetchannels", "&news"}, 2},
      {{"SUBSCRIBE", "news"}, {"resetchannels", "&n*"}},
      {{"PSUBSCRIBE", "n*"}, {"resetchannels", "&n*"}},
      {{"PSUBSCRIBE", "n*"}, {"resetchannels", "&news"}},
      {{"PSUBSCRIBE", "news"}, {"resetchannels", "&n*"}},
      {{"SSUBSCRIBE", "news"}, {"resetchannels"}},
      {{"SUBSCRIBE", "news"}, {"resetchannels", "(&news +subscribe)"}},
      {{"SUBSCRIBE", "news"}, {"-subscribe"}},
  };
  for (const Listening& one : cases) {
    ExpectAsOneRedis([&](const std::function<Client()>& connect) {
      Client admin = Admin(connect, {"~*", "&*", "+@all"});
      std::vector<Client> clients;
      for (int i = 0; i < 4; ++i) {
        clients.push_back(LoggedIn(connect));
        clients.back().Command(one.words);
        clients.back().Read(one.replies - 1);
      }
      Words rules = {"ACL", "SETUSER", "alice"};
      rules.insert(rules.end(), one.change.begin(), one.change.end());
      EXPECT_EQ(admin.Command(rules), "OK");
      std::string said = one.words.back() + ":";
      for (Client& client : clients) {
        // A PING that comes before the end is read by nobody, and then the end is a reset.
        const std::string pong = client.Command({"PING"});
        said += (pong == "<reset>" ? "<closed>" : pong) + " ";
      }
      return said;
    });
  }
}

TEST_F(RightsWithdrawnTest, MonitorEndsWithItsRight) {
  const auto connect = [this] { return cluster_.Connect(); };
  Client admin = Admin(connect, {"~*", "&*", "+@all"});
  std::vector<Client> monitors;
  for (int i = 0; i < 4; ++i) {
    monitors.push_back(LoggedIn(connect));
    EXPECT_EQ(monitors.back().Command({"MONITOR"}), "OK");
  }
  EXPECT_EQ(admin.Command({"ACL", "SETUSER", "alice", "-monitor"}), "OK");
  for (Client& monitor : monitors) EXPECT_TRUE(monitor.PeerCloses());
}

TEST_F(RightsWithdrawnTest, ADeletedUsersClientsAreClosedWhateverTheyDo) {
  ExpectAsOneRedis([&](const std::function<Client()>& connect) {
    Client admin = Admin(connect, {"~*", "&*", "+@all"});
    std::vector<Client> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(LoggedIn(connect));
    clients[0].Send("BLPOP list 0\r\n");
    clients[1].Command({"SUBSCRIBE", "news"});
    clients[2].Pipeline({{"MULTI"}, {"SET", "k", "v"}});
    EXPECT_TRUE(Eventually([&] {
      return admin.Command({"INFO", "clients"}).find("blocked_clients:1") != std::string::npos;
    }));
    std::string said = admin.Command({"ACL", "DELUSER", "alice"});
    for (Client& client : clients) said += client.ReadToEnd();
    // Nobody waits any more for what comes now.
    return said + admin.Command({"RPUSH", "list", "x"}) +
           admin.Command({"LRANGE", "list", "0", "-1"}) + admin.Command({"DEL", "list"}) +
           admin.Command({"GET", "k"});
  });
}

TEST_F(RightsWithdrawnTest, WhoTakesItsOwnRightsStillGetsItsReply) {
  ExpectAsOneRedis([&](const std::function<Client()>& connect) {
    Admin(connect, {"~*", "&*", "+@all"});
    Client client = LoggedIn(connect);
    return client.CommandRaw({"ACL", "DELUSER", "alice"}) + client.ReadToEnd();
  });
}

}  // namespace
}  // namespace ringmaster::integration
