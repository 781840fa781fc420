// One saga's state machine (docs/sagas.md): events in, actions out. It knows no clock, no
// socket and no thread; whoever runs it carries out the actions in their order and brings back what
// came of them, as events, later: never from inside the call that returned the action.
//
//   lock -> BEGIN durable -> steps, phase by phase -> COMMIT durable -> reply, unlock -> cleanup ->
//   END
//                              | an error, a timeout, another server behind a shard's address
//                              v
//                            undo, last phase first -> reply, unlock -> END, or poisoned
//
// Presumed abort: R1 nothing is sent before BEGIN is durable; R2 no OK and no image dropped before
// COMMIT is; R3 an abort needs no record; R4 END may come late or never; R5 it commits only when
// every shard is still the server that it was at BEGIN.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "saga/plan.h"

namespace ringmaster {

struct SagaAction {
  enum class Kind : uint8_t {
    kLock,       // all keys of the plan, and what the saga reads; answer: OnLocked or OnLockRefused
    kBegin,      // journal the plan; answer: OnBegun
    kSend,       // `step`; answer: OnStep. Its request may be made only now
    kReconnect,  // reach the shard of `step` again, with the old connection fenced: OnReconnected
    kCommit,     // journal; answer: OnCommitted
    kReply,      // result() is final: the client's answer
    kUndo,       // `step`, overwriting others' writes if `force`; answer: OnUndo
    kCleanup,    // `step`, leaving a tombstone if `force`; answer: OnCleanup
    kUnlock,     // all keys but those of the steps in `keep`
    kPoison,     // journal that `step` cannot be undone, for the reason in `text`; no answer
    kEnd,        // journal, at leisure; no answer
    kTimer,     // OnTimer(timer, step) after `delay`; there is no cancelling, late ones are ignored
    kFinished,  // the last one ever: nothing of the saga is left
  };
  enum class Timer : uint8_t { kTimeout, kRetry, kHold, kPatience };

  Kind kind;
  size_t step = 0;
  bool force = false;
  Timer timer = Timer::kTimeout;
  Duration delay{};
  std::vector<size_t> keep = {};
  std::string text = {};

  bool operator==(const SagaAction&) const = default;
};
using SagaActions = std::vector<SagaAction>;

// What is to be said to the client.
struct SagaResult {
  enum class Kind : uint8_t {
    kOpen,        // not decided
    kCommitted,   // applied as a whole
    kRefused,     // nothing applied: the answer of `step` says why (an error, or EXISTS)
    kNotApplied,  // nothing applied: `why`
    kUncertain,   // could not be undone as a whole: `why`
  };
  Kind kind = Kind::kOpen;
  size_t step = 0;
  std::string why = {};    // for kNotApplied and kUncertain; names the shard
  std::string shard = {};  // of the step, for the client's error
  // kNotApplied: somebody wrote past the proxy what was read, and all of it is undone; it may be
  // tried again.
  bool interfered = false;
  // When `interfered`: the saga's locks, handed back (lock/key_locks.h). 0: there were none.
  uint64_t ticket = 0;
};

enum class StepOutcome : uint8_t {
  kDone,
  kRefused,   // an error or EXISTS: did nothing (kExecute: nothing but prepare)
  kAborted,   // it found an abort mark
  kOutdated,  // kExecute: what it was made from is not so any more, or nobody knows: did nothing
  kNotSent,   // surely never left
  kLost,      // sent, no answer, or one that makes no sense
};
enum class UndoOutcome : uint8_t {
  kUndone,
  kConflict,
  kImageLost,
  kNotNow,  // the shard takes no writes for now, whatever they are
  kFailed,
  kLost,
};

// Mistakes on purpose, so that tests can show that the simulator finds them. All off.
struct SagaBugs {
  bool commit_ignores_run_ids = false;
  bool reply_before_commit = false;
  bool cleanup_before_commit = false;
  bool unlock_before_undo = false;
  bool send_before_begin = false;
  bool lost_counts_as_done = false;
  bool no_undo_of_lost = false;
  bool recovery_redoes_nothing = false;
  bool no_tombstone = false;
  bool outdated_counts_as_done = false;
};

struct SagaLimits {
  Duration timeout = std::chrono::seconds(5);  // for a shard that cannot be reached
  // For all steps together: beyond it the saga is undone, and those that did not answer, like those
  // that cannot be reached, keep nobody waiting. None: steps may take as long as their connections
  // wait.
  std::optional<Duration> patience = {};
  Duration hold = std::chrono::seconds(60);  // keys whose image is lost stay locked so long
  Duration retry_min = std::chrono::milliseconds(50);
  Duration retry_max = std::chrono::seconds(5);
  int undo_failures = 10;  // errors in reply to UNDO, then the step is poisoned
  SagaBugs bugs = {};
};

class Saga {
 public:
  enum class State : uint8_t {
    kNew,
    kLocking,
    kBeginning,
    kRunning,
    kCommitting,
    kUndoing,
    kCleaning,
    kPoisoned,
    kFinished
  };
  // How the journal has it. A poisoned one waits for the operator and holds no locks.
  enum class Found : uint8_t { kBegun, kCommitted, kPoisoned };

