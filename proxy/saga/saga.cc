#include "saga/saga.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/crash_point.h"

namespace ringmaster {

using Kind = SagaAction::Kind;
using Timer = SagaAction::Timer;

Saga::Saga(SagaPlan plan, const SagaLimits& limits)
    : plan_(std::move(plan)), limits_(limits), steps_(plan_.steps.size()) {}

Saga Saga::Recovered(SagaPlan plan, Found found, const std::vector<size_t>& poisoned,
                     const SagaLimits& limits) {
  Saga saga(std::move(plan), limits);
  saga.recovered_ = true;
  saga.replied_ = true;
  saga.found_ = found;
  for (Step& step : saga.steps_) {
    // How far the former process came is not known: everything may have been sent, and be under
    // way.
    step.ever_sent = true;
    step.resent = true;
    step.progress = Progress::kSent;
    if (found == Found::kPoisoned) step.progress = Progress::kUndone;
  }
  for (size_t step : poisoned) {
    if (step < saga.steps_.size()) saga.steps_[step].progress = Progress::kPoisoned;
  }
  if (found == Found::kPoisoned) saga.state_ = State::kPoisoned;
  return saga;
}

void Saga::Start(SagaActions& out) {
  if (state_ != State::kNew) return;
  state_ = State::kLocking;
  out.push_back({.kind = Kind::kLock});
}

void Saga::OnLocked(SagaActions& out) {
  if (state_ != State::kLocking) return;
  RM_CRASH_POINT("saga-locked");
  if (!recovered_) {
    state_ = State::kBeginning;
    out.push_back({.kind = Kind::kBegin});
    if (limits_.bugs.send_before_begin) OnBegun(true, out);
    return;
  }
  if (limits_.bugs.recovery_redoes_nothing) return Finish(out);
  if (found_ == Found::kCommitted) {
    result_.kind = SagaResult::Kind::kCommitted;
    return Clean(out);
  }
  Abort({SagaResult::Kind::kNotApplied, 0, "the proxy was stopped"}, out);
}

void Saga::OnLockRefused(std::string why, SagaActions& out) {
  if (state_ != State::kLocking) return;
  result_ = {SagaResult::Kind::kNotApplied, 0, std::move(why)};
  state_ = State::kFinished;
  if (!replied_) out.push_back({.kind = Kind::kReply});
  replied_ = true;
  out.push_back({.kind = Kind::kFinished});
}

void Saga::OnBegun(bool durable, SagaActions& out) {
  if (state_ != State::kBeginning) return;
  RM_CRASH_POINT("saga-begun");
  if (!durable) {  // nothing was sent, and no record says that it might have been
    result_ = {SagaResult::Kind::kNotApplied, 0, "the journal cannot be written"};
    state_ = State::kFinished;
    out.push_back({.kind = Kind::kReply});
    replied_ = true;
    Unlock(out);
    out.push_back({.kind = Kind::kFinished});
    return;
  }
  state_ = State::kRunning;
  if (limits_.patience) {
    out.push_back({.kind = Kind::kTimer, .timer = Timer::kPatience, .delay = *limits_.patience});
  }
  RunPhase(out);
}

void Saga::RunPhase(SagaActions& out) {
  bool any = false, later = false;
  uint8_t next = UINT8_MAX;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].progress != Progress::kIdle) continue;
    later = true;
    next = std::min(next, plan_.steps[i].phase);
  }
  if (!later) return PhaseDone(out);
  phase_ = next;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (plan_.steps[i].phase != phase_ || steps_[i].progress != Progress::kIdle) continue;
    steps_[i].progress = Progress::kSent;
    steps_[i].ever_sent = true;
    out.push_back({.kind = Kind::kSend, .step = i});
    any = true;
  }
  RM_CHECK(any);
}

