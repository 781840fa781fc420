#include "support/saga_driver.h"

#include <fstream>
#include <future>

#include "base/crash_point.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

std::string Field(const std::string& info, const std::string& name) {
  const size_t at = info.find(name + ":");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 1;
  return info.substr(begin, info.find('\r', begin) - begin);
}

}  // namespace

SagaDriver::SagaDriver(const std::string& journal, const std::vector<uint16_t>& ports) {
  auto database = Database::Open({journal, Database::Fsync::kNo});
  if (!database.ok()) {
    failure_ = database.error().text;
    return;
  }
  database_ = *std::move(database);
  auto opened = SagaJournal::Open(*database_);
  if (!opened.ok()) {
    failure_ = opened.error().text;
    return;
  }
  journal_ = *std::move(opened);
  for (uint16_t port : ports) {
    shards_.emplace_back(port);
    run_ids_.push_back(Field(shards_.back().CommandRaw({"INFO", "server"}), "run_id"));
  }
  Recover();
}

std::string SagaDriver::Ask(size_t shard, const std::string& request) {
  shards_[shard].Send(request);
  std::string reply = shards_[shard].ReadRaw();
  if (reply.empty()) failure_ = "shard " + std::to_string(shard) + " " + shards_[shard].failure();
  return reply;
}

void SagaDriver::Recover() {
  auto open = journal_->Load();
  if (!open.ok()) {
    failure_ = open.error().text;
    return;
  }
  recovered_ = open->size();
  std::vector<Recovery::Shard> shards;
  for (size_t i = 0; i < shards_.size(); ++i) shards.push_back({"s" + std::to_string(i), "there"});
  recovery_ = std::make_unique<Recovery>(*std::move(open), shards, SagaLimits());
  RecoveryActions actions;
  recovery_->Start(actions);
  Take(std::move(actions));
  Work_();
  if (!recovery_->done()) failure_ = "not recovered";
}

void SagaDriver::Take(RecoveryActions actions) {
  for (RecoveryAction& action : actions) {
    if (action.kind == RecoveryAction::Kind::kSaga) {
      work_.push_back({action.saga, std::move(action.action)});
    } else if (action.kind == RecoveryAction::Kind::kFence) {
      // The killed process had its connections closed by the system.
      RecoveryActions more;
      recovery_->OnFenced(action.shard, true, more);
      Take(std::move(more));
    }
  }
}

void SagaDriver::Carry(size_t index, SagaActions actions) {
  if (index != SIZE_MAX) {
    RecoveryActions out;
    recovery_->Take(index, std::move(actions), out);
    return Take(std::move(out));
  }
  for (SagaAction& action : actions) work_.push_back({index, std::move(action)});
}

void SagaDriver::Work_() {
  while (!work_.empty() && failure_.empty()) {
    const Work next = std::move(work_.front());
    work_.pop_front();
    Do(next.recovery_index, next.action);
  }
}

SagaPlan SagaDriver::MakePlan(SagaKind kind) {
  SagaPlan plan{.id = journal_->NextId(), .pool = "main", .command = "test"};
  const auto step = [&](size_t shard, uint8_t phase) -> SagaStep& {
    plan.steps.push_back({.phase = phase,
                          .shard = "s" + std::to_string(shard),
                          .address = "there",
                          .run_id = run_ids_[shard]});
    return plan.steps.back();
  };
  if (kind == SagaKind::kRename) {
    step(0, 0).keys = {{"k0"}};
    step(1, 1).keys = {{"k1"}};
    return plan;
  }
  for (size_t i = 0; i < shards_.size(); ++i) {
    const bool later = kind == SagaKind::kExecute && i > 0;
    step(i, later ? 1 : 0).keys = {{"k" + std::to_string(i)}};
  }
  if (kind == SagaKind::kExecute) {
    plan.steps[0].kind = StepKind::kExecute;
    plan.steps[0].keys.push_back({"n", ImageKind::kInPlace});
    for (size_t i = 1; i < shards_.size(); ++i) {
      plan.steps[0].copies.push_back("k" + std::to_string(i));
    }
  }
  return plan;
}

