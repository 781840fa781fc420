// The promise: channels, patterns and keyspace notifications as from one Redis, whichever shard
// they live on and whichever worker a client is on.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

std::string Number(int n) { return "(integer) " + std::to_string(n); }

class PublishSubscribeTest : public testing::Test {
 protected:
  // One on each worker at least.
  std::vector<Client> Subscribers(int count, const std::vector<std::string>& words) {
    std::vector<Client> subscribers;
    for (int i = 0; i < count; ++i) {
      subscribers.push_back(cluster_.Connect());
      subscribers.back().Command(words);
    }
    return subscribers;
  }

  Cluster cluster_{ClusterOptions{.shards = 3, .workers = 2}};
  Client client_ = cluster_.Connect();
  Client publisher_ = cluster_.Connect();
};

// The same conversation with one Redis: every byte is the same, in RESP2 and in RESP3.
TEST_F(PublishSubscribeTest, ConversationIsThatOfOneRedis) {
  const RedisServer redis;
  for (const char* protocol : {"2", "3"}) {
    std::vector<std::string> transcripts;
    for (const bool proxied : {false, true}) {
      Client subscriber = proxied ? cluster_.Connect() : redis.Connect();
      Client publisher = proxied ? cluster_.Connect() : redis.Connect();
      std::string transcript;
      const auto say = [&](const std::vector<std::string>& words, size_t replies) {
        EXPECT_TRUE(subscriber.Send(Encode(words)));
        transcript += subscriber.ReadRaw(replies);
      };
      subscriber.Command({"HELLO", protocol});
      say({"UNSUBSCRIBE"}, 1);
      say({"SUBSCRIBE", "a", "b", "a"}, 3);
      say({"PSUBSCRIBE", "[ab]", "x*"}, 2);
      say({"SSUBSCRIBE", "s"}, 1);
      // One after the other: messages of unlike channels come over connections of their own.
      const std::vector<std::pair<std::string, size_t>> channels = {
          {"a", 2}, {"b", 2}, {"x1", 1}, {"nobody", 0}};
      for (const auto& [channel, messages] : channels) {
        transcript += publisher.CommandRaw({"PUBLISH", channel, std::string(3000, 'm')});
        transcript += subscriber.ReadRaw(messages);
      }
      transcript += publisher.CommandRaw({"SPUBLISH", "s", "hello"});
      transcript += subscriber.ReadRaw(1);
      say({"PING"}, 1);
      say({"PING", "word"}, 1);
      say({"GET", "a"}, 1);
      say({"PUNSUBSCRIBE", "x*", "unknown"}, 2);
      say({"UNSUBSCRIBE", "b"}, 1);
      say({"UNSUBSCRIBE"}, 1);
      say({"PUNSUBSCRIBE"}, 1);
      say({"SUNSUBSCRIBE"}, 1);
      say({"GET", "a"}, 1);
      transcripts.push_back(transcript);
    }
    EXPECT_EQ(transcripts[1], transcripts[0]) << "RESP" << protocol;
  }
}

TEST_F(PublishSubscribeTest, EachMessageReachesEverySubscriberOnceInItsPublishersOrder) {
  constexpr int kMessages = 500;
  std::vector<Client> subscribers = Subscribers(6, {"SUBSCRIBE", "news"});
  std::vector<Client> patterns = Subscribers(4, {"PSUBSCRIBE", "n?ws"});
  std::vector<std::vector<std::string>> publishes;
  for (int i = 0; i < kMessages; ++i) publishes.push_back({"PUBLISH", "news", std::to_string(i)});
  const std::vector<std::string> counts = publisher_.Pipeline(publishes);
  for (const std::string& count : counts) EXPECT_EQ(count, Number(10));
  for (Client& subscriber : subscribers) {
    for (int i = 0; i < kMessages; ++i) {
      const std::string message = subscriber.Read();
      ASSERT_NE(message.find("\"" + std::to_string(i) + "\""), std::string::npos) << message;
    }
    EXPECT_TRUE(subscriber.Silent(std::chrono::milliseconds(20)));
  }
  for (Client& subscriber : patterns) {
    for (int i = 0; i < kMessages; ++i) {
      const std::string message = subscriber.Read();
      ASSERT_NE(message.find("\"" + std::to_string(i) + "\""), std::string::npos) << message;
    }
  }
}

TEST_F(PublishSubscribeTest, WhatIsPublishedAfterTheConfirmationArrives) {
  for (int i = 0; i < 200; ++i) {
    const std::string channel = "channel:" + std::to_string(i);
    client_.Command({"SUBSCRIBE", channel});
    ASSERT_EQ(publisher_.Command({"PUBLISH", channel, "m"}), Number(1));
    ASSERT_NE(client_.Read().find(channel), std::string::npos);
  }
}

