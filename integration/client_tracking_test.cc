// The promise: a client with a cache of its own is told of every change of what it read, by
// whichever shard and whoever made it, and in order with its replies.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

std::string Invalidated(const std::string& key) { return ">[\"invalidate\", [\"" + key + "\"]]"; }

class ClientTrackingTest : public testing::Test {
 protected:
  ClientTrackingTest() {
    client_.Command({"HELLO", "3"});
    for (size_t i = 0; i < cluster_.size(); ++i) keys_.push_back(cluster_.KeyOn(i));
    for (const std::string& key : keys_) writer_.Command({"SET", key, "1"});
  }
  static std::string IdOf(Client& client) {
    return client.Command({"CLIENT", "ID"}).substr(std::string("(integer) ").size());
  }

  Cluster cluster_{ClusterOptions{.shards = 3, .workers = 2, .faults = true}};
  Client client_ = cluster_.Connect();
  Client writer_ = cluster_.Connect();
  std::vector<std::string> keys_;  // one on each shard
};

TEST_F(ClientTrackingTest, ChangesOfKeysThatWereReadAreToldOnce) {
  EXPECT_EQ(client_.Command({"CLIENT", "TRACKING", "ON"}), "OK");
  for (const std::string& key : keys_) EXPECT_EQ(client_.Command({"GET", key}), "\"1\"");
  for (const std::string& key : keys_) {
    writer_.Command({"SET", key, "2"});
    EXPECT_EQ(client_.Read(), Invalidated(key));
    writer_.Command({"SET", key, "3"});
  }
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(30)));
  EXPECT_EQ(client_.Command({"CLIENT", "TRACKING", "OFF"}), "OK");
  EXPECT_EQ(client_.Command({"GET", keys_[0]}), "\"3\"");
  writer_.Command({"SET", keys_[0], "4"});
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(30)));
}

TEST_F(ClientTrackingTest, KeysReadTogetherFromSeveralShardsAreTracked) {
  client_.Command({"CLIENT", "TRACKING", "ON"});
  client_.Command({"MGET", keys_[0], keys_[1], keys_[2]});
  for (const std::string& key : keys_) {
    writer_.Command({"DEL", key});
    EXPECT_EQ(client_.Read(), Invalidated(key));
  }
}

