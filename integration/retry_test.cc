// The promise: a command that may have run is never sent a second time unless it only reads, and
// every error says truly whether the command was surely not applied (FIELD.md B14).
#include <gtest/gtest.h>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

using Words = std::vector<std::string>;

class RetryTest : public testing::Test {
 protected:
  // Sends `words`, lets them reach the shard, and cuts the connection before the reply gets back.
  std::string CutBeforeReply(const Words& words) {
    FaultProxy& link = cluster_.fault(0);
    // Up and idle: what is held from here on is the reply to `words`.
    EXPECT_TRUE(Eventually([&] { return client_.Command({"EXISTS", "warm"}) == "(integer) 0"; }));
    const int64_t before = link.reply_bytes_read();
    link.HoldReplies(true);
    client_.Send(Encode(words));
    EXPECT_TRUE(Eventually([&] { return link.reply_bytes_read() > before; }));
    link.Cut();
    link.HoldReplies(false);
    return client_.Read();
  }
  int64_t Calls(const std::string& command) {
    const std::string stats = cluster_.server(0).Command({"INFO", "commandstats"});
    const size_t at = stats.find("cmdstat_" + command + ":calls=");
    return at == std::string::npos ? 0 : std::stoll(stats.substr(at + command.size() + 15));
  }

  Cluster cluster_{ClusterOptions{.shards = 1, .workers = 1, .faults = true}};
  Client client_ = cluster_.Connect();
};

TEST_F(RetryTest, WritesAreNeverSentTwice) {
  for (const Words& words :
       std::vector<Words>{{"set", "k", "v"},
                          {"incr", "n"},
                          {"incrby", "n", "5"},
                          {"append", "s", "x"},
                          {"lpush", "l", "x"},
                          {"rpush", "l", "x"},
                          {"lpop", "l"},
                          {"hset", "h", "f", "v"},
                          {"hincrby", "h", "n", "1"},
                          {"sadd", "set", "x"},
                          {"spop", "set"},
                          {"zadd", "z", "1", "x"},
                          {"zincrby", "z", "1", "x"},
                          {"zpopmin", "z"},
                          {"xadd", "x", "*", "f", "v"},
                          {"setnx", "nx", "v"},
                          {"getset", "k", "v"},
                          {"getdel", "k"},
                          {"expire", "k", "100"},
                          {"del", "k"},
                          {"mset", "a", "1", "b", "2"},
                          {"setrange", "s", "1", "x"},
                          {"pfadd", "p", "x"},
                          {"setbit", "b", "1", "1"},
                          {"eval", "return redis.call('INCR', KEYS[1])", "1", "n"},
                          {"flushall"}}) {
    const int64_t before = Calls(words[0]);
    const std::string reply = CutBeforeReply(words);
    EXPECT_TRUE(reply.starts_with("(error) UNCERTAIN shard s0: ")) << words[0] << ": " << reply;
    ASSERT_TRUE(Eventually([&] { return client_.Command({"EXISTS", "warm"}) == "(integer) 0"; }));
    EXPECT_EQ(Calls(words[0]), before + 1) << words[0];
  }
}

TEST_F(RetryTest, ReadsAreSentOnceMore) {
  ASSERT_EQ(client_.Command({"SET", "k", "value"}), "OK");
  ASSERT_EQ(client_.Command({"RPUSH", "l", "a", "b"}), "(integer) 2");
  EXPECT_EQ(CutBeforeReply({"GET", "k"}), "\"value\"");
  EXPECT_EQ(CutBeforeReply({"MGET", "k", "no"}), "[\"value\", (nil)]");
  EXPECT_EQ(CutBeforeReply({"LRANGE", "l", "0", "-1"}), "[\"a\", \"b\"]");
  EXPECT_EQ(CutBeforeReply({"STRLEN", "k"}), "(integer) 5");
}

// Counted as a user counts: acknowledged <= counter <= acknowledged + unknown.
TEST_F(RetryTest, CounterLiesBetweenAcknowledgedAndAcknowledgedPlusUnknown) {
  FaultProxy& link = cluster_.fault(0);
  int64_t acknowledged = 0, uncertain = 0, not_applied = 0;
  for (int round = 0; round < 60; ++round) {
    constexpr int kDepth = 20;
    // Cuts somewhere in the requests or in the replies of the pipeline.
    if (round % 2 == 0) {
      link.CutReplyAfter(1 + round * 2);
    } else {
      link.CutRequestAfter(1 + round * 9);
    }
    std::string bytes;
    for (int i = 0; i < kDepth; ++i) bytes += Encode({"INCR", "counter"});
    client_.Send(bytes);
    for (int i = 0; i < kDepth; ++i) {
      const std::string reply = client_.Read();
      if (reply ==
          "<closed>") {  // in the middle of a reply that had begun: all the rest is unknown
        uncertain += kDepth - i;
        client_ = cluster_.Connect();
        break;
      }
      if (reply.starts_with("(integer) ")) {
        ++acknowledged;
      } else if (reply.starts_with("(error) UNCERTAIN")) {
        ++uncertain;
      } else {
        ASSERT_TRUE(reply.starts_with("(error) NOTAPPLIED")) << reply;
        ++not_applied;
      }
    }
    link.Heal();
    ASSERT_TRUE(Eventually([&] { return client_.Command({"EXISTS", "warm"}) == "(integer) 0"; }));
  }
  const std::string text = cluster_.server(0).Command({"GET", "counter"});
  const int64_t counter = std::stoll(text.substr(1));
  EXPECT_GE(counter, acknowledged);
  EXPECT_LE(counter, acknowledged + uncertain);
  EXPECT_GT(uncertain, 0);
  EXPECT_GT(acknowledged, 0);
}

// What the socket never took cannot have run: it waits for the next connection, or is surely not
// applied.
TEST_F(RetryTest, UnsentCommandsAreNotUncertain) {
  FaultProxy& link = cluster_.fault(0);
  link.Refuse(true);
  link.Cut();
  const int64_t before = Calls("incr");
  int64_t acknowledged = 0;
  // The first may be written into the dying connection; all later ones find none.
  std::string first = client_.Command({"INCR", "n"});
  acknowledged += first.starts_with("(integer)") ? 1 : 0;
  EXPECT_TRUE(first.starts_with("(error) ")) << first;
  for (int i = 0; i < 5; ++i) {
    const std::string reply = client_.Command({"INCR", "n"});
    EXPECT_TRUE(reply.starts_with("(error) NOTAPPLIED shard s0: ")) << reply;
  }
  link.Heal();
  ASSERT_TRUE(Eventually([&] { return client_.Command({"EXISTS", "warm"}) == "(integer) 0"; }));
  EXPECT_EQ(Calls("incr"), before + acknowledged);
}

}  // namespace
}  // namespace ringmaster::integration
