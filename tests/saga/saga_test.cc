// Every transition of a saga's state machine: what it wants done when something comes back.
#include "saga/saga.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = SagaResult::Kind;
using State = Saga::State;
using Timer = SagaAction::Timer;
using Words = std::vector<std::string>;

// "send 1", "undo 0 forced", "unlock but 1", "timer retry 0 50ms", "poison 0 others ...".
std::string Say(const SagaAction& action) {
  using K = SagaAction::Kind;
  static const char* const kNames[] = {"lock",  "begin", "send",    "reconnect", "commit",
                                       "reply", "undo",  "cleanup", "unlock",    "poison",
                                       "end",   "timer", "finished"};
  static const char* const kTimers[] = {"timeout", "retry", "hold", "patience"};
  std::string text = kNames[static_cast<size_t>(action.kind)];
  if (action.kind == K::kTimer) {
    text += std::string(" ") + kTimers[static_cast<size_t>(action.timer)];
    if (action.timer == Timer::kRetry) text += " " + std::to_string(action.step);
    return text + " " + std::to_string(Milliseconds(action.delay)) + "ms";
  }
  if (action.kind == K::kUnlock) {
    for (size_t step : action.keep) text += " but " + std::to_string(step);
    return text;
  }
  if (action.kind == K::kSend || action.kind == K::kReconnect || action.kind == K::kUndo ||
      action.kind == K::kCleanup || action.kind == K::kPoison) {
    text += " " + std::to_string(action.step);
  }
  if (action.force) text += " forced";
  if (!action.text.empty()) text += " " + action.text;
  return text;
}

class SagaTest : public testing::Test {
 protected:
  // A step for each phase given; step i is on shard s<i>, whose server is "r<i>".
  void Make(const std::vector<uint8_t>& phases, StepKind kind = StepKind::kScript) {
    saga_.emplace(Plan(phases, kind), limits_);
  }
  static SagaPlan Plan(const std::vector<uint8_t>& phases, StepKind kind = StepKind::kScript) {
    SagaPlan plan{.id = 5};
    for (size_t i = 0; i < phases.size(); ++i) {
      plan.steps.push_back({.kind = kind,
                            .phase = phases[i],
                            .shard = "s" + std::to_string(i),
                            .run_id = "r" + std::to_string(i)});
    }
    return plan;
  }
  // Up to where its steps are sent.
  void Running(const std::vector<uint8_t>& phases, StepKind kind = StepKind::kScript) {
    Make(phases, kind);
    saga_->Start(out_);
    saga_->OnLocked(out_);
    saga_->OnBegun(true, out_);
    out_.clear();
  }
  void Recover(const std::vector<uint8_t>& phases, Saga::Found found,
               const std::vector<size_t>& poisoned = {}) {
    saga_.emplace(Saga::Recovered(Plan(phases), found, poisoned, limits_));
  }
  Words Said() {
    Words words;
    for (const SagaAction& action : std::exchange(out_, {})) words.push_back(Say(action));
    return words;
  }
  Words Step(size_t step, StepOutcome outcome) {
    saga_->OnStep(step, outcome, "r" + std::to_string(step), out_);
    return Said();
  }
  Words Undo(size_t step, UndoOutcome outcome) {
    saga_->OnUndo(step, outcome, out_);
    return Said();
  }
  Words Reconnected(size_t step, bool reached, const std::string& run_id) {
    saga_->OnReconnected(step, reached, run_id, out_);
    return Said();
  }
  Words Cleanup(size_t step, bool done) {
    saga_->OnCleanup(step, done, out_);
    return Said();
  }
  Words Time(Timer timer, size_t step = 0) {
    saga_->OnTimer(timer, step, out_);
    return Said();
  }

  SagaLimits limits_;
  std::optional<Saga> saga_;
  SagaActions out_;
};