TEST_F(ClientTrackingTest, BroadcastTellsOfAllKeysWithThePrefixes) {
  EXPECT_EQ(
      client_.Command({"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "placed:", "PREFIX", "x"}),
      "OK");
  for (const std::string& key : keys_) {
    writer_.Command({"SET", key, "2"});
    EXPECT_EQ(client_.Read(), Invalidated(key));
  }
  writer_.Command({"SET", "other", "2"});
  EXPECT_EQ(client_.Command({"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "oth"}), "OK");
  writer_.Command({"SET", "other", "3"});
  EXPECT_EQ(client_.Read(), Invalidated("other"));
  EXPECT_EQ(client_.Command({"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "othe"}),
            "(error) ERR Prefix 'othe' overlaps with an existing prefix 'oth'. Prefixes for a "
            "single client must not overlap.");
}

TEST_F(ClientTrackingTest, BroadcastSaysNothingOfTheProxysOwnKeys) {
  EXPECT_EQ(client_.Command({"CLIENT", "TRACKING", "ON", "BCAST"}), "OK");
  for (size_t i = 0; i < cluster_.size(); ++i) {
    cluster_.server(i).Command({"SET", "__rm:x", "1"});
    // One message with both.
    cluster_.server(i).Command({"MSET", "__rm:y", "1", keys_[i], "2"});
    EXPECT_EQ(client_.Read(), Invalidated(keys_[i]));
    cluster_.server(i).Command({"DEL", "__rm:x", "__rm:y"});
    writer_.Command({"SET", keys_[i], "3"});
    EXPECT_EQ(client_.Read(), Invalidated(keys_[i]));
  }
}

TEST_F(ClientTrackingTest, NoLoopSparesOnesOwnChanges) {
  client_.Command({"CLIENT", "TRACKING", "ON", "NOLOOP"});
  client_.Command({"MGET", keys_[0], keys_[1]});
  client_.Command({"SET", keys_[0], "mine"});
  client_.Command({"SET", keys_[1], "mine"});
  client_.Command({"GET", keys_[2]});
  writer_.Command({"SET", keys_[2], "yours"});
  EXPECT_EQ(client_.Read(), Invalidated(keys_[2]));
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(30)));
}

TEST_F(ClientTrackingTest, CachingChoosesSingleCommands) {
  client_.Command({"CLIENT", "TRACKING", "ON", "OPTIN"});
  client_.Command({"GET", keys_[0]});
  EXPECT_EQ(client_.Command({"CLIENT", "CACHING", "YES"}), "OK");
  client_.Command({"MGET", keys_[1], keys_[2]});
  client_.Command({"GET", keys_[0]});
  for (const std::string& key : keys_) writer_.Command({"SET", key, "2"});
  const std::vector<std::string> told = client_.Read(2);
  EXPECT_TRUE((told == std::vector{Invalidated(keys_[1]), Invalidated(keys_[2])}) ||
              (told == std::vector{Invalidated(keys_[2]), Invalidated(keys_[1])}))
      << told[0] << told[1];
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(30)));
}

TEST_F(ClientTrackingTest, CachingBeforeATransactionHoldsForAllOfIt) {
  EXPECT_EQ(client_.Command({"CLIENT", "TRACKING", "ON", "OPTIN"}), "OK");
  EXPECT_EQ(client_.Command({"CLIENT", "CACHING", "YES"}), "OK");
  EXPECT_EQ(client_.Command({"MULTI"}), "OK");
  EXPECT_EQ(client_.Command({"GET", keys_[0]}), "QUEUED");
  EXPECT_EQ(client_.Command({"EXEC"}), "[\"1\"]");
  EXPECT_EQ(client_.Command({"GET", keys_[1]}), "\"1\"");
  writer_.Command({"SET", keys_[0], "2"});
  EXPECT_EQ(client_.Read(), Invalidated(keys_[0]));
  writer_.Command({"SET", keys_[1], "2"});
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(30)));
}

TEST_F(ClientTrackingTest, BroadcastTellsOfAFlushHoweverOftenItComes) {
  EXPECT_EQ(client_.Command({"CLIENT", "TRACKING", "ON", "BCAST"}), "OK");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(writer_.Command({"FLUSHALL"}), "OK");
    EXPECT_EQ(client_.Read(), ">[\"invalidate\", (null)]");
  }
}

TEST_F(ClientTrackingTest, RedirectionReachesAClientOfAnotherWorkerInItsProtocol) {
  // Neighbours are on different workers.
  Client targets[] = {cluster_.Connect(), cluster_.Connect()};
  for (Client& target : targets) {
    const std::string id = IdOf(target);
    target.Command({"SUBSCRIBE", "__redis__:invalidate"});
    Client tracker = cluster_.Connect();
    EXPECT_EQ(tracker.Command({"CLIENT", "TRACKING", "ON", "REDIRECT", id}), "OK");
    EXPECT_EQ(tracker.Command({"CLIENT", "GETREDIR"}), "(integer) " + id);
    for (const std::string& key : keys_) {
      tracker.Command({"GET", key});
      writer_.Command({"INCR", key});
      EXPECT_EQ(target.Read(), "[\"message\", \"__redis__:invalidate\", [\"" + key + "\"]]");
    }
  }
  EXPECT_EQ(client_.Command({"CLIENT", "TRACKING", "ON", "REDIRECT", "999999"}),
            "(error) ERR The client ID you want redirect to does not exist");
}

