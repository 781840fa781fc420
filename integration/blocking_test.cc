// Commands that wait for data, through the proxy over real shards.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/cluster.h"
#include "support/resp_text.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

class BlockingTest : public testing::TestWithParam<int> {
 protected:
  // Until as many clients wait as INFO counts.
  bool Blocked(int clients) {
    return Eventually([&] {
      const std::string info = client_.Command({"INFO", "clients"});
      const size_t at = info.find("blocked_clients:");
      return at != std::string::npos && std::stoi(info.substr(at + 16)) == clients;
    });
  }

  Cluster cluster_{ClusterOptions{.shards = GetParam()}};
  Client client_ = cluster_.Connect();
  Client waiter_ = cluster_.Connect();
};

TEST_P(BlockingTest, ServesAtOnceWhatIsThere) {
  client_.Command({"RPUSH", "list", "a", "b"});
  client_.Command({"ZADD", "zset", "1", "m", "2", "n"});
  EXPECT_EQ(waiter_.Command({"BLPOP", "none", "list", "0"}), "[\"list\", \"a\"]");
  EXPECT_EQ(waiter_.Command({"BZPOPMAX", "none", "zset", "0"}), "[\"zset\", \"n\", \"2\"]");
  EXPECT_EQ(waiter_.Command({"BLMPOP", "0", "2", "none", "list", "LEFT"}), "[\"list\", [\"b\"]]");
}

// Found by scripts/sizes: they came in the order of the shards.
TEST_P(BlockingTest, StreamsAreAnsweredInTheOrderInWhichTheyWereNamed) {
  const RedisServer redis;
  std::vector<std::string> names = {"s1", "s2", "s3", "s4", "s5", "empty"};
  for (const char* protocol : {"2", "3"}) {
    Client one = redis.Connect();
    for (Client* client : {&one, &waiter_}) {
      client->Command({"HELLO", protocol});
      for (const std::string& name : names) {
        client->Command({"XADD", name, "1-1", "field", name});
        client->Command({"XGROUP", "CREATE", name, "group" + std::string(protocol), "0"});
      }
      client->Command({"DEL", "empty"});
      client->Command(
          {"XGROUP", "CREATE", "empty", "group" + std::string(protocol), "0", "MKSTREAM"});
    }
    for (int turn = 0; turn < 6; ++turn) {
      std::rotate(names.begin(), names.begin() + 1, names.end());
      std::vector<std::string> read = {"XREAD", "STREAMS"};
      read.insert(read.end(), names.begin(), names.end());
      read.insert(read.end(), names.size(), "0");
      EXPECT_EQ(waiter_.Command(read), one.Command(read));
      read.insert(read.begin() + 1, {"BLOCK", "1000"});
      EXPECT_EQ(waiter_.Command(read), one.Command(read));
    }
    std::vector<std::string> read = {"XREADGROUP", "GROUP", "group" + std::string(protocol), "me",
                                     "STREAMS"};
    read.insert(read.end(), names.begin(), names.end());
    read.insert(read.end(), names.size(), ">");
    EXPECT_EQ(waiter_.Command(read), one.Command(read));
  }
}

TEST_P(BlockingTest, WaitsForTheFirstElementOnAnyOfItsKeys) {
  const std::vector<std::string> keys = {"k1", "k2", "k3", "k4", "k5"};
  for (const std::string& key : keys) {
    std::vector<std::string> pop = {"BRPOP"};
    pop.insert(pop.end(), keys.begin(), keys.end());
    pop.emplace_back("0");
    waiter_.Send(Encode(pop));
    ASSERT_TRUE(Blocked(1)) << key;
    EXPECT_EQ(client_.Command({"LPUSH", key, "for " + key}), "(integer) 1");
    EXPECT_EQ(waiter_.Read(), "[\"" + key + "\", \"for " + key + "\"]");
    EXPECT_EQ(client_.Command({"EXISTS", key}), "(integer) 0");
  }
  EXPECT_TRUE(Blocked(0));
}

TEST_P(BlockingTest, TimeoutIsANil) {
  EXPECT_EQ(waiter_.Command({"BLPOP", "k1", "k2", "k3", "0.05"}), "(nil array)");
  EXPECT_EQ(waiter_.Command({"BLMOVE", "{t}1", "{t}2", "LEFT", "LEFT", "0.05"}), "(nil array)");
  EXPECT_EQ(waiter_.Command({"XREAD", "BLOCK", "50", "STREAMS", "s1", "s2", "$", "$"}),
            "(nil array)");
}