TEST_F(SagaTest, GoesFromLockToEndInOrder) {
  Make({0, 0});
  saga_->Start(out_);
  EXPECT_THAT(Said(), ElementsAre("lock"));
  saga_->OnLocked(out_);
  EXPECT_THAT(Said(), ElementsAre("begin")) << "nothing may be sent before it is durable";
  saga_->OnBegun(true, out_);
  EXPECT_THAT(Said(), ElementsAre("send 0", "send 1"));
  EXPECT_THAT(Step(1, StepOutcome::kDone), IsEmpty());
  EXPECT_THAT(Step(0, StepOutcome::kDone), ElementsAre("commit")) << "no reply before COMMIT";
  EXPECT_EQ(saga_->result().kind, Kind::kOpen);
  saga_->OnCommitted(true, out_);
  EXPECT_THAT(Said(), ElementsAre("reply", "unlock", "cleanup 0", "cleanup 1"));
  EXPECT_EQ(saga_->result().kind, Kind::kCommitted);
  EXPECT_THAT(Cleanup(0, true), IsEmpty());
  EXPECT_THAT(Cleanup(1, true), ElementsAre("end", "finished"));
  EXPECT_EQ(saga_->state(), State::kFinished);
}

TEST_F(SagaTest, PhasesRunOneAfterTheOther) {
  Running({0, 2, 2});
  EXPECT_THAT(Step(0, StepOutcome::kDone), ElementsAre("send 1", "send 2"));
  EXPECT_THAT(Step(2, StepOutcome::kDone), IsEmpty());
  EXPECT_THAT(Step(1, StepOutcome::kDone), ElementsAre("commit"));
}