// Everything is done: decide.
void Saga::PhaseDone(SagaActions& out) {
  bool doubtful = false;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (!steps_[i].doubtful) continue;
    doubtful = true;
    steps_[i].progress = Progress::kReconnecting;
    out.push_back({.kind = Kind::kReconnect, .step = i});
  }
  if (doubtful) return ArmTimeout(out);
  RM_CRASH_POINT("saga-steps-done");
  state_ = State::kCommitting;
  if (limits_.bugs.reply_before_commit) {
    result_.kind = SagaResult::Kind::kCommitted;
    replied_ = true;
    out.push_back({.kind = Kind::kReply});
  }
  if (limits_.bugs.cleanup_before_commit) {
    for (size_t i = 0; i < steps_.size(); ++i) out.push_back({.kind = Kind::kCleanup, .step = i});
  }
  out.push_back({.kind = Kind::kCommit});
}

void Saga::OnStep(size_t index, StepOutcome outcome, Bytes run_id, SagaActions& out) {
  if (index >= steps_.size()) return;
  Step& step = steps_[index];
  if (state_ == State::kUndoing && outcome == StepOutcome::kRefused) {
    step.refused = !step.resent && plan_.steps[index].kind == StepKind::kScript;
  }
  if (state_ != State::kRunning || step.progress != Progress::kSent) return;
  RM_CRASH_POINT("saga-step-answered", index);
  if (outcome == StepOutcome::kLost && limits_.bugs.lost_counts_as_done) {
    outcome = StepOutcome::kDone;
  }
  if (outcome == StepOutcome::kOutdated && limits_.bugs.outdated_counts_as_done) {
    outcome = StepOutcome::kDone;
  }
  if (!run_id.empty() && run_id != plan_.steps[index].run_id &&
      !limits_.bugs.commit_ignores_run_ids) {
    return Abort({SagaResult::Kind::kNotApplied, index, StepName(index) + " was restarted"}, out);
  }
  switch (outcome) {
    case StepOutcome::kDone:
      return StepDone(index, out);
    case StepOutcome::kRefused:
      // What was sent once and refused did nothing; of a kExecute step the preparations are there.
      if (!step.resent && plan_.steps[index].kind == StepKind::kScript) {
        step.progress = Progress::kNothing;
      }
      return Abort({SagaResult::Kind::kRefused, index, ""}, out);
    case StepOutcome::kNotSent:
      if (!step.resent && plan_.steps[index].kind == StepKind::kScript) {
        step.progress = Progress::kNothing;
      }
      return Abort({SagaResult::Kind::kNotApplied, index, StepName(index) + " cannot be reached"},
                   out);
    case StepOutcome::kAborted:
      return Abort({SagaResult::Kind::kNotApplied, index, StepName(index) + " was aborted"}, out);
    case StepOutcome::kOutdated:
      return Abort({.kind = SagaResult::Kind::kNotApplied,
                    .step = index,
                    .why = "somebody wrote past the proxy what it had read on " + StepName(index),
                    .interfered = true},
                   out);
    case StepOutcome::kLost:
      if (plan_.steps[index].kind == StepKind::kExecute) {
        // Its replies went with the connection, so all of it is undone, and that is for sure.
        return Abort({SagaResult::Kind::kNotApplied, index, StepName(index) + " did not answer"},
                     out);
      }
      step.progress = Progress::kReconnecting;
      ArmTimeout(out);
      out.push_back({.kind = Kind::kReconnect, .step = index});
      return;
  }
}

void Saga::StepDone(size_t index, SagaActions& out) {
  steps_[index].progress = Progress::kDone;
  steps_[index].attempts = 0;
  const bool open = std::any_of(steps_.begin(), steps_.end(), [](const Step& each) {
    return each.progress == Progress::kSent || each.progress == Progress::kReconnecting;
  });
  if (!open) RunPhase(out);
}

