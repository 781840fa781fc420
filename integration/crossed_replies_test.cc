// The promise: no client ever gets a reply to somebody else's question, whatever goes wrong on the
// way (FIELD.md B15).
#include <gtest/gtest.h>

#include "base/random.h"
#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

class CrossedRepliesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Progress(500)); }
  bool Progress(uint64_t replies) {
    const uint64_t before = load_.replies() - load_.errors();
    return Eventually([&] { return load_.replies() - load_.errors() > before + replies; });
  }
  void ExpectNothingCrossed() {
    EXPECT_TRUE(Progress(500));
    const CheckedLoad::Report report = load_.Stop();
    EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
  }

  Cluster cluster_{ClusterOptions{.shards = 2, .faults = true, .timeouts = "command: 500ms"}};
  // Clients' own errors in the middle of their pipelines are part of it.
  CheckedLoad load_{cluster_.proxy().address(),
                    {.clients = 6, .pipeline = 10, .client_errors = true}};
};

TEST_F(CrossedRepliesTest, MalformedReplyDropsTheConnectionAtTheFirstDoubt) {
  for (const char* garbage : {"garbage\r\n", "$x\r\n", "*-7\r\n", "?\r\n", "$99999999999999\r\n"}) {
    cluster_.fault(0).Inject(garbage);
    ASSERT_TRUE(Progress(300)) << Quoted(garbage);
  }
  ExpectNothingCrossed();
}

TEST_F(CrossedRepliesTest, ReplyThatEndsInTheMiddle) {
  Random random(4);
  for (int i = 0; i < 60; ++i) {
    FaultProxy& link = cluster_.fault(static_cast<size_t>(i % 2));
    link.CutReplyAfter(static_cast<int64_t>(1 + random.Below(5000)));
    ASSERT_TRUE(Eventually([&] { return link.cut_done(); }));
  }
  ExpectNothingCrossed();
}

TEST_F(CrossedRepliesTest, RequestThatEndsInTheMiddle) {
  Random random(6);
  for (int i = 0; i < 60; ++i) {
    FaultProxy& link = cluster_.fault(static_cast<size_t>(i % 2));
    link.CutRequestAfter(static_cast<int64_t>(1 + random.Below(5000)));
    ASSERT_TRUE(Eventually([&] { return link.cut_done(); }));
  }
  ExpectNothingCrossed();
}

TEST_F(CrossedRepliesTest, ShardFreezesLongerThanTheTimeout) {
  for (int i = 0; i < 2; ++i) {
    cluster_.server(0).Pause();
    const uint64_t errors = load_.errors();
    EXPECT_TRUE(Eventually([&] { return load_.errors() > errors; }));
    cluster_.server(0).Resume();
    ASSERT_TRUE(Progress(500));
  }
  ExpectNothingCrossed();
}

TEST_F(CrossedRepliesTest, ShardIsKilledAndComesBack) {
  for (int i = 0; i < 3; ++i) {
    cluster_.server(0).Kill();
    const uint64_t errors = load_.errors();
    EXPECT_TRUE(Eventually([&] { return load_.errors() > errors; }));
    cluster_.server(0).Restart();
    ASSERT_TRUE(Progress(500));
  }
  ExpectNothingCrossed();
}

TEST_F(CrossedRepliesTest, ShardIsOutOfMemory) {
  ASSERT_EQ(cluster_.server(0).Command({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  const uint64_t errors = load_.errors();
  EXPECT_TRUE(Eventually([&] { return load_.errors() > errors + 50; }));
  ASSERT_EQ(cluster_.server(0).Command({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  EXPECT_TRUE(Progress(500));
  const CheckedLoad::Report report = load_.Stop();
  EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
  EXPECT_GT(report.errors_by_kind.at("OOM"), 0U) << Summary(report);
}

// Wrong credentials make every handshake fail: an error, never a reply of the handshake's.
TEST_F(CrossedRepliesTest, ShardStartsToAskForAPassword) {
  ASSERT_EQ(cluster_.server(0).Command({"CONFIG", "SET", "requirepass", "secret"}), "OK");
  cluster_.fault(0).Cut();
  const uint64_t errors = load_.errors();
  EXPECT_TRUE(Eventually([&] { return load_.errors() > errors + 50; }));
  Client admin = cluster_.server(0).Connect();
  ASSERT_EQ(admin.Command({"AUTH", "secret"}), "OK");
  ASSERT_EQ(admin.Command({"CONFIG", "SET", "requirepass", ""}), "OK");
  EXPECT_TRUE(Progress(500));
  ExpectNothingCrossed();
}

}  // namespace
}  // namespace ringmaster::integration
