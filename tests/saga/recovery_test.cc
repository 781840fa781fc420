#include "saga/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Words = std::vector<std::string>;

class RecoveryTest : public testing::Test {
 protected:
  OpenSaga Open(SagaId id, Saga::Found found, const std::vector<std::string>& shards) {
    OpenSaga open{.plan = {.id = id}, .found = found, .poisoned = {}, .notes = {}};
    for (const std::string& shard : shards) {
      open.plan.steps.push_back({.shard = shard, .address = "old-" + shard, .keys = {{"k"}}});
    }
    return open;
  }
  void Start(std::vector<OpenSaga> open) {
    recovery_.emplace(std::move(open),
                      std::vector<Recovery::Shard>{{"a", "addr-a"}, {"b", "addr-b"}}, limits_);
    recovery_->Start(out_);
  }
  // "fence a addr-a", "saga 0 undo 1", "open"; locks are granted as they are asked for.
  Words Said() {
    Words words;
    while (!out_.empty()) {
      for (const RecoveryAction& action : std::exchange(out_, {})) {
        if (action.kind == RecoveryAction::Kind::kOpen) words.push_back("open");
        if (action.kind == RecoveryAction::Kind::kFence) {
          words.push_back("fence " + action.shard + " " + action.address +
                          (action.delay.count() > 0 ? " later" : ""));
        }
        if (action.kind == RecoveryAction::Kind::kSaga) Saga(action, words);
      }
    }
    return words;
  }
  void Saga(const RecoveryAction& each, Words& words) {
    using K = SagaAction::Kind;
    const std::string name = "saga " + std::to_string(each.saga) + " ";
    SagaActions actions;
    if (each.action.kind == K::kLock) recovery_->saga(each.saga).OnLocked(actions);
    if (each.action.kind == K::kUndo)
      words.push_back(name + "undo " + std::to_string(each.action.step));
    if (each.action.kind == K::kCleanup) {
      words.push_back(name + "cleanup " + std::to_string(each.action.step));
    }
    if (each.action.kind == K::kUnlock) {
      words.push_back(name + (each.action.keep.empty() ? "unlock" : "unlock some"));
    }
    if (each.action.kind == K::kEnd) words.push_back(name + "end");
    recovery_->Take(each.saga, std::move(actions), out_);
  }
  Words Fenced(const std::string& shard, bool reached) {
    recovery_->OnFenced(shard, reached, out_);
    return Said();
  }
  Words Undone(size_t saga, size_t step, UndoOutcome outcome = UndoOutcome::kUndone) {
    SagaActions actions;
    recovery_->saga(saga).OnUndo(step, outcome, actions);
    recovery_->Take(saga, std::move(actions), out_);
    return Said();
  }

  SagaLimits limits_;
  std::optional<Recovery> recovery_;
  RecoveryActions out_;
};

TEST_F(RecoveryTest, OpensWhenEveryShardIsFencedAndNothingWasLeft) {
  Start({});
  EXPECT_THAT(Said(), ElementsAre("fence a addr-a", "fence b addr-b"));
  EXPECT_THAT(Fenced("a", true), IsEmpty());
  EXPECT_THAT(Fenced("b", true), ElementsAre("open"));
  EXPECT_TRUE(recovery_->done());
}

TEST_F(RecoveryTest, NothingIsAskedOfAShardBeforeItIsFenced) {
  Start({Open(1, Saga::Found::kBegun, {"a", "b"})});
  EXPECT_THAT(Said(), ElementsAre("fence a addr-a", "fence b addr-b"));
  EXPECT_THAT(Fenced("a", true), ElementsAre("saga 0 undo 0"));
  EXPECT_THAT(Fenced("b", true), ElementsAre("saga 0 undo 1"));
  EXPECT_THAT(Undone(0, 0), IsEmpty());
  EXPECT_FALSE(recovery_->open());
  EXPECT_THAT(Undone(0, 1), UnorderedElementsAre("saga 0 unlock", "saga 0 end", "open"));
}

TEST_F(RecoveryTest, ShardThatCannotBeReachedKeepsItsKeysAndTheProxyOpens) {
  Start({Open(1, Saga::Found::kBegun, {"a", "b"})});
  Said();
  Fenced("a", true);
  EXPECT_THAT(Fenced("b", false), ElementsAre("fence b addr-b later"));
  const Words said = Undone(0, 0);
  EXPECT_THAT(said, UnorderedElementsAre("saga 0 unlock some", "open"));
  EXPECT_FALSE(recovery_->done());
  EXPECT_THAT(Fenced("b", true), IsEmpty());
  SagaActions actions;
  recovery_->saga(0).OnTimer(SagaAction::Timer::kRetry, 1, actions);
  recovery_->Take(0, std::move(actions), out_);
  EXPECT_THAT(Said(), ElementsAre("saga 0 undo 1"));
  EXPECT_THAT(Undone(0, 1), ElementsAre("saga 0 unlock", "saga 0 end"));
  EXPECT_TRUE(recovery_->done());
}

TEST_F(RecoveryTest, ShardThatLeftTheConfigurationIsAskedAtItsOldAddress) {
  Start({Open(1, Saga::Found::kCommitted, {"gone"})});
  EXPECT_THAT(Said(), UnorderedElementsAre("saga 0 unlock", "fence a addr-a", "fence b addr-b",
                                           "fence gone old-gone"));
  EXPECT_THAT(Fenced("gone", true), ElementsAre("saga 0 cleanup 0"));
}

TEST_F(RecoveryTest, DeadShardOfACommittedSagaDoesNotKeepTheProxyClosed) {
  Start({Open(1, Saga::Found::kCommitted, {"a", "b"})});
  Said();
  Fenced("a", false);
  EXPECT_THAT(Fenced("b", true), ElementsAre("saga 0 cleanup 1"));
  EXPECT_FALSE(recovery_->open());
  SagaActions actions;
  recovery_->saga(0).OnCleanup(1, true, actions);
  recovery_->Take(0, std::move(actions), out_);
  EXPECT_THAT(Said(), ElementsAre("open"));
}

TEST_F(RecoveryTest, PoisonedOnesWaitForTheOperatorAndForNothingElse) {
  OpenSaga open = Open(1, Saga::Found::kPoisoned, {"a"});
  open.poisoned = {0};
  open.notes = {"others wrote its keys since"};
  Start({open});
  Said();
  Fenced("a", true);
  EXPECT_THAT(Fenced("b", true), ElementsAre("open"));
  EXPECT_TRUE(recovery_->done());
  EXPECT_THAT(recovery_->notes(0), ElementsAre("others wrote its keys since"));
}

TEST_F(RecoveryTest, LostAnswersDoNotKeepTheProxyClosed) {
  Start({Open(1, Saga::Found::kBegun, {"a"})});
  Said();
  Fenced("b", true);
  EXPECT_THAT(Fenced("a", true), ElementsAre("saga 0 undo 0"));
  EXPECT_THAT(Undone(0, 0, UndoOutcome::kLost), UnorderedElementsAre("saga 0 unlock some", "open"));
}

}  // namespace
}  // namespace ringmaster