void Saga::OnReconnected(size_t index, bool reached, Bytes run_id, SagaActions& out) {
  if (state_ != State::kRunning || index >= steps_.size()) return;
  Step& step = steps_[index];
  if (step.progress != Progress::kReconnecting) return;
  RM_CRASH_POINT("saga-reconnected", index);
  if (!reached) return RetryLater(index, out);
  if (run_id != plan_.steps[index].run_id && !limits_.bugs.commit_ignores_run_ids) {
    return Abort({SagaResult::Kind::kNotApplied, index, StepName(index) + " was restarted"}, out);
  }
  if (step.doubtful) {
    step.doubtful = false;
    return StepDone(index, out);
  }
  // The marker tells whether the first one ran.
  step.progress = Progress::kSent;
  step.resent = true;
  out.push_back({.kind = Kind::kSend, .step = index});
}

void Saga::OnRunId(Bytes shard, Bytes run_id, SagaActions& out) {
  if (limits_.bugs.commit_ignores_run_ids || recovered_) return;
  if (state_ != State::kBeginning && state_ != State::kRunning) return;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (plan_.steps[i].shard != shard || plan_.steps[i].run_id == run_id) continue;
    if (state_ == State::kBeginning) {
      // The step would be refused for it anyway, and BEGIN has to be ended properly.
      plan_.steps[i].run_id.clear();
      continue;
    }
    return Abort({SagaResult::Kind::kNotApplied, i, StepName(i) + " was restarted"}, out);
  }
}

void Saga::OnConnectionLost(Bytes shard) {
  if (state_ != State::kRunning || limits_.bugs.commit_ignores_run_ids) return;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (plan_.steps[i].shard != shard) continue;
    if (steps_[i].progress == Progress::kDone) steps_[i].doubtful = true;
  }
}

void Saga::OnCommitted(bool durable, SagaActions& out) {
  if (state_ != State::kCommitting) return;
  RM_CRASH_POINT("saga-committed");
  if (!durable) {
    return Abort({SagaResult::Kind::kNotApplied, 0, "the journal cannot be written"}, out);
  }
  result_ = {SagaResult::Kind::kCommitted, 0, ""};
  if (!replied_) out.push_back({.kind = Kind::kReply});
  replied_ = true;
  Clean(out);
}

void Saga::Clean(SagaActions& out) {
  state_ = State::kCleaning;
  Unlock(out);
  for (size_t i = 0; i < steps_.size(); ++i) {
    Step& step = steps_[i];
    step.progress = Progress::kCleaning;
    step.attempts = 0;
    step.force = step.resent && !limits_.bugs.no_tombstone;
    out.push_back({.kind = Kind::kCleanup, .step = i, .force = step.force});
  }
  if (steps_.empty()) Finish(out);
}

void Saga::OnCleanup(size_t index, bool done, SagaActions& out) {
  if (state_ != State::kCleaning || index >= steps_.size()) return;
  Step& step = steps_[index];
  if (step.progress != Progress::kCleaning) return;
  RM_CRASH_POINT("saga-cleaned", index);
  if (!done) {
    step.force = !limits_.bugs.no_tombstone;
    return RetryLater(index, out);
  }
  step.progress = Progress::kCleaned;
  const bool all = std::all_of(steps_.begin(), steps_.end(), [](const Step& each) {
    return each.progress == Progress::kCleaned;
  });
  if (all) Finish(out);
}

void Saga::Abort(SagaResult result, SagaActions& out) {
  RM_CRASH_POINT("saga-undo");
  state_ = State::kUndoing;
  result_ = std::move(result);
  for (Step& step : steps_) {
    if (!step.ever_sent) step.progress = Progress::kNothing;
    if (limits_.bugs.no_undo_of_lost && step.progress == Progress::kReconnecting) {
      step.progress = Progress::kNothing;
    }
    step.attempts = 0;
  }
  if (limits_.bugs.unlock_before_undo) out.push_back({.kind = Kind::kUnlock});
  UndoPhase(out);
}

bool Saga::UndoSettled(const Step& step) const {
  return step.progress == Progress::kNothing || step.progress == Progress::kUndone ||
         step.progress == Progress::kPoisoned;
}