TEST_F(PublishSubscribeTest, ShardsServeAThousandSubscribersOverOneConnectionOfEachWorker) {
  std::vector<Client> subscribers = Subscribers(300, {"SUBSCRIBE", "many"});
  EXPECT_EQ(publisher_.Command({"PUBLISH", "many", "m"}), Number(300));
  int64_t connections = 0;
  for (size_t i = 0; i < cluster_.size(); ++i) {
    Client shard = cluster_.server(i).Connect();
    const std::string numsub = shard.Command({"PUBSUB", "NUMSUB", "many"});
    connections += numsub.find("(integer) 2") != std::string::npos ? 2 : 0;
  }
  EXPECT_EQ(connections, 2);
  for (Client& subscriber : subscribers)
    EXPECT_NE(subscriber.Read().find("many"), std::string::npos);
}

TEST_F(PublishSubscribeTest, FiguresCountClientsHereAndAtTheShards) {
  std::vector<Client> subscribers = Subscribers(5, {"SUBSCRIBE", "a", "b", "__keyevent@0__:del"});
  std::vector<Client> patterns = Subscribers(3, {"PSUBSCRIBE", "p*"});
  std::vector<Client> sharded = Subscribers(2, {"SSUBSCRIBE", "s"});
  EXPECT_EQ(client_.CommandRaw({"PUBSUB", "NUMSUB", "a", "nobody", "__keyevent@0__:del"}),
            "*6\r\n$1\r\na\r\n:5\r\n$6\r\nnobody\r\n:0\r\n$18\r\n__keyevent@0__:del\r\n:5\r\n");
  EXPECT_EQ(client_.Command({"PUBSUB", "NUMPAT"}), Number(1));
  EXPECT_EQ(client_.CommandRaw({"PUBSUB", "CHANNELS"}),
            "*3\r\n$18\r\n__keyevent@0__:del\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(client_.CommandRaw({"PUBSUB", "CHANNELS", "b*"}), "*1\r\n$1\r\nb\r\n");
  EXPECT_EQ(client_.CommandRaw({"PUBSUB", "SHARDCHANNELS"}), "*1\r\n$1\r\ns\r\n");
  EXPECT_EQ(client_.CommandRaw({"PUBSUB", "SHARDNUMSUB", "s"}), "*2\r\n$1\r\ns\r\n:2\r\n");
  // One that goes past the proxy counts as one more.
  for (size_t i = 0; i < cluster_.size(); ++i) {
    Client direct = cluster_.server(i).Connect();
    direct.Command({"SUBSCRIBE", "a"});
    if (client_.Command({"PUBLISH", "a", "m"}) == Number(6)) {
      EXPECT_NE(direct.Read().find("\"m\""), std::string::npos);
      return;
    }
  }
  FAIL() << "no shard counted a subscriber of its own";
}

TEST_F(PublishSubscribeTest, WhoLeavesOrResetsIsNotCounted) {
  {
    std::vector<Client> subscribers = Subscribers(4, {"SUBSCRIBE", "a"});
    EXPECT_EQ(publisher_.Command({"PUBLISH", "a", "m"}), Number(4));
    subscribers[0].Read();
    EXPECT_EQ(subscribers[0].Command({"RESET"}), "RESET");
    EXPECT_EQ(publisher_.Command({"PUBLISH", "a", "m"}), Number(3));
    EXPECT_EQ(subscribers[0].Command({"PING"}), "PONG");
  }
  EXPECT_TRUE(Eventually([&] { return publisher_.Command({"PUBLISH", "a", "m"}) == Number(0); }));
  EXPECT_TRUE(Eventually([&] {
    return publisher_.CommandRaw({"PUBSUB", "CHANNELS"}) == std::string("*0\r\n");
  }));
}

TEST_F(PublishSubscribeTest, ClientListAndKillKnowSubscribers) {
  client_.Command({"SUBSCRIBE", "a"});
  client_.Command({"SUBSCRIBE", "b"});
  client_.Command({"SSUBSCRIBE", "s"});
  const std::string listed = publisher_.Command({"CLIENT", "LIST", "TYPE", "pubsub"});
  EXPECT_NE(listed.find("flags=P "), std::string::npos) << listed;
  EXPECT_NE(listed.find(" sub=2 psub=0 ssub=1 "), std::string::npos) << listed;
  EXPECT_EQ(publisher_.Command({"CLIENT", "KILL", "TYPE", "pubsub"}), Number(1));
  EXPECT_TRUE(client_.PeerCloses());
  EXPECT_EQ(publisher_.Command({"PUBLISH", "a", "m"}), Number(0));
}

TEST_F(PublishSubscribeTest, KeyspaceNotificationsComeFromEveryShard) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < cluster_.size(); ++i) keys.push_back(cluster_.KeyOn(i));
  EXPECT_EQ(publisher_.Command({"CONFIG", "SET", "notify-keyspace-events", "KEA"}), "OK");
  client_.Command({"PSUBSCRIBE", "__keyevent@0__:*"});
  for (const std::string& key : keys) {
    Client one = cluster_.Connect();
    one.Command({"SUBSCRIBE", "__keyspace@0__:" + key});
    publisher_.Command({"SET", key, "v"});
    EXPECT_NE(one.Read().find("\"set\""), std::string::npos);
    EXPECT_NE(client_.Read().find("\"" + key + "\""), std::string::npos);
  }
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(20)));
}

