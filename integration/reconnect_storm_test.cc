// The promise: a shard that recovers is not stormed. How often the proxy tries to connect does not
// depend on how many clients and workers wait for it (FIELD.md B6).
#include <gtest/gtest.h>

#include "support/checked_load.h"
#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

TEST(ReconnectStormTest, AttemptsAreFewWhateverTheLoadAndServiceReturnsSoon) {
  Cluster cluster{ClusterOptions{
      .shards = 1, .workers = 4, .faults = true, .timeouts = "command: 300ms, connect: 300ms"}};
  CheckedLoad load(cluster.proxy().address(), {.clients = 40, .pipeline = 2});
  ASSERT_TRUE(Eventually([&] { return load.replies() > 1000; }));
  FaultProxy& link = cluster.fault(0);

  // It refuses for three seconds. The mean number of attempts with full jitter from 50 ms to 5 s is
  // about eight; four workers on their own would make four times as many.
  link.Refuse(true);
  link.Cut();
  const int64_t before_refusal = link.connections();
  Eventually([] { return false; }, std::chrono::seconds(3));
  const int64_t while_refusing = link.connections() - before_refusal;
  EXPECT_GE(while_refusing, 2);
  EXPECT_LE(while_refusing, 25);

  // It accepts and says nothing for two seconds.
  link.Hold(true);
  link.Refuse(false);
  const int64_t before_stall = link.connections();
  Eventually([] { return false; }, std::chrono::seconds(2));
  const int64_t while_stalling = link.connections() - before_stall;
  EXPECT_LE(while_stalling, 15);

  link.Heal();
  link.Cut();
  const TimePoint healed = MonotonicNow();
  const auto works = [&] { return cluster.Connect().Command({"SET", "key", "value"}) == "OK"; };
  EXPECT_TRUE(Eventually(works, std::chrono::seconds(8)));
  EXPECT_LT(Milliseconds(MonotonicNow() - healed), 6000 * Slowness())
      << "longer than one probe period";
  const CheckedLoad::Report report = load.Stop();
  EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
  EXPECT_EQ(report.disconnects, 0U) << Summary(report);
  // All workers are back with a connection or two each.
  EXPECT_LE(link.open(), 4 * 3);
  RecordProperty("attempts_while_refusing", static_cast<int>(while_refusing));
  RecordProperty("attempts_while_stalling", static_cast<int>(while_stalling));
}

}  // namespace
}  // namespace ringmaster::integration
