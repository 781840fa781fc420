// The saga cores in a simulated world, and proof that the simulator would notice if they were
// wrong.
#include <gtest/gtest.h>

#include "saga/simulator/world.h"

namespace ringmaster::sim {
namespace {

// The first of so many seeds that ends in a violation; 0: none does.
uint64_t FirstViolation(const Options& options, uint64_t seeds, std::string* what) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Outcome outcome = Simulate(seed, options);
    if (outcome.violation.empty()) continue;
    *what = outcome.violation;
    return seed;
  }
  return 0;
}

TEST(SimulatorTest, SagasAreWholeOrGoneWhateverHappens) {
  std::string what;
  EXPECT_EQ(FirstViolation({}, 2000, &what), 0u) << what << " (scripts/simulate --trace)";
}

TEST(SimulatorTest, TombstonesProtectWhereShardsCannotBeFenced) {
  std::string what;
  EXPECT_EQ(FirstViolation({.fences = false}, 500, &what), 0u) << what;
}

TEST(SimulatorTest, SameSeedIsTheSameRun) {
  const Outcome one = Simulate(7), two = Simulate(7), other = Simulate(8);
  EXPECT_EQ(one.figures.events, two.figures.events);
  EXPECT_NE(one.figures.events, other.figures.events);
}

// What the runs above consist of: without these, they would prove nothing.
TEST(SimulatorTest, EverythingThatMattersHappens) {
  Figures sum;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const Figures each = Simulate(seed).figures;
    sum.committed += each.committed, sum.refused += each.refused, sum.undone += each.undone;
    sum.poisoned += each.poisoned, sum.recovered += each.recovered;
    sum.proxy_kills += each.proxy_kills, sum.shard_kills += each.shard_kills;
    sum.interfered += each.interfered, sum.done_again += each.done_again;
  }
  EXPECT_GT(sum.committed, 1000u);
  EXPECT_GT(sum.refused, 100u);
  EXPECT_GT(sum.undone, 100u);
  EXPECT_GT(sum.poisoned, 0u);
  EXPECT_GT(sum.recovered, 20u);
  EXPECT_GT(sum.proxy_kills, 20u);
  EXPECT_GT(sum.shard_kills, 20u);
  EXPECT_GT(sum.interfered, 10u);
  EXPECT_GT(sum.done_again, 3u);
}

struct Planted {
  const char* name;
  Bugs bugs;
  bool fences = true;
};

Planted InSaga(const char* name, bool SagaBugs::*bug, bool fences = true) {
  Planted planted{name, {}, fences};
  planted.bugs.saga.*bug = true;
  return planted;
}
Planted Around(const char* name, bool Bugs::*bug, bool fences = true) {
  Planted planted{name, {}, fences};
  planted.bugs.*bug = true;
  return planted;
}

class PlantedBugTest : public testing::TestWithParam<Planted> {};

TEST_P(PlantedBugTest, IsFound) {
  std::string what;
  const uint64_t seed =
      FirstViolation({.bugs = GetParam().bugs, .fences = GetParam().fences}, 2000, &what);
  EXPECT_NE(seed, 0u) << "not found";
  RecordProperty("seed", static_cast<int>(seed));
  std::printf("%s: seed %llu: %s\n", GetParam().name, static_cast<unsigned long long>(seed),
              what.c_str());
}

INSTANTIATE_TEST_SUITE_P(
    All, PlantedBugTest,
    testing::Values(InSaga("CommitIgnoresRunIds", &SagaBugs::commit_ignores_run_ids),
                    InSaga("ReplyBeforeCommit", &SagaBugs::reply_before_commit),
                    InSaga("CleanupBeforeCommit", &SagaBugs::cleanup_before_commit),
                    InSaga("UnlockBeforeUndo", &SagaBugs::unlock_before_undo),
                    InSaga("SendBeforeBegin", &SagaBugs::send_before_begin),
                    InSaga("LostCountsAsDone", &SagaBugs::lost_counts_as_done),
                    InSaga("NoUndoOfLost", &SagaBugs::no_undo_of_lost),
                    InSaga("RecoveryDoesNothing", &SagaBugs::recovery_redoes_nothing),
                    InSaga("NoTombstoneWithoutFence", &SagaBugs::no_tombstone, false),
                    Around("SkipBarrier", &Bugs::skip_barrier),
                    Around("SkipFence", &Bugs::skip_fence),
                    Around("UndoIgnoresPrints", &Bugs::undo_ignores_prints),
                    Around("StepIgnoresMarker", &Bugs::step_ignores_marker),
                    Around("UndoLeavesNoMarkWithoutFence", &Bugs::undo_leaves_no_mark, false),
                    Around("ExecuteWithoutWatch", &Bugs::execute_without_watch),
                    Around("UnlockIgnoresKeep", &Bugs::unlock_ignores_keep),
                    InSaga("OutdatedCountsAsDone", &SagaBugs::outdated_counts_as_done),
                    Around("HomeWithoutWatch", &Bugs::home_without_watch),
                    Around("WatchAfterFetch", &Bugs::watch_after_fetch),
                    Around("LostWatchIgnored", &Bugs::lost_watch_ignored),
                    Around("ReadsNotChecked", &Bugs::reads_not_checked),
                    Around("OldCopiesAgain", &Bugs::old_copies_again)),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace ringmaster::sim