// Sends the UNDOs of the last phase that has something to undo. A shard that cannot be reached does
// not keep the phases before it waiting.
void Saga::UndoPhase(SagaActions& out) {
  for (;;) {
    int last = -1;
    bool busy = false;
    for (size_t i = 0; i < steps_.size(); ++i) {
      const Progress progress = steps_[i].progress;
      if (UndoSettled(steps_[i]) || progress == Progress::kUndoWaits) continue;
      if (progress == Progress::kUndoing) {
        // One that is tried again for having been lost is nobody's hurdle.
        busy |= steps_[i].attempts == 0 && !steps_[i].slow;
        continue;
      }
      last = std::max(last, static_cast<int>(plan_.steps[i].phase));
    }
    if (busy) return;
    if (last < 0) return UndoStepped(out);
    for (size_t i = 0; i < steps_.size(); ++i) {
      Step& step = steps_[i];
      if (plan_.steps[i].phase != last || UndoSettled(step) ||
          step.progress == Progress::kUndoing || step.progress == Progress::kUndoWaits) {
        continue;
      }
      step.progress = Progress::kUndoing;
      out.push_back({.kind = Kind::kUndo, .step = i, .force = step.force});
    }
    return;
  }
}

void Saga::OnUndo(size_t index, UndoOutcome outcome, SagaActions& out) {
  if (state_ != State::kUndoing || index >= steps_.size()) return;
  Step& step = steps_[index];
  if (step.progress != Progress::kUndoing) return;
  RM_CRASH_POINT("saga-undone", index);
  switch (outcome) {
    case UndoOutcome::kUndone:
      step.progress = Progress::kUndone;
      break;
    case UndoOutcome::kConflict:
      Poison(index, "others wrote its keys since", out);
      break;
    case UndoOutcome::kImageLost:
      step.lost_image = true;
      Poison(index, "an old value is gone from the shard (eviction, FLUSHALL)", out);
      break;
    case UndoOutcome::kNotNow:
      if (step.refused) {
        step.progress = Progress::kNothing;
        break;
      }
      UndoLater(index, out);
      break;
    case UndoOutcome::kFailed:
      if (++step.failures >= limits_.undo_failures) {
        step.lost_image = true;
        Poison(index, "the shard refuses to undo it", out);
        break;
      }
      UndoLater(index, out);
      break;
    case UndoOutcome::kLost:
      UndoLater(index, out);
      break;
  }
  UndoPhase(out);
}

void Saga::UndoLater(size_t index, SagaActions& out) {
  steps_[index].progress = Progress::kUndoWaits;
  ArmTimeout(out);
  RetryLater(index, out);
}

// All that could be undone at once was sent; is it over?
void Saga::UndoStepped(SagaActions& out) {
  if (state_ != State::kUndoing) return;
  bool open = false, poisoned = false, held = false;
  for (size_t i = 0; i < steps_.size(); ++i) {
    open |= !UndoSettled(steps_[i]);
    poisoned |= steps_[i].progress == Progress::kPoisoned;
    held |= steps_[i].lost_image && steps_[i].progress == Progress::kPoisoned;
  }
  if (open && !timed_out_) return;
  ReplyToAbort(out);
  Unlock(out);
  if (open) return;
  if (!poisoned) return Finish(out);
  state_ = State::kPoisoned;
  if (held) out.push_back({.kind = Kind::kTimer, .timer = Timer::kHold, .delay = limits_.hold});
}

void Saga::ReplyToAbort(SagaActions& out) {
  if (replied_) return;
  for (size_t i = 0; i < steps_.size(); ++i) {
    // What is still open needs its locks, and may undo itself at any time.
    if (!UndoSettled(steps_[i])) result_.interfered = false;
    if (steps_[i].progress != Progress::kPoisoned) continue;
    result_ = {SagaResult::Kind::kUncertain, i,
               fmt::format("{} could not be undone, see PROXY SAGAS SHOW {}", StepName(i),
                           SagaName(plan_.id))};
  }
  replied_ = true;
  out.push_back({.kind = Kind::kReply});
}

