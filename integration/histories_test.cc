// The promise: while the ring changes without a pause and something fails, no client is told
// anything that one correct Redis could not have told it. scripts/histories runs longer ones, with
// every fault.
#include <gtest/gtest.h>

#include "histories/history.h"
#include "histories/operations.h"

namespace ringmaster::histories {
namespace {

using What = RegisterOperation::What;

RegisterOperation Op(What what, uint32_t value, Interval when, uint32_t expected = 0,
                     bool swapped = false, Outcome outcome = Outcome::kOk) {
  return {what, outcome, swapped, value, expected, when};
}
bool Explained(const std::vector<RegisterOperation>& operations) {
  bool gave_up = false;
  const bool explained = IsLinearizable(operations, &gave_up);
  EXPECT_FALSE(gave_up);
  return explained;
}

TEST(HistoriesTest, CheckerOfRegistersFindsOldValuesAndLostWrites) {
  using enum What;
  EXPECT_TRUE(Explained({Op(kWrite, 1, {0, 10}), Op(kRead, 0, {5, 15}), Op(kRead, 1, {16, 20})}));
  EXPECT_FALSE(Explained({Op(kWrite, 1, {0, 10}), Op(kRead, 0, {11, 15})}));
  EXPECT_FALSE(Explained({Op(kWrite, 1, {0, 10}), Op(kRead, 1, {11, 15}), Op(kRead, 0, {16, 20})}));
  EXPECT_FALSE(Explained({Op(kWrite, 1, {0, 10}), Op(kCas, 2, {11, 15}, 1, false)}));
  EXPECT_FALSE(
      Explained({Op(kWrite, 1, {0, 10}), Op(kWrite, 0, {11, 20}), Op(kRead, 1, {21, 30})}));
  // An unknown one may come late, may have been what a compare saw, and comes once.
  const RegisterOperation late = Op(kWrite, 7, {0, kNever}, 0, false, Outcome::kUnknown);
  EXPECT_TRUE(Explained({late, Op(kRead, 0, {5, 10}), Op(kRead, 7, {11, 15})}));
  EXPECT_TRUE(Explained({late, Op(kRead, 0, {5, 10}), Op(kCas, 9, {11, 15}, 0, false)}));
  EXPECT_FALSE(Explained({late, Op(kRead, 7, {5, 10}), Op(kRead, 0, {11, 15})}));
  EXPECT_FALSE(
      Explained({late, Op(kRead, 7, {5, 10}), Op(kWrite, 1, {11, 15}), Op(kRead, 7, {16, 20})}));
}

TEST(HistoriesTest, CheckersOfListsCountersAndQueuesFindWhatIsLostTwiceOrFromNowhere) {
  const Outcome ok = Outcome::kOk;
  const std::vector<Append> two = {{1, ok, 1, {0, 10}}, {2, ok, 2, {11, 20}}};
  EXPECT_EQ(CheckList(two, {{{1}, {12, 15}}}, {1, 2}), "");
  EXPECT_NE(CheckList(two, {}, {2}), "");
  EXPECT_NE(CheckList(two, {}, {1, 2, 2}), "");
  EXPECT_NE(CheckList(two, {}, {1, 2, 3}), "");
  EXPECT_NE(CheckList(two, {{{1}, {25, 30}}}, {1, 2}), "");
  EXPECT_NE(CheckList({{1, Outcome::kFailed, 0, {0, 10}}}, {}, {1}), "");
  EXPECT_EQ(CheckCounter({{ok, 1, {0, 10}}, {Outcome::kUnknown, 0, {5, kNever}}}, 2), "");
  EXPECT_NE(CheckCounter({{ok, 1, {0, 10}}, {ok, 1, {5, 12}}}, 2), "");
  EXPECT_NE(CheckCounter({{ok, 1, {20, 30}}, {ok, 2, {5, 12}}}, 2), "");
  EXPECT_NE(CheckCounter({{ok, 1, {0, 10}}}, 0), "");
  EXPECT_EQ(CheckQueue({{{1, ok}, {2, ok}}, {1}, 1}), "");
  EXPECT_NE(CheckQueue({{{1, ok}, {2, ok}}, {1}, 0}), "");
  EXPECT_NE(CheckQueue({{{1, ok}}, {1, 1}, 0}), "");
  EXPECT_NE(CheckQueue({{}, {1}, 0}), "");
}

void ExpectNoAnomaly(uint64_t seed, Fault fault, uint64_t moves) {
  const Verdict verdict = RunHistory(seed, fault, std::chrono::seconds(5), 8);
  for (const std::string& anomaly : verdict.anomalies)
    ADD_FAILURE() << "seed " << seed << ": " << anomaly;
  if (!verdict.anomalies.empty()) ADD_FAILURE() << verdict.log;
  EXPECT_GE(verdict.moves, moves);
  EXPECT_GE(verdict.operations, 2000U);
}

TEST(HistoriesTest, RingChangesWithoutAPause) { ExpectNoAnomaly(1, Fault::kNone, 3); }
TEST(HistoriesTest, ProxyIsKilled) { ExpectNoAnomaly(2, Fault::kKillProxy, 2); }
TEST(HistoriesTest, DonorIsKilled) { ExpectNoAnomaly(3, Fault::kKillDonor, 2); }
TEST(HistoriesTest, RecipientHasNoMemory) { ExpectNoAnomaly(5, Fault::kRecipientFull, 2); }
TEST(HistoriesTest, LinksBreak) { ExpectNoAnomaly(4, Fault::kCutLinks, 2); }

}  // namespace
}  // namespace ringmaster::histories