  Saga(SagaPlan plan, const SagaLimits& limits);
  // One that a former process left open: it is undone, or cleaned up when it was committed; there
  // is no client. `poisoned`: its steps that could not be undone.
  static Saga Recovered(SagaPlan plan, Found found, const std::vector<size_t>& poisoned,
                        const SagaLimits& limits);

  void Start(SagaActions& out);
  void OnLocked(SagaActions& out);
  void OnLockRefused(std::string why, SagaActions& out);
  void OnBegun(bool durable, SagaActions& out);
  // `run_id`: of the server behind the connection that the step used.
  void OnStep(size_t step, StepOutcome outcome, Bytes run_id, SagaActions& out);
  void OnReconnected(size_t step, bool reached, Bytes run_id, SagaActions& out);
  // Another server was found behind the address of a shard. Call it as soon as it is known.
  void OnRunId(Bytes shard, Bytes run_id, SagaActions& out);
  // The connection over which steps of `shard` ran is gone: before COMMIT it is looked whether that
  // was because the server is another one now.
  void OnConnectionLost(Bytes shard);
  void OnCommitted(bool durable, SagaActions& out);
  void OnUndo(size_t step, UndoOutcome outcome, SagaActions& out);
  void OnCleanup(size_t step, bool done, SagaActions& out);
  void OnTimer(SagaAction::Timer timer, size_t step, SagaActions& out);

  // The operator (5.7). An error text when the state does not allow it; empty: done. The caller
  // journals the reason first.
  std::string Retry(bool force, SagaActions& out);  // undo poisoned steps once more
  std::string Skip(size_t step, SagaActions& out);  // this poisoned step stays as it is
  std::string Forget(SagaActions& out);             // all of them; images stay on their shards

  State state() const { return state_; }
  const SagaPlan& plan() const { return plan_; }
  const SagaResult& result() const { return result_; }
  bool recovered() const { return recovered_; }
  bool settled() const { return state_ == State::kPoisoned || state_ == State::kFinished; }
  // Steps that nobody could reach since the timeout: they keep their keys.
  std::vector<size_t> Unreachable() const;
  // Everything that is left was tried, and waits for a shard that does not answer.
  bool WaitsForShards() const;
  std::string Describe() const;  // one line: "undoing, 2 of 3 steps settled, ..."

 private:
  enum class Progress : uint8_t {
    kIdle,
    kSent,
    kReconnecting,
    kDone,
    kNothing,  // kNothing: surely did nothing and never will
    kUndoing,
    kUndoWaits,
    kUndone,
    kPoisoned,
    kCleaning,
    kCleaned
  };
  struct Step {
    Progress progress = Progress::kIdle;
    bool resent = false;
    bool ever_sent = false;
    bool doubtful = false;  // done, and the connection was lost since
    bool slow = false;      // it did not answer in time: its undo is nobody's hurdle
    bool refused = false;   // was heard while it was undone: it did nothing
    bool lost_image = false;
    int attempts = 0;  // in a row, for the backoff
    int failures = 0;
    bool force = false;
  };

  void RunPhase(SagaActions& out);
  void PhaseDone(SagaActions& out);
  void StepDone(size_t step, SagaActions& out);
  void Abort(SagaResult result, SagaActions& out);
  void UndoPhase(SagaActions& out);
  void UndoStepped(SagaActions& out);
  void UndoLater(size_t step, SagaActions& out);
  void ReplyToAbort(SagaActions& out);
  void Unlock(SagaActions& out);
  void Clean(SagaActions& out);
  void Poison(size_t step, const std::string& why, SagaActions& out);
  void Finish(SagaActions& out);
  void ArmTimeout(SagaActions& out);
  void OutOfPatience(SagaActions& out);
  void RetryLater(size_t step, SagaActions& out);
  bool UndoSettled(const Step& step) const;
  std::string StepName(size_t step) const;

  SagaPlan plan_;
  SagaLimits limits_;
  std::vector<Step> steps_;
  State state_ = State::kNew;
  SagaResult result_;
  bool recovered_ = false;
  Found found_ = Found::kBegun;
  bool replied_ = false;
  bool timeout_armed_ = false;
  bool timed_out_ = false;
  uint8_t phase_ = 0;
};

}  // namespace ringmaster