void SagaDriver::Run(SagaKind kind, const std::string& reply_file) {
  if (!failure_.empty()) return;
  kind_ = kind;
  reply_file_ = reply_file;
  saga_ = std::make_unique<Saga>(MakePlan(kind), SagaLimits());
  SagaActions actions;
  saga_->Start(actions);
  Carry(SIZE_MAX, std::move(actions));
  Work_();
  if (saga_->state() != Saga::State::kFinished && failure_.empty()) failure_ = saga_->Describe();
}

void SagaDriver::Journal(size_t index, const SagaAction& action, SagaActions& out) {
  using Kind = SagaAction::Kind;
  Saga& saga = SagaOf(index);
  std::promise<bool> written;
  const auto done = [&](const Status& status) { written.set_value(status.ok()); };
  const SagaId id = saga.plan().id;
  if (action.kind == Kind::kBegin) journal_->Begin(saga.plan(), done);
  if (action.kind == Kind::kCommit) journal_->Commit(id, done);
  if (action.kind == Kind::kPoison) journal_->Poison(id, action.step, action.text, done);
  const bool ok = written.get_future().get();
  if (action.kind == Kind::kBegin) saga.OnBegun(ok, out);
  if (action.kind == Kind::kCommit) saga.OnCommitted(ok, out);
}

void SagaDriver::Do(size_t index, const SagaAction& action) {
  using Kind = SagaAction::Kind;
  Saga& saga = SagaOf(index);
  SagaActions out;
  switch (action.kind) {
    case Kind::kLock:
      saga.OnLocked(out);
      break;
    case Kind::kBegin:
    case Kind::kCommit:
    case Kind::kPoison:
      Journal(index, action, out);
      break;
    case Kind::kSend:
      saga.OnStep(action.step, Send(saga.plan(), action.step),
                  run_ids_[ShardOf(saga.plan(), action.step)], out);
      break;
    case Kind::kUndo:
      saga.OnUndo(action.step, SendUndo(saga.plan(), action), out);
      break;
    case Kind::kCleanup: {
      std::string request, error;
      AppendCleanup(request, saga.plan(), action.step, action.force, ScriptForm::kText);
      RM_CRASH_POINT("driver-cleanup", action.step);
      saga.OnCleanup(action.step,
                     ReadCleanup(Ask(ShardOf(saga.plan(), action.step), request), &error), out);
      failure_ += error;
      break;
    }
    case Kind::kReply: {
      static const char* const kWords[] = {"open", "committed", "refused", "not applied",
                                           "uncertain"};
      RM_CRASH_POINT("driver-reply");
      std::ofstream(reply_file_) << kWords[static_cast<size_t>(saga.result().kind)] << std::flush;
      RM_CRASH_POINT("driver-replied");
      break;
    }
    case Kind::kEnd:
      journal_->End(saga.plan().id);
      break;
    case Kind::kUnlock:
      RM_CRASH_POINT("driver-unlock");
      break;
    default:
      break;
  }
  Carry(index, std::move(out));
}

StepOutcome SagaDriver::Send(const SagaPlan& plan, size_t step) {
  if (plan.steps[step].kind == StepKind::kExecute) return SendExecution(plan, step);
  const size_t shard = ShardOf(plan, step);
  const std::string& key = plan.steps[step].keys[0].key;
  StepWork work;
  if (kind_ == SagaKind::kExecute) {
    work.commands = {{"RESTORE", key, "0", dumps_[step - 1]}};
  } else if (kind_ == SagaKind::kRefused && step + 1 == plan.steps.size()) {
    work.commands = {{"SET", key, "new"}, {"LPUSH", key, "x"}};
  } else if (kind_ != SagaKind::kRename || step == 0) {
    work.commands = {{"SET", key, "new"}};
  }
  std::string request;
  AppendStep(request, plan, step, work, {}, ScriptForm::kText);
  RM_CRASH_POINT("driver-send", step);
  shards_[shard].Send(request);
  RM_CRASH_POINT("driver-sent", step);
  const StepAnswer answer = ReadStep(shards_[shard].ReadRaw());
  RM_CRASH_POINT("driver-answer", step);
  if (answer.kind == StepAnswer::Kind::kDone) return StepOutcome::kDone;
  return answer.kind == StepAnswer::Kind::kRefused ? StepOutcome::kRefused : StepOutcome::kLost;
}

