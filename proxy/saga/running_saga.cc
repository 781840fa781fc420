#include "saga/running_saga.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "base/log.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"
#include "saga/journal.h"
#include "saga/recovering_sagas.h"

namespace ringmaster {

using Kind = SagaAction::Kind;

namespace {

SagaLimits LimitsWith(SagaLimits limits, std::optional<Duration> patience) {
  limits.patience = patience;
  return limits;
}

void AddLocks(const SagaStep& step, std::vector<LockKey>& keys) {
  for (const StepKey& key : step.keys) keys.push_back({step.database, key.key, false});
}

}  // namespace

SagaSet::Running::Running(SagaSet& set, SagaPlan plan, std::shared_ptr<SagaWork> work,
                          LockTicket ticket, std::optional<Duration> patience, ReplyTo reply)
    : set_(set),
      own_(std::make_unique<Saga>(std::move(plan), LimitsWith(set.pool_.limits, patience))),
      saga_(*own_),
      work_(std::move(work)),
      ticket_(ticket),
      reply_(std::move(reply)),
      began_(set.now_()) {
  for (const SagaStep& each : saga_.plan().steps) copies_ = copies_ || !each.copies.empty();
  MakeAsks();
}

SagaSet::Running::Running(SagaSet& set, Saga& saga, size_t index, RecoveringSagas& recovery,
                          std::vector<std::string> notes)
    : set_(set),
      saga_(saga),
      recovery_(&recovery),
      index_(index),
      ticket_(0),
      began_(set.now_()),
      notes_(std::move(notes)) {
  for (const SagaStep& each : saga_.plan().steps) {
    copies_ = copies_ || !each.copies.empty();
  }
  MakeAsks();
}

void SagaSet::Running::MakeAsks() {
  const size_t count = saga_.plan().steps.size();
  asks_ = std::make_unique<StepAsk[]>(count);
  for (size_t i = 0; i < count; ++i) {
    asks_[i].saga = this;
    asks_[i].index = i;
  }
}

void SagaSet::Running::Start() {
  SagaActions out;
  saga_.Start(out);
  Take(std::move(out));
}

void SagaSet::Running::Take(SagaActions actions) {
  // What is to be sent waits until its shard is fenced, and comes back by CarryOut.
  if (recovery_ != nullptr) return recovery_->Take(index_, std::move(actions));
  Work(std::move(actions));
}

void SagaSet::Running::CarryOut(SagaAction action) {
  SagaActions one;
  one.push_back(std::move(action));
  Work(std::move(one));
}

// An action may bring its event at once; the state machine gets it when it has returned.
void SagaSet::Running::Work(SagaActions actions) {
  for (SagaAction& action : actions) actions_.push_back(std::move(action));
  if (taking_) return;
  taking_ = true;
  while (!actions_.empty() && !set_.closed_) {
    const SagaAction action = std::move(actions_.front());
    actions_.pop_front();
    Do(action);
  }
  taking_ = false;
  if (over_) Finish();
}

void SagaSet::Running::Run(Task<void> task) { set_.tasks_.Add(Guarded(std::move(task))); }

Task<void> SagaSet::Running::Guarded(Task<void> task) {
  ++busy_;
  co_await std::move(task);
  --busy_;
}

void SagaSet::Running::Do(const SagaAction& action) {
  switch (action.kind) {
    case Kind::kLock:
      return Lock();
    case Kind::kBegin:
      return Begin();
    case Kind::kSend:
      return Send(action.step);
    case Kind::kReconnect:
      return Run(Reconnect(action.step));
    case Kind::kCommit:
      return Commit();
    case Kind::kReply:
      return Answer();
    case Kind::kUndo:
      if (work_ != nullptr) work_->GiveUp();
      if (OnlyLooks(action.step)) return Undone(action.step, UndoOutcome::kUndone);
      return Run(Undo(action.step, action.force));
    case Kind::kCleanup:
      return Cleanup(action.step, action.force);
    case Kind::kUnlock:
      return Unlock(action.keep);
    case Kind::kPoison:
      set_.pool_.figures.poisoned.fetch_add(1, std::memory_order_relaxed);
      notes_.push_back(fmt::format("step {}: {}", action.step, action.text));
      LogError("saga {} ({}): step {} on shard {} cannot be undone: {}; see PROXY SAGAS SHOW {}",
               SagaName(id()), saga_.plan().command, action.step, step(action.step).shard,
               action.text, SagaName(id()));
      if (set_.pool_.journal != nullptr) set_.records_.Poison(id(), action.step, action.text);
      return;
    case Kind::kEnd:
      if (set_.pool_.journal != nullptr) set_.records_.End(id());
      return;
    case Kind::kTimer:
      return set_.After(action.delay, [set = &set_, id = id(), action] {
        if (Running* saga = set->Find(id)) saga->OnTimer(action.timer, action.step);
      });
    case Kind::kFinished:
      over_ = true;
      return;
  }
}

// They came with us, unless we are recovered.
void SagaSet::Running::Lock() {
  const auto locked = [set = &set_, alive = set_.alive_, id = id()](LockTicket ticket) {
    Running* saga = *alive ? set->Find(id) : nullptr;
    if (saga == nullptr) return;
    saga->ticket_ = ticket;
    SagaActions out;
    saga->saga_.OnLocked(out);
    saga->Take(std::move(out));
  };
  if (recovery_ == nullptr) return locked(ticket_);
  constexpr size_t kFirstWorker = 0;  // where recovery works
  std::vector<LockKey> keys;
  for (const SagaStep& each : saga_.plan().steps) AddLocks(each, keys);
  set_.pool_.locks.Request(kFirstWorker, std::move(keys), locked);
}

void SagaSet::Running::Begin() {
  if (set_.pool_.journal == nullptr) return OnBegun(true);
  set_.records_.Begin(saga_.plan());
  set_.asked_.emplace_back(id(), JournalBatch::Kind::kBegin);
}

void SagaSet::Running::OnBegun(bool durable) {
  SagaActions out;
  saga_.OnBegun(durable, out);
  Take(std::move(out));
}

void SagaSet::Running::Commit() {
  if (set_.pool_.journal == nullptr) return OnCommitted(true);
  set_.records_.Commit(id());
  set_.asked_.emplace_back(id(), JournalBatch::Kind::kCommit);
}

void SagaSet::Running::OnCommitted(bool durable) {
  SagaActions out;
  saga_.OnCommitted(durable, out);
  Take(std::move(out));
}

void SagaSet::Running::Answer() {
  SagaFigures& figures = set_.pool_.figures;
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(set_.now_() - began_);
  figures.Took(static_cast<uint64_t>(std::max<int64_t>(0, took.count())));
  const SagaResult::Kind kind = saga_.result().kind;
  auto& counter = kind == SagaResult::Kind::kCommitted   ? figures.committed
                  : kind == SagaResult::Kind::kUncertain ? figures.uncertain
                                                         : figures.undone;
  counter.fetch_add(1, std::memory_order_relaxed);
  RM_CRASH_POINT("saga-answer");
  if (kind == SagaResult::Kind::kCommitted) {
    committed_at_ = set_.now_();
    ++set_.unswept_;
  }
  Reply();
}

void SagaSet::Running::Reply() {
  if (const ReplyTo reply = std::exchange(reply_, nullptr)) {
    SagaResult result = saga_.result();
    if (result.interfered) result.ticket = std::exchange(ticket_, 0);
    if (result.kind != SagaResult::Kind::kCommitted) {
      result.shard = step(std::min(result.step, saga_.plan().steps.size() - 1)).shard;
    }
    reply->Complete(std::move(result));
  }
}

// Copies of foreign keys must be gone before somebody else copies the same key there.
void SagaSet::Running::Unlock(const std::vector<size_t>& keep) {
  if (ticket_ == 0) return;
  if (copies_ && !saga_.settled()) return;
  if (keep.empty()) return ReleaseAll();
  std::vector<LockKey> held;
  for (const size_t index : keep) AddLocks(step(index), held);
  set_.pool_.locks.ReleaseOthers(ticket_, held);
}

void SagaSet::Running::ReleaseAll() {
  if (ticket_ != 0) set_.pool_.locks.Release(std::exchange(ticket_, 0));
}

void SagaSet::Running::Finish() {
  const auto at = set_.sagas_.find(id());
  if (at == set_.sagas_.end()) return;
  if (committed_at_) --set_.unswept_;
  ReleaseAll();
  if (recovery_ != nullptr || lost_part_ || saga_.result().kind != SagaResult::Kind::kCommitted) {
    constexpr size_t kRecent = 64;
    set_.recent_.push_back(Record(set_.now_()));
    set_.recent_.back().notes.push_back(saga_.result().why);
    if (set_.recent_.size() > kRecent) set_.recent_.pop_front();
  }
  if (recovery_ != nullptr) {
    set_.pool_.figures.recovered.fetch_add(1, std::memory_order_relaxed);
    LogInfo("saga {} ({}), left open by a former process, is settled: {}", SagaName(id()),
            saga_.plan().command,
            saga_.result().kind == SagaResult::Kind::kCommitted ? "applied" : "not applied");
  }
  // Whoever called us may still look at us.
  set_.finished_.push_back(std::move(at->second));
  set_.sagas_.erase(at);
  // An execution that was undone meanwhile may still wait there; it gets its end now, and leads
  // back here.
  auto lent = std::exchange(lent_, {});
  for (auto& [index, connection] : lent) {
    if (connection == nullptr) continue;
    set_.Return(std::move(connection));
  }
}

FencedConnection* SagaSet::Running::ConnectionFor(size_t index) {
  return set_.Shared(step(index).shard, step(index).database);
}

void SagaSet::Running::Stepped(size_t index, StepOutcome outcome, const std::string& run_id) {
  SagaActions out;
  saga_.OnStep(index, outcome, run_id, out);
  Take(std::move(out));
}

void SagaSet::Running::Send(size_t index) {
  if (step(index).kind == StepKind::kExecute) return Run(SendExecution(index));
  Ask(index, StepAsk::What::kScript, false);
}

// What is cheap, and what nobody waits for, waits for the next request to the same shard.
void SagaSet::Running::Cleanup(size_t index, bool force) {
  if (OnlyLooks(index)) return Cleaned(index, true);
  FencedConnection* connection = ConnectionFor(index);
  const bool same = connection != nullptr &&
                    (connection->run_id().empty() || connection->run_id() == step(index).run_id);
  if (!force && recovery_ == nullptr && !copies_ && same) {
    RM_CRASH_POINT("saga-cleanup-send", index);
    return set_.SweepLater(*connection, saga_.plan(), index, asks_[index].had);
  }
  Ask(index, StepAsk::What::kCleanup, force);
}

void SagaSet::Running::Ask(size_t index, StepAsk::What what, bool force) {
  StepAsk& ask = asks_[index];
  ask.what = what;
  ask.force = force;
  ask.connection = ConnectionFor(index);
  if (ask.connection == nullptr) return NotAsked(ask);
  if (!ask.connection->ready()) return Run(AskWhenReady(index, what, force));
  what == StepAsk::What::kCleanup ? AskCleanup(ask, ScriptForm::kSha)
                                  : AskStep(ask, ScriptForm::kSha);
}

Task<void> SagaSet::Running::AskWhenReady(size_t index, StepAsk::What what, bool force) {
  const bool ready = co_await asks_[index].connection->Ready();
  ready ? Ask(index, what, force) : NotAsked(asks_[index]);
}

void SagaSet::Running::NotAsked(StepAsk& ask) {
  ask.what == StepAsk::What::kCleanup ? Cleaned(ask.index, false)
                                      : Stepped(ask.index, StepOutcome::kNotSent, {});
}

void SagaSet::Running::AskStep(StepAsk& ask, ScriptForm form) {
  std::string request;
  size_t replies = 0;
  if (ask.times == 0) replies = work_->AppendNativeStep(request, saga_.plan(), ask.index);
  ask.what = replies > 0 ? StepAsk::What::kNative : StepAsk::What::kScript;
  if (replies == 0 && !work_->AppendStep(request, saga_.plan(), ask.index, form)) {
    return Stepped(ask.index, StepOutcome::kDone, ask.connection->run_id());
  }
  RM_CRASH_POINT("saga-step-send", ask.index);
  ask.form = form;
  ++ask.times;
  ask.stream = ask.connection->generation();
  ++busy_;
  ask.connection->Send(ask, request, static_cast<uint32_t>(std::max<size_t>(replies, 1)));
  set_.SweepWith(*ask.connection);
}

void SagaSet::Running::AskCleanup(StepAsk& ask, ScriptForm form) {
  std::string request;
  ask.looks =
      recovery_ == nullptr && !ask.swept && ask.connection->run_id() != step(ask.index).run_id;
  if (ask.looks) request = MakeRequest({"EXISTS", MarkerName(id(), ask.index)});
  AppendCleanup(request, saga_.plan(), ask.index, ask.force, form);
  RM_CRASH_POINT("saga-cleanup-send", ask.index);
  ask.form = form;
  ++busy_;
  ask.connection->Send(ask, request, ask.looks ? 2 : 1);
}

// Nobody dropped its marker, so the server in the shard's place never had the step.
void SagaSet::Running::FindLost(StepAsk& ask, Bytes marker) {
  ask.swept = true;
  if (ReadReply(marker).count != 0 || ReadReply(marker).is_error()) return;
  lost_part_ = true;
  set_.pool_.figures.conflicts.fetch_add(1, std::memory_order_relaxed);
  notes_.push_back(fmt::format("step {}: shard {} lost it with its former primary", ask.index,
                               step(ask.index).shard));
  LogError(
      "saga {} ({}): it was told to be done, and shard {} lost its step {} with its former "
      "primary: the write is there in part",
      SagaName(id()), saga_.plan().command, step(ask.index).shard, ask.index);
}

void SagaSet::Running::OnAnswer(StepAsk& ask, ringmaster::Answer answer) {
  --busy_;
  ask.what == StepAsk::What::kCleanup ? OnCleanupAnswer(ask, answer) : OnStepAnswer(ask, answer);
}

void SagaSet::Running::OnStepAnswer(StepAsk& ask, const ringmaster::Answer& answer) {
  if (answer.outcome == Outcome::kNotApplied) {
    return Stepped(ask.index, StepOutcome::kNotSent, {});
  }
  if (answer.outcome == Outcome::kUncertain) return Stepped(ask.index, StepOutcome::kLost, {});
  const bool native = ask.what == StepAsk::What::kNative;
  if (!native && ask.form == ScriptForm::kSha && IsNoScript(answer.reply)) {
    --ask.times;  // it did nothing
    return ask.connection->ready() ? AskStep(ask, ScriptForm::kText) : NotAsked(ask);
  }
  ++ask.answered;
  const StepAnswer said =
      native ? work_->ReadNativeStep(answer.reply, step(ask.index)) : ReadStep(answer.reply);
  ask.had = said.had;
  Answered(ask.index, said, ask.connection->run_id());
}

void SagaSet::Running::OnCleanupAnswer(StepAsk& ask, const ringmaster::Answer& answer) {
  if (answer.outcome != Outcome::kReplied) {
    ask.swept = ask.swept || answer.outcome == Outcome::kUncertain;
    return Cleaned(ask.index, false);
  }
  Bytes reply = answer.reply;
  if (ask.looks) {
    const Bytes marker = reply.substr(0, reply.find('\n') + 1);
    reply.remove_prefix(marker.size());
    FindLost(ask, marker);
  }
  if (ask.form == ScriptForm::kSha && IsNoScript(reply) && ask.connection->ready()) {
    return AskCleanup(ask, ScriptForm::kText);
  }
  Cleaned(ask.index, ReadCleanup(reply, nullptr));
}

void SagaSet::Running::Swept(size_t index, Sweep::Outcome outcome) {
  if (outcome == Sweep::Outcome::kLost) asks_[index].swept = true;
  Cleaned(index, outcome == Sweep::Outcome::kGone);
}

void SagaSet::Running::Cleaned(size_t index, bool done) {
  SagaActions out;
  saga_.OnCleanup(index, done, out);
  Take(std::move(out));
}

void SagaSet::Running::Answered(size_t index, const StepAnswer& said, const std::string& run_id) {
  work_->OnAnswer(index, said);
  StepOutcome outcome = StepOutcome::kLost;
  if (said.kind == StepAnswer::Kind::kDone) outcome = StepOutcome::kDone;
  if (said.kind == StepAnswer::Kind::kAborted) outcome = StepOutcome::kAborted;
  if (said.kind == StepAnswer::Kind::kExists || said.kind == StepAnswer::Kind::kRefused) {
    outcome = StepOutcome::kRefused;
  }
  Stepped(index, outcome, run_id);
}

Task<void> SagaSet::Running::SendExecution(size_t index) {
  std::unique_ptr<FencedConnection>& place = lent_[index];
  if (place == nullptr) place = work_->TakeConnection(index);
  if (place == nullptr) {
    place = set_.Lend(step(index).shard, step(index).database, work_->resp());
  }
  FencedConnection* connection = place.get();
  const bool reached = connection != nullptr && co_await connection->Ready();
  if (!reached) co_return Stepped(index, StepOutcome::kNotSent, {});
  const std::string run_id = connection->run_id();
  ++asks_[index].times;
  const StepOutcome outcome = co_await work_->Execute(saga_.plan(), index, *connection);
  if (outcome != StepOutcome::kLost) ++asks_[index].answered;
  if (outcome == StepOutcome::kOutdated) {
    set_.pool_.figures.interfered.fetch_add(1, std::memory_order_relaxed);
  }
  Stepped(index, outcome, outcome == StepOutcome::kDone ? run_id : std::string());
}

Task<void> SagaSet::Running::Reconnect(size_t index) {
  FencedConnection* connection = ConnectionFor(index);
  const auto lent = lent_.find(index);
  if (lent != lent_.end()) connection = lent->second.get();
  const bool reached = connection != nullptr && co_await connection->Ready();
  SagaActions out;
  saga_.OnReconnected(index, reached, reached ? connection->run_id() : std::string(), out);
  if (reached) set_.OnRunId(step(index).shard, connection->run_id());
  Take(std::move(out));
}

Task<void> SagaSet::Running::Undo(size_t index, bool force) {
  UndoOutcome outcome = UndoOutcome::kLost;
  FencedConnection* connection = ConnectionFor(index);
  // What an execution may have sent is fenced first, over its own connection.
  const auto lent = lent_.find(index);
  bool fenced = true;
  if (lent != lent_.end() && lent->second != nullptr) fenced = co_await lent->second->Ready();
  if (fenced && connection != nullptr && co_await connection->Ready()) {
    for (const ScriptForm form : {ScriptForm::kSha, ScriptForm::kText}) {
      std::string request;
      // What was not answered, or sent by a former process, may still be under way; unless it is
      // before us in the same stream.
      const StepAsk& sent = asks_[index];
      const bool before_us = sent.times == 1 && sent.stream == connection->generation() &&
                             step(index).kind == StepKind::kScript;
      const bool settled = before_us || (sent.times > 0 && sent.times == sent.answered);
      AppendUndo(request, saga_.plan(), index, force, form, !settled);
      RM_CRASH_POINT("saga-undo-send", index);
      const ringmaster::Answer answer = co_await connection->Ask(std::move(request), 1);
      if (answer.outcome != Outcome::kReplied) break;
      if (form == ScriptForm::kSha && IsNoScript(answer.reply)) continue;
      const UndoAnswer said = ReadUndo(answer.reply);
      switch (said.kind) {
        case UndoAnswer::Kind::kNotApplied:
        case UndoAnswer::Kind::kUndone:
          outcome = UndoOutcome::kUndone;
          break;
        case UndoAnswer::Kind::kConflict:
          set_.pool_.figures.conflicts.fetch_add(1, std::memory_order_relaxed);
          outcome = UndoOutcome::kConflict;
          break;
        case UndoAnswer::Kind::kImageLost:
          outcome = UndoOutcome::kImageLost;
          break;
        case UndoAnswer::Kind::kFailed:
          outcome = UndoOutcome::kFailed;
          break;
        case UndoAnswer::Kind::kNotNow:
          outcome = UndoOutcome::kNotNow;
          break;
      }
      break;
    }
  }
  Undone(index, outcome);
}

void SagaSet::Running::Undone(size_t index, UndoOutcome outcome) {
  SagaActions out;
  saga_.OnUndo(index, outcome, out);
  Take(std::move(out));
}

void SagaSet::Running::OnTimer(SagaAction::Timer kind, size_t index) {
  SagaActions out;
  saga_.OnTimer(kind, index, out);
  Take(std::move(out));
}

void SagaSet::Running::OnRunId(const std::string& shard, const std::string& run_id) {
  SagaActions out;
  saga_.OnRunId(shard, run_id, out);
  Take(std::move(out));
}

SagaRecord SagaSet::Running::Record(TimePoint now) const {
  SagaRecord record;
  record.id = id();
  record.command = saga_.plan().command;
  record.state = saga_.Describe();
  record.age = now - began_;
  record.poisoned = saga_.state() == Saga::State::kPoisoned;
  record.plan = saga_.plan();
  record.recovered = recovery_ != nullptr;
  record.notes = notes_;
  return record;
}

Result<std::string> SagaSet::Running::Carry(const SagaOrder& order) {
  SagaActions out;
  std::string problem;
  std::string what;
  switch (order.what) {
    case SagaOrder::What::kRetry:
    case SagaOrder::What::kRollback:
      what = order.what == SagaOrder::What::kRetry ? "RETRY" : "ROLLBACK";
      problem = saga_.Retry(order.what == SagaOrder::What::kRollback, out);
      break;
    case SagaOrder::What::kSkip:
      what = fmt::format("SKIP {}", order.step);
      problem = saga_.Skip(order.step, out);
      break;
    case SagaOrder::What::kForget:
      what = "FORGET: " + order.reason;
      problem = saga_.Forget(out);
      break;
  }
  if (!problem.empty()) return Error{ErrorCode::kInvalid, problem};
  notes_.push_back("operator: " + what);
  if (set_.pool_.journal != nullptr) set_.records_.Operator(id(), what);
  Take(std::move(out));
  return std::string("OK");
}

}  // namespace ringmaster