TEST_P(BlockingTest, NonsenseIsRefusedInRedissWords) {
  EXPECT_EQ(waiter_.Command({"BLPOP", "k1", "k2", "soon"}),
            "(error) ERR timeout is not a float or out of range");
  EXPECT_EQ(waiter_.Command({"BLPOP", "k1", "k2", "-1"}), "(error) ERR timeout is negative");
  EXPECT_EQ(waiter_.Command({"BLMPOP", "0", "5", "k1", "LEFT"}), "(error) ERR syntax error");
}

TEST_P(BlockingTest, EntriesOfStreamsOnAnyShardAreReadOnceTheyCome) {
  waiter_.Send(
      Encode({"XREAD", "BLOCK", "0", "STREAMS", "s1", "s2", "s3", "s4", "$", "$", "$", "$"}));
  ASSERT_TRUE(Blocked(1));
  client_.Command({"XADD", "s3", "7-7", "field", "value"});
  EXPECT_EQ(waiter_.Read(), "[[\"s3\", [[\"7-7\", [\"field\", \"value\"]]]]]");
}

// It said nil of a stream that a COPY over shards, just answered, still had locked for writes.
TEST_P(BlockingTest, WhatDoesNotWaitReadsStreamsThatAreLocked) {
  for (const char* stream : {"s1", "s2", "s3", "s4"}) {
    client_.Command({"XADD", stream, "1-1", "field", "value"});
  }
  const std::vector<std::string> read = {"XREAD", "STREAMS", "s1", "s2", "s3",
                                         "s4",    "0",       "0",  "0",  "0"};
  const std::string expected = client_.Command(read);
  ASSERT_NE(expected.find("s4"), std::string::npos) << expected;
  std::string copies_and_read;
  for (const char* n : {"1", "2", "3", "4"}) {
    copies_and_read += Encode({"COPY", "s" + std::string(n), "c" + std::string(n), "REPLACE"});
  }
  copies_and_read += Encode(read);
  std::vector<Client> clients;  // on every worker
  for (int i = 0; i < 4; ++i) clients.push_back(cluster_.Connect());
  for (int round = 0; round < 100; ++round) {
    for (Client& client : clients) client.Send(copies_and_read);
    for (Client& client : clients) {
      for (int i = 0; i < 4; ++i) ASSERT_EQ(client.Read(), "(integer) 1");
      ASSERT_EQ(client.Read(), expected) << "round " << round;
    }
  }
}

TEST_P(BlockingTest, OthersOfTheSameWorkerAreServedMeanwhile) {
  std::vector<Client> waiters;
  for (int i = 0; i < 50; ++i) {
    waiters.push_back(cluster_.Connect());
    waiters.back().Send(Encode({"BLPOP", "list", "0"}));
  }
  ASSERT_TRUE(Blocked(50));
  EXPECT_EQ(client_.Command({"SET", "key", "value"}), "OK");
  for (int i = 0; i < 50; ++i) client_.Command({"RPUSH", "list", std::to_string(i)});
  for (Client& waiter : waiters) EXPECT_EQ(waiter.Read().substr(0, 8), "[\"list\",");
  EXPECT_TRUE(Blocked(0));
}

TEST_P(BlockingTest, ClientUnblockEndsTheWaitByTimeoutOrError) {
  for (const bool several_shards : {false, true}) {
    const std::vector<std::string> pop =
        several_shards ? std::vector<std::string>{"BLPOP", "k1", "k2", "k3", "k4", "0"}
                       : std::vector<std::string>{"BLPOP", "k1", "0"};
    const std::string id = waiter_.Command({"CLIENT", "ID"}).substr(10);
    waiter_.Send(Encode(pop));
    ASSERT_TRUE(Blocked(1));
    EXPECT_EQ(client_.Command({"CLIENT", "UNBLOCK", id}), "(integer) 1");
    EXPECT_EQ(waiter_.Read(), "(nil array)");
    waiter_.Send(Encode(pop));
    ASSERT_TRUE(Blocked(1));
    EXPECT_EQ(client_.Command({"CLIENT", "UNBLOCK", id, "ERROR"}), "(integer) 1");
    EXPECT_EQ(waiter_.Read(), "(error) UNBLOCKED client unblocked via CLIENT UNBLOCK");
    EXPECT_EQ(client_.Command({"CLIENT", "UNBLOCK", id}), "(integer) 0");
  }
}

