// The promise: a client that does not read its replies costs a bounded amount of memory, slows
// nobody down, and is closed with a line in the log (FIELD.md B2).
#include <gtest/gtest.h>

#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

constexpr size_t kMiB = 1 << 20;

class SlowReaderTest : public testing::Test {
 protected:
  // Asks for `count` replies of `size` bytes each and reads none of them.
  Client AskAndNeverRead(size_t size, int count) {
    Client slow = cluster_.Connect();
    EXPECT_EQ(slow.Command({"SET", "large", std::string(size, 'v')}), "OK");
    slow.Command({"CLIENT", "SETNAME", "slow"});
    std::string asks;
    for (int i = 0; i < count; ++i) asks += Encode({"GET", "large"});
    slow.SendUnread(asks, std::chrono::milliseconds(200));
    return slow;
  }
  bool SlowIsGone() {
    return cluster_.Connect().CommandRaw({"CLIENT", "LIST"}).find("name=slow") == std::string::npos;
  }

  Cluster cluster_{ClusterOptions{.limits = "reply_buffer: 8mb"}};
};

TEST_F(SlowReaderTest, MemoryStaysBoundedOthersAreServedAndTheCulpritIsClosed) {
  ASSERT_EQ(cluster_.Connect().Command({"PING"}), "PONG");
  const int64_t before = cluster_.proxy().ResidentKib();
  CheckedLoad others(cluster_.proxy().address(), {.clients = 2, .pipeline = 1});
  ASSERT_TRUE(Eventually([&] { return others.replies() > 200; }));
  const Client slow = AskAndNeverRead(kMiB, 2000);  // 2 GB of replies
  EXPECT_TRUE(Eventually([this] { return SlowIsGone(); }, std::chrono::seconds(20)));
  EXPECT_TRUE(cluster_.proxy().LogSays("closed client"));
  const CheckedLoad::Report report = others.Stop();
  EXPECT_TRUE(report.mismatches.empty() && report.errors == 0) << Summary(report);
  EXPECT_LT(Milliseconds(report.p99), 20 * Slowness()) << Summary(report);
  if (MemoryIsItsOwn()) {
    EXPECT_LT(cluster_.proxy().PeakKib() - before, 32 * 1024);
  }
}

TEST_F(SlowReaderTest, SmallRepliesOfADeepPipelineAreBoundedToo) {
  ASSERT_EQ(cluster_.Connect().Command({"PING"}), "PONG");
  const int64_t before = cluster_.proxy().ResidentKib();
  const Client slow = AskAndNeverRead(4000, 200000);
  EXPECT_TRUE(Eventually([this] { return SlowIsGone(); }, std::chrono::seconds(20)));
  if (MemoryIsItsOwn()) {
    EXPECT_LT(cluster_.proxy().PeakKib() - before, 32 * 1024);
  }
}

// Slow, but alive: it gets all of it.
TEST_F(SlowReaderTest, ReaderThatIsOnlySlowIsServedToTheEnd) {
  Client slow = AskAndNeverRead(kMiB, 64);
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(slow.ReadRaw().size(), kMiB + 12) << "reply " << i << slow.failure();
  }
}

TEST_F(SlowReaderTest, MergedReplyBeyondTheLimitIsAnErrorNotAFlood) {
  Client client = cluster_.Connect();
  std::vector<std::string> mget = {"MGET"};
  for (int i = 0; i < 20; ++i) {
    const std::string key = "large:" + std::to_string(i);
    ASSERT_EQ(client.Command({"SET", key, std::string(kMiB, 'v')}), "OK");
    mget.push_back(key);
  }
  const std::string reply = client.Command(mget);
  EXPECT_TRUE(reply.starts_with("(error) ERR the merged reply is larger") || reply == "<closed>")
      << reply.substr(0, 200);
  EXPECT_EQ(cluster_.Connect().Command({"PING"}), "PONG");
}

}  // namespace
}  // namespace ringmaster::integration
