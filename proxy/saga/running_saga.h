// One saga at work: the state machine's actions become requests, records and timers, and what comes
// of them its events. Private to saga_set.cc and running_saga.cc.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "saga/cleanup.h"
#include "saga/saga_set.h"

namespace ringmaster {

class SagaSet::Running {
 public:
  using ReplyTo = std::shared_ptr<Completion<SagaResult>>;

  Running(SagaSet& set, SagaPlan plan, std::shared_ptr<SagaWork> work, LockTicket ticket,
          std::optional<Duration> patience, ReplyTo reply);

  // One that a former process left open; its state machine is the recovery's.
  Running(SagaSet& set, Saga& saga, size_t index, RecoveringSagas& recovery,
          std::vector<std::string> notes);

  void Start();
  // Of a recovered one, when the recovery lets it.
  void CarryOut(SagaAction action);
  void OnBegun(bool durable);
  void OnCommitted(bool durable);
  void OnTimer(SagaAction::Timer kind, size_t step);
  void OnConnectionLost(const std::string& shard) { saga_.OnConnectionLost(shard); }
  void OnRunId(const std::string& shard, const std::string& run_id);
  // Something of ours is under way: we cannot be freed.
  bool busy() const { return busy_ > 0; }
  TimePoint began() const { return began_; }
  bool settled() const { return saga_.settled(); }
  // What it left on the shards is there until it ends. Empty: it is not committed.
  std::optional<TimePoint> committed_at() const { return committed_at_; }
  void Swept(size_t index, Sweep::Outcome outcome);
  SagaRecord Record(TimePoint now) const;
  Result<std::string> Carry(const SagaOrder& order);

 private:
  SagaId id() const { return saga_.plan().id; }
  const SagaStep& step(size_t index) const { return saga_.plan().steps[index]; }
  void Take(SagaActions actions);
  void Work(SagaActions actions);
  void Lock();
  void Do(const SagaAction& action);
  void Begin();
  void Commit();
  void Answer();
  void Reply();
  void Unlock(const std::vector<size_t>& keep);
  void ReleaseAll();
  void Finish();
  FencedConnection* ConnectionFor(size_t index);
  void Run(Task<void> task);
  Task<void> Guarded(Task<void> task);
  // What one step has sent, and is being asked. Steps and cleanups come by the thousand, so they do
  // without coroutines.
  struct StepAsk final : Asking {
    enum class What : uint8_t { kNative, kScript, kCleanup };

    StepAsk() : Asking(FencedConnection::kMaxReply) {}
    void OnAnswer(ringmaster::Answer answer) override { saga->OnAnswer(*this, std::move(answer)); }

    Running* saga = nullptr;
    size_t index = 0;
    What what = What::kScript;
    ScriptForm form = ScriptForm::kSha;
    bool force = false;
    FencedConnection* connection = nullptr;  // there while it answers
    size_t times = 0;                        // the step was sent
    size_t answered = 0;                     // of them
    uint32_t stream = 0;                     // that the last one went over, of a script
    std::string had;                         // of a step that was answered
    bool swept = false;                      // what it left may have been dropped already
    bool looks = false;                      // the cleanup asks for the marker first
  };

  void MakeAsks();
  void Send(size_t index);
  void Cleanup(size_t index, bool force);
  // Over the shard's connection, at once or when it is up.
  void Ask(size_t index, StepAsk::What what, bool force);
  Task<void> AskWhenReady(size_t index, StepAsk::What what, bool force);
  void AskStep(StepAsk& ask, ScriptForm form);
  void AskCleanup(StepAsk& ask, ScriptForm form);
  void NotAsked(StepAsk& ask);
  void OnAnswer(StepAsk& ask, ringmaster::Answer answer);
  void OnStepAnswer(StepAsk& ask, const ringmaster::Answer& answer);
  void OnCleanupAnswer(StepAsk& ask, const ringmaster::Answer& answer);
  void Cleaned(size_t index, bool done);
  void FindLost(StepAsk& ask, Bytes marker);
  Task<void> SendExecution(size_t index);
  Task<void> Reconnect(size_t index);
  Task<void> Undo(size_t index, bool force);
  void Undone(size_t index, UndoOutcome outcome);
  // It carries nothing home: it only sees whether what was read there is still so.
  bool OnlyLooks(size_t index) const { return step(index).phase > 0 && step(index).keys.empty(); }
  void Answered(size_t index, const StepAnswer& said, const std::string& run_id);
  void Stepped(size_t index, StepOutcome outcome, const std::string& run_id);

  SagaSet& set_;
  std::unique_ptr<Saga> own_;  // empty: recovered
  Saga& saga_;
  RecoveringSagas* recovery_ = nullptr;
  size_t index_ = 0;  // in the recovery
  const std::shared_ptr<SagaWork> work_;
  LockTicket ticket_;
  ReplyTo reply_;
  const TimePoint began_;
  bool copies_ =
      false;  // foreign ones lie on a shard until they are cleaned up: locked until the end
  std::optional<TimePoint> committed_at_;  // then the client had its answer
  std::deque<SagaAction> actions_;
  bool lost_part_ = false;  // a primary took some of it along that was told to be done
  bool taking_ = false;
  bool over_ = false;  // the last action came by
  size_t busy_ = 0;
  std::unique_ptr<StepAsk[]> asks_;                           // by step
  std::map<size_t, std::unique_ptr<FencedConnection>> lent_;  // by kExecute step, until the end
  std::vector<std::string> notes_;
};

}  // namespace ringmaster
