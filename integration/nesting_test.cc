// The promise: a shard's reply may nest as deep as limits.nesting and no deeper, in RESP2 and
// RESP3; whoever asks for a deeper one is told so, and nobody else notices.
#include <gtest/gtest.h>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

// A script whose reply is nested like those of some modules.
std::vector<std::string> Nested(int levels, const std::string& key) {
  return {"EVAL",
          "local reply = 1 for i = 1, tonumber(ARGV[1]) do reply = {reply} end return reply", "1",
          key, std::to_string(levels)};
}

std::string NestedReply(int levels) {
  std::string reply;
  for (int i = 0; i < levels; ++i) reply += "*1\r\n";
  return reply + ":1\r\n";
}

TEST(NestingTest, RepliesNestAsDeepAsTheLimitAndNoDeeper) {
  Cluster cluster({.shards = 2, .workers = 1, .limits = "nesting: 12"});
  for (const char* protocol : {"2", "3"}) {
    Client client = cluster.Connect();
    Client other = cluster.Connect();
    ASSERT_NE(client.Command({"HELLO", protocol}).find("redis"), std::string::npos);
    EXPECT_EQ(client.CommandRaw(Nested(12, "k")), NestedReply(12));
    for (int i = 0; i < 20; ++i) {
      client.Send(Encode(Nested(13, "k")) + Encode({"SET", "k", "v"}));
      other.Send(Encode({"GET", "k"}) + Encode({"INCR", "{k}n"}));
      const std::string said = client.Read();
      EXPECT_NE(said.find("nests deeper than limits.nesting (12)"), std::string::npos) << said;
      EXPECT_EQ(client.Read(), "OK");
      EXPECT_NE(other.Read().find(i == 0 ? "" : "v"), std::string::npos);
      EXPECT_TRUE(other.Read().starts_with("(integer)"));
    }
    // EXEC's array is one level.
    EXPECT_EQ(client.Command({"MULTI"}), "OK");
    EXPECT_EQ(client.Command(Nested(11, "k")), "QUEUED");
    EXPECT_EQ(client.CommandRaw({"EXEC"}), NestedReply(12));
  }
  ConfigText more = cluster.proxy().config();
  more.limits = "nesting: 40";
  ASSERT_NE(cluster.proxy().Reload(more).find("read again"), std::string::npos);
  Client client = cluster.Connect();
  EXPECT_EQ(client.CommandRaw(Nested(40, "k")), NestedReply(40));
  EXPECT_NE(client.Command(Nested(41, "k")).find("nests deeper"), std::string::npos);
}

// Depth costs no stack, also in what merges replies and queues them.
TEST(NestingTest, ByDefaultTheyNestAsDeepAsAScriptCanMakeThem) {
  constexpr int kDeepest = 7'900;  // a few less than Redis's Lua has room for
  Cluster cluster({.shards = 2, .workers = 1});
  for (const char* protocol : {"2", "3"}) {
    Client client = cluster.Connect();
    ASSERT_NE(client.Command({"HELLO", protocol}).find("redis"), std::string::npos);
    EXPECT_EQ(client.CommandRaw(Nested(kDeepest, "k")), NestedReply(kDeepest));
    EXPECT_EQ(client.Command({"MULTI"}), "OK");
    EXPECT_EQ(client.Command({"GET", cluster.KeyOn(0)}), "QUEUED");
    EXPECT_EQ(client.Command(Nested(kDeepest, cluster.KeyOn(1))), "QUEUED");
    const std::string reply = client.CommandRaw({"EXEC"});
    EXPECT_TRUE(reply.ends_with(NestedReply(kDeepest))) << reply.substr(0, 100);
    EXPECT_EQ(client.Command({"PING"}), "PONG");
  }
}

}  // namespace
}  // namespace ringmaster::integration
