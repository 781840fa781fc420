#include "server/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using At = Pulse::At;

constexpr Duration kMost = seconds(1);

TEST(PulseTest, SaysTheTurnAndWhatItIsAt) {
  Pulse pulse;
  EXPECT_EQ(pulse.Read().at, At::kNowhere);
  pulse.Note(At::kTimer);
  const uint64_t turn = pulse.Read().turn;
  EXPECT_EQ(pulse.Read(), (Pulse::Reading{turn, At::kTimer}));
  pulse.EndTurn();
  EXPECT_EQ(pulse.Read(), (Pulse::Reading{turn + 1, At::kAsleep}));
}

TEST(StillForTest, CountsFromTheLastTurn) {
  StillFor still;
  TimePoint now{seconds(100)};
  EXPECT_EQ(still.Look({5, At::kSocket}, now, kMost), Duration(0));
  EXPECT_EQ(still.Look({5, At::kSocket}, now += milliseconds(300), kMost), milliseconds(300));
  EXPECT_EQ(still.Look({5, At::kTimer}, now += milliseconds(300), kMost), milliseconds(600));
  EXPECT_EQ(still.Look({6, At::kTimer}, now += milliseconds(300), kMost), Duration(0));
  EXPECT_EQ(still.Look({6, At::kTimer}, now += milliseconds(300), kMost), milliseconds(300));
}

TEST(StillForTest, ALoopThatDoesNotRunIsNotStill) {
  StillFor still;
  TimePoint now{seconds(100)};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(still.Look({0, At::kNowhere}, now += seconds(1), kMost), Duration(0));
  }
  EXPECT_EQ(still.Look({1, At::kAsleep}, now += seconds(1), kMost), Duration(0));
  EXPECT_EQ(still.Look({1, At::kAsleep}, now += seconds(1), kMost), seconds(1));
  EXPECT_EQ(still.Look({1, At::kNowhere}, now += seconds(1), kMost), Duration(0));
}

// The whole process was stopped, or the machine slept.
TEST(StillForTest, ALateLookIsNobodysFault) {
  StillFor still;
  TimePoint now{seconds(100)};
  still.Look({5, At::kAsleep}, now, kMost);
  EXPECT_EQ(still.Look({5, At::kAsleep}, now += seconds(3600), kMost), kMost);
}

TEST(WatchdogTest, SaysWhoStandsStillAndWhatItIsAt) {
  Pulse turns, stands;
  turns.Note(At::kSocket);
  stands.Note(At::kTimer);
  Watchdog watchdog;
  watchdog.Watch("worker 0", turns, [] { return std::string("get"); });
  watchdog.Watch("worker 1", stands, [] { return std::string("eval"); });
  watchdog.Start(milliseconds(20));
  std::string said;
  const TimePoint until = MonotonicNow() + seconds(10);
  while (MonotonicNow() < until && said.find("worker 1") == std::string::npos) {
    turns.EndTurn();
    said = watchdog.Stalls();
  }
  EXPECT_THAT(said, AllOf(HasSubstr("worker 1 has stood still for"), HasSubstr("at a timer"),
                          HasSubstr("the last command was eval\n")));
  stands.EndTurn();
  turns.EndTurn();
  EXPECT_EQ(watchdog.Stalls(), "");
  watchdog.SetPatience(Duration(0));
  EXPECT_EQ(watchdog.Stalls(), "");
}

}  // namespace
}  // namespace ringmaster