StepOutcome SagaDriver::SendExecution(const SagaPlan& plan, size_t step) {
  const SagaStep& here = plan.steps[step];
  std::vector<std::string> raw;
  for (const std::string& copy : here.copies) {
    raw.push_back(shards_[static_cast<size_t>(copy[1] - '0')].CommandRaw({"DUMP", copy}));
  }
  std::vector<CopyPayload> copies;
  for (const std::string& reply : raw) copies.push_back({ReadReply(reply).text, 0});
  std::string request;
  AppendPrepare(request, plan, step, copies, {}, ScriptForm::kText);
  Client& shard = shards_[ShardOf(plan, step)];
  RM_CRASH_POINT("driver-prepare");
  shard.Send(request);
  std::vector<std::string> replies;
  while (replies.size() < PrepareReplies(here)) replies.push_back(shard.ReadRaw());
  if (ReadPrepare(replies).kind != StepAnswer::Kind::kDone) return StepOutcome::kRefused;
  RM_CRASH_POINT("driver-prepared");
  request.clear();
  AppendExecuteHead(request, plan, step);
  request += Encode({"SET", "k0", "new"}) + Encode({"INCR", "n"});
  for (const std::string& copy : here.copies) request += Encode({"SET", copy, "new"});
  AppendExecuteTail(request, plan, step);
  // Half a request first: the server runs none of it until the rest is there.
  shard.Send(request.substr(0, request.size() / 2));
  RM_CRASH_POINT("driver-half-executed");
  shard.Send(request.substr(request.size() / 2));
  RM_CRASH_POINT("driver-execute-sent");
  for (size_t i = 0; i < ExecuteHeadReplies(here) + 2 + here.copies.size() + 1; ++i)
    shard.ReadRaw();
  const std::string exec = shard.ReadRaw();
  RM_CRASH_POINT("driver-executed");
  if (ReadExecute(exec, here).kind != StepAnswer::Kind::kDone) return StepOutcome::kRefused;
  for (const std::string& copy : here.copies) {
    const std::string dump = shard.CommandRaw({"DUMP", copy});
    dumps_.emplace_back(ReadReply(dump).text);
  }
  RM_CRASH_POINT("driver-carried");
  return StepOutcome::kDone;
}

UndoOutcome SagaDriver::SendUndo(const SagaPlan& plan, const SagaAction& action) {
  std::string request;
  AppendUndo(request, plan, action.step, action.force, ScriptForm::kText);
  const size_t shard = ShardOf(plan, action.step);
  RM_CRASH_POINT("driver-undo", action.step);
  shards_[shard].Send(request);
  RM_CRASH_POINT("driver-undo-sent", action.step);
  const UndoAnswer answer = ReadUndo(shards_[shard].ReadRaw());
  switch (answer.kind) {
    case UndoAnswer::Kind::kNotApplied:
    case UndoAnswer::Kind::kUndone:
      return UndoOutcome::kUndone;
    case UndoAnswer::Kind::kConflict:
      return UndoOutcome::kConflict;
    case UndoAnswer::Kind::kImageLost:
      return UndoOutcome::kImageLost;
    case UndoAnswer::Kind::kFailed:
    case UndoAnswer::Kind::kNotNow:
      break;
  }
  failure_ = answer.error;
  return UndoOutcome::kFailed;
}

}  // namespace ringmaster::integration
