// The promise: a shard that is frozen, dead or unreachable hurts only its own keys, and those for a
// bounded time (FIELD.md B5, B11).
#include <gtest/gtest.h>

#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

class FrozenShardTest : public testing::Test {
 protected:
  std::vector<std::string> KeysOf(std::initializer_list<size_t> shards) {
    std::vector<std::string> keys;
    for (const size_t shard : shards) {
      for (size_t i = 0; i < 20; ++i) keys.push_back(cluster_.KeyOn(shard, i));
    }
    return keys;
  }

  Cluster cluster_{ClusterOptions{.timeouts = "command: 500ms, connect: 300ms"}};
};

TEST_F(FrozenShardTest, ClientsOfHealthyShardsDoNotNotice) {
  CheckedLoad before(cluster_.proxy().address(), {.clients = 4, .keys = KeysOf({0, 1, 2})});
  ASSERT_TRUE(Eventually([&] { return before.replies() > 20000; }));
  const CheckedLoad::Report baseline = before.Stop();
  CheckedLoad hurt(cluster_.proxy().address(), {.clients = 2, .keys = KeysOf({3})});
  cluster_.server(3).Pause();
  CheckedLoad healthy(cluster_.proxy().address(), {.clients = 4, .keys = KeysOf({0, 1, 2})});
  // As long as it takes the frozen shard's commands to time out twice.
  Eventually([] { return false; }, std::chrono::milliseconds(1300));
  EXPECT_TRUE(Eventually([&] { return healthy.replies() > 20000; }));
  const CheckedLoad::Report report = healthy.Stop();
  EXPECT_EQ(report.errors, 0U) << Summary(report);
  EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
  // Frozen for half a second, so this is far from what a client that waited for it would see.
  EXPECT_LT(Milliseconds(report.p99), Milliseconds(baseline.p99) * 2 + 20 * Slowness())
      << Summary(baseline) << "; frozen: " << Summary(report);
  EXPECT_LT(Milliseconds(report.longest), 250 * Slowness()) << Summary(report);
  const CheckedLoad::Report own = hurt.Stop();
  EXPECT_TRUE(own.mismatches.empty()) << Summary(own);
  EXPECT_GT(own.errors, 0U);
}

TEST_F(FrozenShardTest, MixedPipelineGetsBoundedErrorsAndTheRestInOrder) {
  std::vector<std::vector<std::string>> script;
  std::vector<std::string> expected;
  for (size_t i = 0; i < 20; ++i) {
    const std::string healthy = cluster_.KeyOn(i % 3, i);
    const std::string frozen = cluster_.KeyOn(3, i);
    script.push_back({"SET", healthy, healthy});
    expected.push_back("OK");
    script.push_back({"GET", frozen});
    expected.push_back("(error)");
    script.push_back({"MGET", healthy, frozen});
    expected.push_back("(error)");
    script.push_back({"GET", healthy});
    expected.push_back(Quoted(healthy));
  }
  cluster_.server(3).Pause();
  Client client = cluster_.Connect();
  const TimePoint asked = MonotonicNow();
  std::vector<std::string> replies = client.Pipeline(script);
  EXPECT_LT(Milliseconds(MonotonicNow() - asked), 2000 * Slowness());
  for (std::string& reply : replies) {
    if (reply.starts_with("(error) UNCERTAIN shard s3") ||
        reply.starts_with("(error) NOTAPPLIED shard s3")) {
      reply = "(error)";
    }
  }
  EXPECT_EQ(replies, expected);
  cluster_.server(3).Resume();
  EXPECT_TRUE(Eventually([&] { return client.Command({"GET", cluster_.KeyOn(3)}) == "(nil)"; }));
}

TEST_F(FrozenShardTest, DeadShardFailsAtOnceAndComesBackByItself) {
  const std::string key = cluster_.KeyOn(2);
  Client client = cluster_.Connect();
  ASSERT_EQ(client.Command({"SET", key, "value"}), "OK");
  cluster_.server(2).Kill();
  // After some failures the breaker answers without waiting.
  ASSERT_TRUE(Eventually([&] {
    const TimePoint asked = MonotonicNow();
    const std::string reply = client.Command({"SET", key, "lost"});
    EXPECT_TRUE(reply.starts_with("(error) NOTAPPLIED shard s2") ||
                reply.starts_with("(error) UNCERTAIN shard s2"))
        << reply;
    return reply.starts_with("(error) NOTAPPLIED") &&
           MonotonicNow() - asked < std::chrono::milliseconds(20);
  }));
  EXPECT_EQ(client.Command({"SET", cluster_.KeyOn(1), "x"}), "OK");
  cluster_.server(2).Restart();
  // Never a stale value: the shard came back empty, and nobody else took its keys (B11).
  std::string reply;
  EXPECT_TRUE(Eventually([&] {
    reply = client.Command({"GET", key});
    return !reply.starts_with("(error)");
  }));
  EXPECT_EQ(reply, "(nil)");
}

TEST_F(FrozenShardTest, CommandsForAllShardsNameTheOneThatIsGone) {
  cluster_.server(1).Kill();
  Client client = cluster_.Connect();
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"DBSIZE"}, {"KEYS", "*"}, {"FLUSHALL"}}) {
    const std::string reply = client.Command(words);
    EXPECT_TRUE(reply.starts_with("(error) NOTAPPLIED shard s1") ||
                reply.starts_with("(error) UNCERTAIN shard s1"))
        << words[0] << ": " << reply;
  }
  // It is told of the script when it comes back.
  EXPECT_EQ(client.Command({"SCRIPT", "LOAD", "return 1"}),
            "\"e0e1f9fabfc9d4800c877a703b823ac0578ff8db\"");
}

}  // namespace
}  // namespace ringmaster::integration
