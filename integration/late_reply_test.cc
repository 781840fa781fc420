// The promise: one reply that comes too late costs its own command an error, and never reaches
// anybody else (FIELD.md B4).
#include <gtest/gtest.h>

#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

std::vector<std::string> BusyScript(const std::string& key, int milliseconds) {
  return {"EVAL",
          "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end "
          "local till = now() + tonumber(ARGV[1]) while now() < till do end return 'late'",
          "1", key, std::to_string(milliseconds)};
}

class LateReplyTest : public testing::Test {
 protected:
  Cluster cluster_{ClusterOptions{.shards = 2, .workers = 1, .timeouts = "command: 300ms"}};
};

TEST_F(LateReplyTest, TheCommandIsUncertainAndTheLateReplyIsDropped) {
  const std::string key = cluster_.KeyOn(0);
  Client late = cluster_.Connect();
  const TimePoint asked = MonotonicNow();
  const std::string reply = late.Command(BusyScript(key, 900));
  EXPECT_TRUE(reply.starts_with("(error) UNCERTAIN shard s0: ")) << reply;
  EXPECT_LT(Milliseconds(MonotonicNow() - asked), 800 * Slowness());
  EXPECT_GE(Milliseconds(MonotonicNow() - asked), 290);
  // The same connection goes on, with its own replies.
  EXPECT_EQ(late.Command({"ECHO", "next"}), "\"next\"");
  ASSERT_TRUE(Eventually([&] { return late.Command({"SET", key, "new"}) == "OK"; }));
  EXPECT_EQ(late.Command({"GET", key}), "\"new\"");
}

TEST_F(LateReplyTest, OthersGetTheirOwnReplyOrAPreciseError) {
  const std::string busy = cluster_.KeyOn(0);
  std::vector<std::string> keys;
  for (size_t i = 1; i < 20; ++i) {
    keys.push_back(cluster_.KeyOn(0, i));
    keys.push_back(cluster_.KeyOn(1, i));
  }
  CheckedLoad others(cluster_.proxy().address(), {.clients = 6, .keys = keys});
  ASSERT_TRUE(Eventually([&] { return others.replies() > 500; }));
  for (int i = 0; i < 3; ++i) {
    const std::string reply = cluster_.Connect().Command(BusyScript(busy, 700));
    EXPECT_TRUE(reply.starts_with("(error) UNCERTAIN") || reply.starts_with("(error) NOTAPPLIED"))
        << reply;
    const uint64_t replies = others.replies();
    ASSERT_TRUE(Eventually([&] { return others.replies() > replies + 2000; }));
  }
  const CheckedLoad::Report report = others.Stop();
  EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
  for (const auto& [kind, count] : report.errors_by_kind) {
    EXPECT_TRUE(kind == "UNCERTAIN" || kind == "NOTAPPLIED") << Summary(report);
  }
  EXPECT_EQ(report.disconnects, 0U) << Summary(report);
}

// The held-back reply arrives after the command's error was sent and new ones are under way.
TEST_F(LateReplyTest, HeldReplyNeverAnswersALaterCommand) {
  Cluster cluster{
      ClusterOptions{.shards = 1, .workers = 1, .faults = true, .timeouts = "command: 200ms"}};
  Client client = cluster.Connect();
  ASSERT_EQ(client.Command({"SET", "a", "value of a"}), "OK");
  ASSERT_EQ(client.Command({"SET", "b", "value of b"}), "OK");
  for (int i = 0; i < 5; ++i) {
    cluster.fault(0).HoldReplies(true);
    const std::string late = client.Command({"GET", "a"});
    EXPECT_TRUE(late.starts_with("(error) ")) << late;
    cluster.fault(0).HoldReplies(false);
    std::string reply;
    ASSERT_TRUE(Eventually([&] {
      reply = client.Command({"GET", "b"});
      return !reply.starts_with("(error) ");
    }));
    ASSERT_EQ(reply, "\"value of b\"");
  }
}

}  // namespace
}  // namespace ringmaster::integration