TEST_F(ClientTrackingTest, RedirectionToAClientThatLeftIsTold) {
  Client target = cluster_.Connect();
  const std::string id = IdOf(target);
  client_.Command({"CLIENT", "TRACKING", "ON", "REDIRECT", id});
  client_.Command({"GET", keys_[0]});
  target.Close();
  EXPECT_TRUE(Eventually([&] {
    return writer_.Command({"CLIENT", "LIST", "ID", id}).find("id=") == std::string::npos;
  }));
  writer_.Command({"SET", keys_[0], "2"});
  EXPECT_EQ(client_.Read(), ">[\"tracking-redir-broken\", (integer) " + id + "]");
}

TEST_F(ClientTrackingTest, FlushingAllShardsIsToldOnce) {
  client_.Command({"CLIENT", "TRACKING", "ON"});
  for (const std::string& key : keys_) client_.Command({"GET", key});
  writer_.Command({"FLUSHALL"});
  EXPECT_EQ(client_.Read(), ">[\"invalidate\", (null)]");
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(30)));
  // Its own flush is told behind the reply.
  client_.Command({"GET", keys_[0]});
  EXPECT_EQ(client_.Command({"FLUSHALL"}), "OK");
  EXPECT_EQ(client_.Read(), ">[\"invalidate\", (null)]");
}

TEST_F(ClientTrackingTest, ALostConnectionInvalidatesEverythingAndTrackingGoesOn) {
  client_.Command({"CLIENT", "TRACKING", "ON"});
  for (const std::string& key : keys_) client_.Command({"GET", key});
  cluster_.fault(0).Cut();
  EXPECT_EQ(client_.Read(), ">[\"invalidate\", (null)]");
  client_.Command({"GET", keys_[0]});
  writer_.Command({"GET", keys_[0]});
  writer_.Command({"SET", keys_[0], "2"});
  EXPECT_EQ(client_.Read(), Invalidated(keys_[0]));
}

// A client that reads and writes in long pipelines: an invalidation that belongs to an earlier
// value never comes behind a later one's reply without another behind it.
TEST_F(ClientTrackingTest, TheLastValueReadIsNeverStaleWithoutAnInvalidation) {
  client_.Command({"CLIENT", "TRACKING", "ON"});
  std::vector<std::vector<std::string>> reads, writes;
  for (int i = 0; i < 100; ++i) {
    for (const std::string& key : keys_) {
      reads.push_back({"GET", key});
      writes.push_back({"INCR", key});
    }
  }
  std::string requests;
  for (int round = 0; round < 10; ++round) {
    for (const auto& read : reads)
      client_.Send("*2\r\n$3\r\nGET\r\n$" + std::to_string(read[1].size()) + "\r\n" + read[1] +
                   "\r\n");
    writer_.Pipeline(writes);
  }
  client_.Send("*1\r\n$4\r\nPING\r\n");
  std::vector<std::string> cached(keys_.size());
  size_t replies = 0;
  for (std::string reply = client_.Read(); reply != "PONG"; reply = client_.Read()) {
    ASSERT_NE(reply[0], '<') << reply;
    if (reply[0] == '>') {
      for (size_t i = 0; i < keys_.size(); ++i) {
        if (reply == Invalidated(keys_[i])) cached[i].clear();
      }
      continue;
    }
    cached[replies % keys_.size()] = reply;
    ++replies;
  }
  EXPECT_EQ(replies, 10 * reads.size());
  // What is told late is told soon.
  for (size_t i = 0; i < keys_.size(); ++i) {
    const std::string now = writer_.Command({"GET", keys_[i]});
    while (!cached[i].empty() && cached[i] != now) {
      const std::string told = client_.Read();
      ASSERT_NE(told[0], '<') << "a stale value stays cached: " << cached[i] << ", now " << now;
      for (size_t k = 0; k < keys_.size(); ++k) {
        if (told == Invalidated(keys_[k])) cached[k].clear();
      }
    }
  }
}

}  // namespace
}  // namespace ringmaster::integration