TEST_F(SagaTest, WithoutLocksNothingIsBegun) {
  Make({0});
  saga_->Start(out_);
  out_.clear();
  saga_->OnLockRefused("too many wait for key k", out_);
  EXPECT_THAT(Said(), ElementsAre("reply", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
  EXPECT_EQ(saga_->result().why, "too many wait for key k");
}

TEST_F(SagaTest, WithoutAJournalNothingIsSent) {
  Make({0});
  saga_->Start(out_);
  saga_->OnLocked(out_);
  out_.clear();
  saga_->OnBegun(false, out_);
  EXPECT_THAT(Said(), ElementsAre("reply", "unlock", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
}

TEST_F(SagaTest, RefusedStepHasTheOthersUndoneAndIsTheAnswer) {
  Running({0, 0, 1});
  EXPECT_THAT(Step(0, StepOutcome::kRefused), ElementsAre("undo 1"))
      << "0 did nothing, 2 never left";
  EXPECT_THAT(Step(1, StepOutcome::kDone), IsEmpty()) << "too late";
  EXPECT_THAT(Undo(1, UndoOutcome::kUndone), ElementsAre("reply", "unlock", "end", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kRefused);
  EXPECT_EQ(saga_->result().step, 0u);
}

TEST_F(SagaTest, StepThatNeverLeftIsNotUndone) {
  Running({0});
  EXPECT_THAT(Step(0, StepOutcome::kNotSent), ElementsAre("reply", "unlock", "end", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
  EXPECT_THAT(saga_->result().why, HasSubstr("s0"));
}

TEST_F(SagaTest, AbortedStepIsUndoneAllTheSame) {
  Running({0});
  EXPECT_THAT(Step(0, StepOutcome::kAborted), ElementsAre("undo 0"));
}

TEST_F(SagaTest, RefusedExecutionStillHasItsPreparationsUndone) {
  Running({0}, StepKind::kExecute);
  EXPECT_THAT(Step(0, StepOutcome::kRefused), ElementsAre("undo 0"));
  EXPECT_THAT(Undo(0, UndoOutcome::kUndone), ElementsAre("reply", "unlock", "end", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kRefused);
}

TEST_F(SagaTest, LostExecutionIsUndoneForSure) {
  Running({0}, StepKind::kExecute);
  EXPECT_THAT(Step(0, StepOutcome::kLost), ElementsAre("undo 0"));
  Undo(0, UndoOutcome::kUndone);
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
}

TEST_F(SagaTest, WhatIsOutdatedIsUndoneAndMayBeTriedAgain) {
  Running({0, 1}, StepKind::kExecute);
  Step(0, StepOutcome::kDone);
  EXPECT_THAT(Step(1, StepOutcome::kOutdated), ElementsAre("undo 1"));
  EXPECT_THAT(Undo(1, UndoOutcome::kUndone), ElementsAre("undo 0"));
  EXPECT_THAT(Undo(0, UndoOutcome::kUndone), ElementsAre("reply", "unlock", "end", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
  EXPECT_TRUE(saga_->result().interfered);
  EXPECT_THAT(saga_->result().why, HasSubstr("s1"));
}

TEST_F(SagaTest, WhatIsOutdatedAndCannotBeUndoneIsNotTriedAgain) {
  Running({0, 1}, StepKind::kExecute);
  Step(0, StepOutcome::kDone);
  Step(1, StepOutcome::kOutdated);
  Undo(1, UndoOutcome::kUndone);
  Undo(0, UndoOutcome::kConflict);
  EXPECT_EQ(saga_->result().kind, Kind::kUncertain);
  EXPECT_FALSE(saga_->result().interfered);
}

// Its locks are needed still, and the undo that is open may run at any time.
TEST_F(SagaTest, WhatIsOutdatedAndStillOpenIsNotTriedAgain) {
  Running({0, 1}, StepKind::kExecute);
  Step(0, StepOutcome::kDone);
  Step(1, StepOutcome::kOutdated);
  Undo(1, UndoOutcome::kUndone);
  Undo(0, UndoOutcome::kLost);
  EXPECT_THAT(Time(Timer::kTimeout, 0), Contains("reply"));
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
  EXPECT_FALSE(saga_->result().interfered);
}

TEST_F(SagaTest, LostStepIsSentAgainBehindAFence) {
  Running({0, 0});
  Step(1, StepOutcome::kDone);
  EXPECT_THAT(Step(0, StepOutcome::kLost), ElementsAre("timer timeout 5000ms", "reconnect 0"));
  EXPECT_THAT(Reconnected(0, true, "r0"), ElementsAre("send 0"));
  EXPECT_THAT(Step(0, StepOutcome::kDone), ElementsAre("commit"));
  saga_->OnCommitted(true, out_);
  EXPECT_THAT(Said(), ElementsAre("reply", "unlock", "cleanup 0 forced", "cleanup 1"))
      << "the first copy may be under way still: a tombstone stays";
}

TEST_F(SagaTest, ReconnectingIsTriedAgainMoreAndMoreSeldom) {
  Running({0});
  Step(0, StepOutcome::kLost);
  EXPECT_THAT(Reconnected(0, false, ""), ElementsAre("timer retry 0 50ms"));
  EXPECT_THAT(Time(Timer::kRetry, 0), ElementsAre("reconnect 0"));
  EXPECT_THAT(Reconnected(0, false, ""), ElementsAre("timer retry 0 100ms"));
  for (int i = 0; i < 20; ++i) {
    Time(Timer::kRetry, 0);
    out_.clear();
    saga_->OnReconnected(0, false, "", out_);
  }
  EXPECT_THAT(Said(), ElementsAre("timer retry 0 5000ms"));
}

TEST_F(SagaTest, RefusalOfAStepSentTwiceDoesNotSpareItTheUndo) {
  Running({0});
  Step(0, StepOutcome::kLost);
  Reconnected(0, true, "r0");
  EXPECT_THAT(Step(0, StepOutcome::kRefused), ElementsAre("undo 0"));
}

TEST_F(SagaTest, DeadShardKeepsItsKeysAndNobodyElses) {
  Running({0, 0});
  Step(1, StepOutcome::kDone);
  Step(0, StepOutcome::kLost);
  EXPECT_THAT(Time(Timer::kTimeout), ElementsAre("undo 0", "undo 1"));
  EXPECT_EQ(Undo(0, UndoOutcome::kLost), Words({"timer retry 0 50ms"}));
  EXPECT_THAT(Undo(1, UndoOutcome::kUndone), ElementsAre("reply", "unlock but 0"));
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
  EXPECT_THAT(saga_->result().why, HasSubstr("s0"));
  EXPECT_THAT(saga_->Unreachable(), ElementsAre(0u));
  EXPECT_THAT(Time(Timer::kRetry, 0), ElementsAre("undo 0"));
  EXPECT_THAT(Undo(0, UndoOutcome::kUndone), ElementsAre("unlock", "end", "finished"));
  EXPECT_THAT(saga_->Unreachable(), IsEmpty());
}

TEST_F(SagaTest, ShardThatDiesDuringTheUndoIsGivenTheSameTime) {
  Running({0, 0, 0});
  EXPECT_THAT(Step(0, StepOutcome::kRefused), ElementsAre("undo 1", "undo 2"));
  EXPECT_THAT(Undo(1, UndoOutcome::kLost),
              ElementsAre("timer timeout 5000ms", "timer retry 1 50ms"));
  EXPECT_THAT(Undo(2, UndoOutcome::kUndone), IsEmpty()) << "the reply waits for the timeout";
  EXPECT_THAT(Time(Timer::kTimeout), ElementsAre("reply", "unlock but 1"));
}

// As with too few replicas, a full disk or a script that runs: that passes, and is no reason to
// keep keys for an operator.
TEST_F(SagaTest, ShardThatTakesNoWritesForNowIsAskedUntilItDoes) {
  Running({0, 0});
  Step(0, StepOutcome::kDone);
  Step(1, StepOutcome::kRefused);
  for (int i = 0; i < 3 * limits_.undo_failures; ++i) {
    Undo(0, UndoOutcome::kNotNow);
    EXPECT_THAT(Time(Timer::kRetry, 0), ElementsAre("undo 0"));
  }
  EXPECT_THAT(Undo(0, UndoOutcome::kUndone), ElementsAre("reply", "unlock", "end", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kRefused);
}

TEST_F(SagaTest, WhatWasRefusedByAllNeedsNoUndo) {
  Running({0, 0, 0});
  EXPECT_THAT(Step(0, StepOutcome::kRefused), ElementsAre("undo 1", "undo 2"));
  EXPECT_THAT(Step(1, StepOutcome::kRefused), IsEmpty());
  EXPECT_THAT(Undo(1, UndoOutcome::kNotNow), IsEmpty());
  EXPECT_THAT(Step(2, StepOutcome::kRefused), IsEmpty());
  EXPECT_THAT(Undo(2, UndoOutcome::kNotNow), ElementsAre("reply", "unlock", "end", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kRefused);
}

TEST_F(SagaTest, StepsThatAreSlowAreUndoneAndKeepNobodyWaiting) {
  limits_.patience = std::chrono::milliseconds(100);
  Make({0, 0, 0});
  saga_->Start(out_);
  saga_->OnLocked(out_);
  Said();
  saga_->OnBegun(true, out_);
  EXPECT_THAT(Said(), ElementsAre("timer patience 100ms", "send 0", "send 1", "send 2"));
  Step(0, StepOutcome::kDone);
  EXPECT_THAT(Time(Timer::kPatience), ElementsAre("undo 0", "undo 1", "undo 2"));
  EXPECT_THAT(Undo(0, UndoOutcome::kUndone), ElementsAre("reply", "unlock but 1 but 2"));
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
  EXPECT_THAT(saga_->result().why, HasSubstr("s1 takes long"));
  EXPECT_THAT(Step(1, StepOutcome::kDone), IsEmpty()) << "too late, its undo is behind it";
  EXPECT_THAT(Undo(2, UndoOutcome::kUndone), ElementsAre("unlock but 1"));
  EXPECT_THAT(Undo(1, UndoOutcome::kUndone), ElementsAre("unlock", "end", "finished"));
}

TEST_F(SagaTest, WhenAllStepsAreSlowTheReplyIsDueAtOnce) {
  limits_.patience = std::chrono::milliseconds(100);
  Running({0, 0});
  EXPECT_THAT(Time(Timer::kPatience),
              ElementsAre("undo 0", "undo 1", "reply", "unlock but 0 but 1"));
}

TEST_F(SagaTest, PatienceIsForThoseThatHaveNotAnsweredOnly) {
  limits_.patience = std::chrono::milliseconds(100);
  Running({0, 0});
  Step(0, StepOutcome::kDone);
  EXPECT_THAT(Step(1, StepOutcome::kDone), ElementsAre("commit"));
  EXPECT_THAT(Time(Timer::kPatience), IsEmpty());
}

TEST_F(SagaTest, TimeoutOfALossThatWasMadeGoodIsNothing) {
  Running({0, 0});
  Step(0, StepOutcome::kLost);
  Reconnected(0, true, "r0");
  EXPECT_THAT(Time(Timer::kTimeout), IsEmpty());
  EXPECT_THAT(Step(1, StepOutcome::kLost), ElementsAre("timer timeout 5000ms", "reconnect 1"))
      << "the next loss has its own time";
}

TEST_F(SagaTest, AnotherServerBehindTheAddressMeansAbort) {
  Running({0, 0});
  saga_->OnStep(0, StepOutcome::kDone, "another", out_);
  EXPECT_THAT(Said(), ElementsAre("undo 0", "undo 1"));
  Running({0, 0});
  Step(0, StepOutcome::kDone);
  saga_->OnRunId("s0", "another", out_);
  EXPECT_THAT(Said(), ElementsAre("undo 0", "undo 1")) << "it may have forgotten its step";
  Running({0, 0});
  Step(0, StepOutcome::kLost);
  EXPECT_THAT(Reconnected(0, true, "another"), ElementsAre("undo 0", "undo 1"));
}

TEST_F(SagaTest, ServerThatChangedBeforeTheFirstStepMeansAbort) {
  Make({0});
  saga_->Start(out_);
  saga_->OnLocked(out_);
  saga_->OnRunId("s0", "another", out_);
  saga_->OnBegun(true, out_);
  out_.clear();
  saga_->OnStep(0, StepOutcome::kDone, "another", out_);
  EXPECT_THAT(Said(), ElementsAre("undo 0"));
}

TEST_F(SagaTest, NewsOfTheSameServerAreNoNews) {
  Running({0});
  saga_->OnRunId("s0", "r0", out_);
  saga_->OnRunId("elsewhere", "x", out_);
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(SagaTest, LostConnectionOfADoneStepIsLookedIntoBeforeCommit) {
  Running({0, 0});
  Step(0, StepOutcome::kDone);
  saga_->OnConnectionLost("s0");
  EXPECT_THAT(Step(1, StepOutcome::kDone), ElementsAre("reconnect 0", "timer timeout 5000ms"));
  EXPECT_THAT(Reconnected(0, true, "r0"), ElementsAre("commit"));
  Running({0, 0});
  Step(0, StepOutcome::kDone);
  saga_->OnConnectionLost("s0");
  Step(1, StepOutcome::kDone);
  EXPECT_THAT(Reconnected(0, true, "another"), ElementsAre("undo 0", "undo 1"));
}

TEST_F(SagaTest, CommitThatCannotBeWrittenIsUndone) {
  Running({0});
  Step(0, StepOutcome::kDone);
  saga_->OnCommitted(false, out_);
  EXPECT_THAT(Said(), ElementsAre("undo 0"));
  EXPECT_THAT(Undo(0, UndoOutcome::kUndone), ElementsAre("reply", "unlock", "end", "finished"));
  EXPECT_EQ(saga_->result().kind, Kind::kNotApplied);
}

TEST_F(SagaTest, UndoGoesBackPhaseByPhase) {
  Running({0, 1, 2});
  Step(0, StepOutcome::kDone);
  Step(1, StepOutcome::kDone);
  EXPECT_THAT(Step(2, StepOutcome::kAborted), ElementsAre("undo 2"));
  EXPECT_THAT(Undo(2, UndoOutcome::kUndone), ElementsAre("undo 1"));
  EXPECT_THAT(Undo(1, UndoOutcome::kLost),
              ElementsAre("timer timeout 5000ms", "timer retry 1 50ms", "undo 0"))
      << "a dead shard does not keep the others";
}

TEST_F(SagaTest, ConflictIsPoisonAndLetsTheKeysGo) {
  Running({0, 0});
  Step(0, StepOutcome::kRefused);
  EXPECT_THAT(Undo(1, UndoOutcome::kConflict),
              ElementsAre("poison 1 others wrote its keys since", "reply", "unlock"));
  EXPECT_EQ(saga_->state(), State::kPoisoned);
  EXPECT_EQ(saga_->result().kind, Kind::kUncertain);
  EXPECT_THAT(saga_->result().why, HasSubstr("PROXY SAGAS SHOW " + SagaName(5)));
  EXPECT_TRUE(saga_->settled());
}

TEST_F(SagaTest, LostImageIsPoisonAndHoldsTheKeysForAWhile) {
  Running({0, 0});
  Step(0, StepOutcome::kRefused);
  const Words said = Undo(1, UndoOutcome::kImageLost);
  ASSERT_EQ(said.size(), 4u);
  EXPECT_THAT(said[0], HasSubstr("poison 1"));
  EXPECT_THAT(Words(said.begin() + 1, said.end()),
              ElementsAre("reply", "unlock but 1", "timer hold 60000ms"));
  EXPECT_THAT(Time(Timer::kHold), ElementsAre("unlock"));
}

TEST_F(SagaTest, UndoThatIsRefusedTenTimesIsPoison) {
  Running({0, 0});
  Step(0, StepOutcome::kRefused);
  for (int i = 0; i < 9; ++i) {
    Undo(1, UndoOutcome::kFailed);
    EXPECT_EQ(Time(Timer::kRetry, 1), Words({"undo 1"})) << i;
  }
  EXPECT_THAT(Undo(1, UndoOutcome::kFailed)[0], HasSubstr("poison 1"));
}

TEST_F(SagaTest, OneThatCannotBeReachedIsTriedForEver) {
  Running({0, 0});
  Step(0, StepOutcome::kRefused);
  for (int i = 0; i < 100; ++i) {
    Undo(1, UndoOutcome::kLost);
    EXPECT_EQ(Time(Timer::kRetry, 1), Words({"undo 1"})) << i;
  }
}

TEST_F(SagaTest, CleanupIsTriedUntilItIsDone) {
  Running({0});
  Step(0, StepOutcome::kDone);
  saga_->OnCommitted(true, out_);
  out_.clear();
  EXPECT_THAT(Cleanup(0, false), ElementsAre("timer retry 0 50ms"));
  EXPECT_THAT(Time(Timer::kRetry, 0), ElementsAre("cleanup 0 forced"));
  EXPECT_THAT(Cleanup(0, true), ElementsAre("end", "finished"));
}

TEST_F(SagaTest, EventsAfterTheEndAreIgnored) {
  Running({0});
  Step(0, StepOutcome::kNotSent);
  saga_->Start(out_);
  saga_->OnLocked(out_);
  saga_->OnLockRefused("", out_);
  saga_->OnBegun(true, out_);
  saga_->OnCommitted(true, out_);
  saga_->OnConnectionLost("s0");
  saga_->OnRunId("s0", "x", out_);
  for (size_t step : {0u, 7u}) {
    Step(step, StepOutcome::kDone);
    Undo(step, UndoOutcome::kUndone);
    Cleanup(step, true);
    Reconnected(step, true, "x");
    for (Timer timer : {Timer::kTimeout, Timer::kRetry, Timer::kHold}) Time(timer, step);
  }
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(SagaTest, RecoveredWithoutCommitIsUndone) {
  Recover({0, 1}, Saga::Found::kBegun);
  saga_->Start(out_);
  EXPECT_THAT(Said(), ElementsAre("lock"));
  saga_->OnLocked(out_);
  EXPECT_THAT(Said(), ElementsAre("undo 1"));
  EXPECT_THAT(Undo(1, UndoOutcome::kUndone), ElementsAre("undo 0"));
  EXPECT_THAT(Undo(0, UndoOutcome::kUndone), ElementsAre("unlock", "end", "finished"));
}

TEST_F(SagaTest, RecoveredWithCommitIsCleanedUpWithTombstones) {
  Recover({0, 0}, Saga::Found::kCommitted);
  saga_->Start(out_);
  out_.clear();
  saga_->OnLocked(out_);
  EXPECT_THAT(Said(), ElementsAre("unlock", "cleanup 0 forced", "cleanup 1 forced"));
}

TEST_F(SagaTest, RecoveredAndPoisonedWaitsForTheOperator) {
  Recover({0, 0}, Saga::Found::kPoisoned, {1, 99});
  saga_->Start(out_);
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_TRUE(saga_->settled());
  EXPECT_EQ(saga_->Retry(false, out_), "");
  EXPECT_THAT(Said(), ElementsAre("undo 1"));
}

class PoisonedSagaTest : public SagaTest {
 protected:
  PoisonedSagaTest() {
    Running({0, 0, 0});
    Step(0, StepOutcome::kRefused);
    Undo(1, UndoOutcome::kConflict);
    Undo(2, UndoOutcome::kConflict);
  }
};

TEST_F(PoisonedSagaTest, RetryUndoesItOnceMore) {
  EXPECT_EQ(saga_->Retry(false, out_), "");
  EXPECT_THAT(Said(), ElementsAre("undo 1", "undo 2"));
  Undo(1, UndoOutcome::kUndone);
  EXPECT_THAT(Undo(2, UndoOutcome::kConflict),
              ElementsAre("poison 2 others wrote its keys since", "unlock"));
  EXPECT_EQ(saga_->Retry(true, out_), "");
  EXPECT_THAT(Said(), ElementsAre("undo 2 forced"));
  EXPECT_THAT(Undo(2, UndoOutcome::kUndone), ElementsAre("unlock", "end", "finished"));
}

TEST_F(PoisonedSagaTest, SkippingItsLastStepEndsIt) {
  EXPECT_EQ(saga_->Skip(1, out_), "");
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_NE(saga_->Skip(1, out_), "") << "skipped already";
  EXPECT_EQ(saga_->Skip(2, out_), "");
  EXPECT_THAT(Said(), ElementsAre("unlock", "end", "finished"));
}

TEST_F(PoisonedSagaTest, ForgettingEndsIt) {
  EXPECT_EQ(saga_->Forget(out_), "");
  EXPECT_THAT(Said(), ElementsAre("unlock", "end", "finished"));
  EXPECT_NE(saga_->Forget(out_), "");
  EXPECT_NE(saga_->Retry(true, out_), "");
}

TEST_F(SagaTest, OperatorHasNoSayInASagaThatRuns) {
  Running({0});
  EXPECT_NE(saga_->Retry(true, out_), "");
  EXPECT_NE(saga_->Skip(0, out_), "");
  EXPECT_NE(saga_->Forget(out_), "");
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_EQ(saga_->Describe(), "running, 0 of 1 steps settled");
}

}  // namespace
}  // namespace ringmaster