TEST_P(BlockingTest, ClientThatLeavesTakesNothingAndGivesItsConnectionBack) {
  {
    Client leaving = cluster_.Connect();
    leaving.Send(Encode({"BLPOP", "list", "0"}));
    Client waiting = cluster_.Connect();
    waiting.Send(Encode({"WAIT", "5", "0"}));
    ASSERT_TRUE(Blocked(1));
  }
  EXPECT_TRUE(Blocked(0));
  const auto clients = [&] {
    const std::string info = client_.Command({"INFO", "clients"});
    return info.substr(info.find("connected_clients:") + 18, 1);
  };
  EXPECT_TRUE(Eventually([&] { return clients() == "2"; }));
  client_.Command({"RPUSH", "list", "stays"});
  EXPECT_EQ(client_.Command({"LRANGE", "list", "0", "-1"}), "[\"stays\"]");
}

TEST(ManyBlockedClientsTest, AThousandThatBeginToWaitAtOnceDoNotMakeTheirShardLookDead) {
  constexpr int kClients = 1000;
  ClusterOptions options;
  options.shards = 1;
  options.server.config = {"tcp-backlog 100"};
  Cluster cluster(options);
  Client client = cluster.Connect();
  std::vector<Client> waiters;
  for (int i = 0; i < kClients; ++i) waiters.push_back(cluster.Connect());
  for (Client& waiter : waiters) waiter.Send(Encode({"BLPOP", "list", "0"}));
  const std::string all = "blocked_clients:" + std::to_string(kClients);
  ASSERT_TRUE(Eventually([&] {
    return client.Command({"INFO", "clients"}).find(all) != std::string::npos;
  }));
  std::vector<std::vector<std::string>> pushes(kClients, {"RPUSH", "list", "x"});
  client.Pipeline(pushes);
  for (Client& waiter : waiters) ASSERT_EQ(waiter.Read(), "[\"list\", \"x\"]");
}

// On one worker: the first of its kind, when no connection is kept ready, and the next ones. Not
// always: a server that finds both connections ready at once, as on a busy machine, may look at
// either first, be it Redis itself.
TEST(BlockedInTurnTest, WhatAnotherClientSendsNextComesBehindIt) {
  constexpr int kDatabases = 12;
  Cluster cluster(ClusterOptions{.shards = 1, .workers = 1});
  Client client = cluster.Connect();
  int in_turn = 0;
  for (int database = 0; database < kDatabases; ++database) {
    std::vector<Client> waiters;
    client.Command({"SELECT", std::to_string(database)});
    client.Command({"XADD", "stream", "1-1", "field", "value"});
    for (int i = 0; i < 2; ++i) {
      waiters.push_back(cluster.Connect());
      waiters.back().Command({"SELECT", std::to_string(database)});
    }
    waiters[0].Send(Encode({"BLPOP", "list", "0"}));
    ASSERT_EQ(client.Command({"SET", "list", "not one"}), "OK");
    client.Command({"DEL", "list"});
    waiters[1].Send(Encode({"XREAD", "BLOCK", "500", "STREAMS", "stream", "$"}));
    client.Command({"XADD", "stream", "2-2", "field", "value"});
    in_turn += waiters[1].Read() == "[[\"stream\", [[\"2-2\", [\"field\", \"value\"]]]]]" ? 1 : 0;
    client.Command({"RPUSH", "list", "element"});
    in_turn += waiters[0].Read() == "[\"list\", \"element\"]" ? 1 : 0;
  }
  EXPECT_GE(in_turn, 2 * kDatabases * 3 / 4);
}

// It got the connection that others use, with what they asked before.
TEST(BlockedInTurnTest, ClientThatLeavesTakesNothingOfOthersAlong) {
  Cluster cluster(ClusterOptions{.shards = 1, .workers = 1});
  Client client = cluster.Connect();
  EXPECT_EQ(client.Command({"INCR", "counter"}), "(integer) 1");
  Client shard = cluster.server(0).Connect();
  ASSERT_EQ(shard.Command({"CLIENT", "PAUSE", "300"}), "OK");
  client.Send(Encode({"INCR", "counter"}));
  {
    Client leaving = cluster.Connect();
    leaving.Send(Encode({"BLPOP", "list", "0"}));
    Client other = cluster.Connect();
    ASSERT_TRUE(Eventually([&] {
      return other.Command({"CLIENT", "LIST"}).find("flags=b ") != std::string::npos;
    }));
  }
  EXPECT_EQ(client.Read(), "(integer) 2");
  EXPECT_EQ(client.Command({"RPUSH", "list", "stays"}), "(integer) 1");
  EXPECT_EQ(client.Command({"LRANGE", "list", "0", "-1"}), "[\"stays\"]");
}

INSTANTIATE_TEST_SUITE_P(Shards, BlockingTest, testing::Values(1, 4),
                         [](const auto& info) { return std::to_string(info.param) + "Shards"; });

}  // namespace
}  // namespace ringmaster::integration