TEST_F(PublishSubscribeTest, KeyspaceNotificationsSayNothingOfTheProxysOwnKeys) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < cluster_.size(); ++i) keys.push_back(cluster_.KeyOn(i));
  EXPECT_EQ(publisher_.Command({"CONFIG", "SET", "notify-keyspace-events", "KEA"}), "OK");
  client_.Command({"PSUBSCRIBE", "__key*"});
  Client one = cluster_.Connect();
  one.Command({"SUBSCRIBE", "__keyevent@0__:set"});
  for (size_t i = 0; i < cluster_.size(); ++i) {
    cluster_.server(i).Command({"SET", "__rm:x", "1"});
    cluster_.server(i).Command({"DEL", "__rm:x"});
    cluster_.server(i).Command({"SET", keys[i], "1"});
    EXPECT_NE(one.Read().find("\"" + keys[i] + "\""), std::string::npos);
    EXPECT_NE(client_.Read().find(keys[i]), std::string::npos);
    EXPECT_NE(client_.Read().find(keys[i]), std::string::npos);
  }
}

TEST_F(PublishSubscribeTest, MonitorShowsWhatClientsOfAnyWorkerSend) {
  EXPECT_EQ(client_.Command({"MONITOR"}), "OK");
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(cluster_.Connect());
    clients.back().Command({"SET", "key" + std::to_string(i), "a\r\n\"\x01"});
  }
  for (int i = 0; i < 4; ++i) {
    const std::string line = client_.ReadRaw();
    EXPECT_NE(line.find(" [0 127.0.0.1:"), std::string::npos) << line;
    EXPECT_NE(line.find(R"(] "SET" "key)"), std::string::npos) << line;
    EXPECT_NE(line.find(R"("a\r\n\"\x01")"), std::string::npos) << line;
  }
  publisher_.Command({"AUTH", "default", "secret"});
  EXPECT_NE(client_.ReadRaw().find(R"x("AUTH" "(redacted)" "(redacted)")x"), std::string::npos);
  EXPECT_EQ(client_.Command({"RESET"}), R"(RESET)");
  publisher_.Command({"GET", "key1"});
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(50)));
}

class LostShardTest : public testing::Test {
 protected:
  Cluster cluster_{ClusterOptions{.shards = 2, .workers = 2, .faults = true}};
};

TEST_F(LostShardTest, SubscriptionsComeBackWithTheirShard) {
  Client subscriber = cluster_.Connect();
  subscriber.Command({"SUBSCRIBE", "a", "b", "c", "d"});
  for (size_t i = 0; i < cluster_.size(); ++i) cluster_.fault(i).Cut();
  ASSERT_TRUE(cluster_.proxy().LogSays("subscriptions are made again"));
  Client publisher = cluster_.Connect();
  for (const char* channel : {"a", "b", "c", "d"}) {
    // Published until it arrives: what came while the connection was lost is not seen.
    EXPECT_TRUE(Eventually([&] {
      publisher.Command({"PUBLISH", channel, "m"});
      subscriber.set_patience(std::chrono::milliseconds(20));
      return subscriber.Read().find(std::string("\"") + channel + "\"") != std::string::npos;
    })) << channel;
  }
}

TEST_F(LostShardTest, SubscribingAtALostShardIsAnErrorThatNamesIt) {
  for (size_t i = 0; i < cluster_.size(); ++i) cluster_.server(i).Kill();
  Client subscriber = cluster_.Connect();
  const std::string reply = subscriber.Command({"SUBSCRIBE", "a"});
  EXPECT_NE(reply.find("NOTAPPLIED"), std::string::npos) << reply;
  EXPECT_EQ(subscriber.Command({"PING"}), "PONG");
}

TEST(SlowSubscriberTest, IsCutOffAtTheLimitAndNamedInTheLog) {
  Cluster cluster{ClusterOptions{.shards = 2, .workers = 1, .limits = "reply_buffer: 2mb"}};
  Client slow = cluster.Connect();
  slow.Command({"SUBSCRIBE", "flood"});
  Client quick = cluster.Connect();
  quick.Command({"SUBSCRIBE", "flood"});
  Client publisher = cluster.Connect();
  const std::string megabyte(256 * 1024, 'x');
  int sent = 0;
  while (publisher.Command({"PUBLISH", "flood", megabyte}) == Number(2) && sent < 400) {
    ++sent;
    quick.Read();
  }
  EXPECT_LT(sent, 400);
  EXPECT_TRUE(cluster.proxy().LogSays("does not read its "));
  EXPECT_TRUE(slow.PeerCloses());
  EXPECT_EQ(publisher.Command({"PUBLISH", "flood", "m"}), Number(1));
}

}  // namespace
}  // namespace ringmaster::integration