// Keeps what is not settled: a dead shard's keys, and for a while those whose old value is lost.
void Saga::Unlock(SagaActions& out) {
  SagaAction action{.kind = Kind::kUnlock};
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const bool open = state_ == State::kUndoing && !UndoSettled(step);
    const bool held =
        step.progress == Progress::kPoisoned && step.lost_image && state_ != State::kPoisoned;
    if (open || held) action.keep.push_back(i);
  }
  out.push_back(std::move(action));
}

void Saga::Poison(size_t index, const std::string& why, SagaActions& out) {
  RM_CRASH_POINT("saga-poison");
  steps_[index].progress = Progress::kPoisoned;
  out.push_back({.kind = Kind::kPoison, .step = index, .text = why});
}

void Saga::Finish(SagaActions& out) {
  RM_CRASH_POINT("saga-finish");
  state_ = State::kFinished;
  out.push_back({.kind = Kind::kEnd});
  out.push_back({.kind = Kind::kFinished});
}

void Saga::ArmTimeout(SagaActions& out) {
  if (timeout_armed_) return;
  timeout_armed_ = true;
  out.push_back({.kind = Kind::kTimer, .timer = Timer::kTimeout, .delay = limits_.timeout});
}

void Saga::OutOfPatience(SagaActions& out) {
  size_t slow = steps_.size();
  for (size_t i = steps_.size(); i-- > 0;) {
    const Progress progress = steps_[i].progress;
    if (progress != Progress::kSent && progress != Progress::kReconnecting) continue;
    steps_[i].slow = true;
    slow = i;
  }
  if (slow == steps_.size()) return;
  timed_out_ = timeout_armed_ = true;
  Abort({SagaResult::Kind::kNotApplied, slow, StepName(slow) + " takes long to answer"}, out);
  UndoPhase(out);  // nobody else's undo may be to come
}

void Saga::RetryLater(size_t index, SagaActions& out) {
  Step& step = steps_[index];
  const int doublings = std::min(step.attempts++, 16);
  const Duration delay = std::min(limits_.retry_max, limits_.retry_min * (1 << doublings));
  out.push_back({.kind = Kind::kTimer, .step = index, .timer = Timer::kRetry, .delay = delay});
}

void Saga::OnTimer(Timer timer, size_t index, SagaActions& out) {
  if (timer == Timer::kHold) {
    if (state_ == State::kPoisoned) Unlock(out);
    return;
  }
  if (timer == Timer::kPatience) {
    if (state_ == State::kRunning) OutOfPatience(out);
    return;
  }
  if (timer == Timer::kTimeout) {
    timed_out_ = true;
    if (state_ == State::kRunning) {
      size_t dead = 0;
      while (dead + 1 < steps_.size() && steps_[dead].progress != Progress::kReconnecting) ++dead;
      if (steps_.empty() || steps_[dead].progress != Progress::kReconnecting) {
        // What was lost has been found again. The next loss has its own time.
        timed_out_ = timeout_armed_ = false;
        return;
      }
      Abort({SagaResult::Kind::kNotApplied, dead, StepName(dead) + " cannot be reached"}, out);
    } else if (state_ == State::kUndoing) {
      UndoPhase(out);
    }
    return;
  }
  if (index >= steps_.size()) return;
  Step& step = steps_[index];
  if (state_ == State::kRunning && step.progress == Progress::kReconnecting) {
    out.push_back({.kind = Kind::kReconnect, .step = index});
  } else if (state_ == State::kUndoing && step.progress == Progress::kUndoWaits) {
    step.progress = Progress::kUndoing;
    out.push_back({.kind = Kind::kUndo, .step = index, .force = step.force});
  } else if (state_ == State::kCleaning && step.progress == Progress::kCleaning) {
    out.push_back({.kind = Kind::kCleanup, .step = index, .force = step.force});
  }
}

}  // namespace ringmaster
