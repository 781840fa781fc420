// MSET, MSETNX, DEL and UNLINK over several shards, and what all sagas of commands share.
#include "command/saga_calls.h"

#include <algorithm>
#include <map>
#include <utility>

#include "command/handlers.h"
#include "command/keys.h"
#include "command/recipe.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// Keys that an operator is shown of a command.
constexpr size_t kShownKeys = 3;

// Gives each key of a step its value.
class SetWork final : public SagaWork {
 public:
  // By step, in the order of its keys; own copies, for a step may be sent again when the call has
  // long been answered.
  std::vector<std::vector<std::string>> values;

  bool AppendStep(std::string& out, const SagaPlan& plan, size_t step, ScriptForm form) override {
    const std::vector<Bytes> views(values[step].begin(), values[step].end());
    AppendSetStep(out, plan, step, views, form);
    return true;
  }
  void OnAnswer(size_t, const StepAnswer& answer) override {
    if (!answer.error.empty()) refusal = answer.error;
  }

  std::string refusal;  // empty: a key exists
};

class RemoveWork final : public SagaWork {
 public:
  bool AppendStep(std::string& out, const SagaPlan& plan, size_t step, ScriptForm form) override {
    ringmaster::AppendStep(out, plan, step, StepWork{}, StepLimits{}, form);
    return true;
  }
  void OnAnswer(size_t step, const StepAnswer& answer) override {
    if (answer.kind == StepAnswer::Kind::kDone) had[step] = answer.had;
    if (!answer.error.empty()) refusal = answer.error;
  }

  std::map<size_t, std::string> had;
  std::string refusal;
};

// One step for each shard, with its keys in the order of the call.
std::map<uint32_t, std::vector<const NeededKey*>> ByShard(const std::vector<NeededKey>& keys) {
  std::map<uint32_t, std::vector<const NeededKey*>> by_shard;
  for (const NeededKey& key : keys) by_shard[key.shard].push_back(&key);
  return by_shard;
}

Task<std::string> ServersOf(RecipeCall& call, SagaStep& step) {
  Router& router = call.router();
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    if (router.shard_name(shard) != step.shard) continue;
    step.address = router.link(shard)->shard().address.ToString();
    step.run_id = co_await call.context().sagas->RunIdOf(shard, step.database);
  }
  co_return step.run_id.empty()
      ? errors::NotApplied(step.shard,
                           "it cannot be reached, or refuses CLIENT ID, CLIENT KILL "
                           "or INFO, which writes over several shards need")
      : std::string();
}

}  // namespace

SagaPlan MakePlan(RecipeCall& call, const std::vector<NeededKey>& keys) {
  SagaPlan plan;
  plan.id = call.context().sagas->pool().next_id();
  plan.pool = call.context().proxy.facts().pool;
  plan.command = call.command().full_name;
  for (size_t i = 0; i < keys.size() && i < kShownKeys; ++i) {
    plan.command += " " + Printable(keys[i].key, 40);
  }
  if (keys.size() > kShownKeys) plan.command += " ...";
  return plan;
}

Task<std::string> NameServers(RecipeCall& call, SagaPlan& plan) {
  std::vector<Task<std::string>> tasks;
  for (SagaStep& step : plan.steps) tasks.push_back(ServersOf(call, step));
  const std::vector<std::string> errors = co_await All(std::move(tasks));
  for (const std::string& error : errors) {
    if (!error.empty()) co_return error;
  }
  co_return std::string();
}

Task<SagaResult> RunSaga(RecipeCall& call, SagaPlan plan, std::shared_ptr<SagaWork> work,
                         HeldLocks& locks, const std::vector<NeededKey>& keys) {
  std::vector<LockKey> locked = LocksFor(keys);
  return call.context().sagas->Run(std::move(plan), std::move(work), locks.Give(),
                                   std::move(locked));
}

std::string FailureReply(const SagaResult& result, const SagaPlan& plan,
                         const std::string& refusal) {
  const std::string& shard = plan.steps[std::min(result.step, plan.steps.size() - 1)].shard;
  if (result.kind == SagaResult::Kind::kRefused && !refusal.empty()) return refusal;
  if (result.kind == SagaResult::Kind::kUncertain) return errors::Uncertain(shard, result.why);
  return errors::NotApplied(shard, result.why.empty() ? "it refused its part" : result.why);
}

Task<std::string> MsetSagaRecipe(RecipeCall& call) {
  call.LeaveLocks();
  const std::span<const Bytes> args = call.args();
  if (args.size() % 2 == 0) co_return errors::WrongArity(call.command().full_name);
  std::vector<NeededKey> keys;
  std::map<std::string, Bytes> values;  // the last of each key counts
  for (size_t i = 1; i + 1 < args.size(); i += 2) {
    std::string key(args[i]);
    if (!values.contains(key)) keys.push_back({key, call.database(), 0, true});
    values[std::move(key)] = args[i + 1];
  }
  Place(call.router(), keys);
  HeldLocks locks(call.context().locks);
  std::vector<LockKey> wanted = LocksFor(keys);
  if (!co_await locks.Acquire(std::move(wanted))) co_return LocksNotHad(call, keys);
  Place(call.router(), keys);
  const bool only_new = call.command().full_name == "msetnx";
  auto work = std::make_shared<SetWork>();
  SagaPlan plan = MakePlan(call, keys);
  for (const auto& [shard, theirs] : ByShard(keys)) {
    SagaStep step;
    step.shard = call.router().shard_name(shard);
    step.database = call.database();
    work->values.emplace_back();
    for (const NeededKey* key : theirs) {
      step.keys.push_back({key->key, only_new ? ImageKind::kCreate : ImageKind::kOverwrite});
      work->values.back().emplace_back(values[key->key]);
    }
    plan.steps.push_back(std::move(step));
  }
  const std::string unreachable = co_await NameServers(call, plan);
  if (!unreachable.empty()) co_return unreachable;
  const SagaResult result = co_await RunSaga(call, plan, work, locks, keys);
  if (result.kind == SagaResult::Kind::kCommitted) co_return only_new ? ":1\r\n" : "+OK\r\n";
  if (result.kind == SagaResult::Kind::kRefused && work->refusal.empty()) co_return ":0\r\n";
  co_return FailureReply(result, plan, work->refusal);
}

Task<std::string> RemoveSagaRecipe(RecipeCall& call) {
  call.LeaveLocks();
  std::vector<NeededKey> keys;
  AddNeededKeys(call.command(), call.args(), call.database(), keys);
  Place(call.router(), keys);
  HeldLocks locks(call.context().locks);
  std::vector<LockKey> wanted = LocksFor(keys);
  if (!co_await locks.Acquire(std::move(wanted))) co_return LocksNotHad(call, keys);
  Place(call.router(), keys);
  auto work = std::make_shared<RemoveWork>();
  SagaPlan plan = MakePlan(call, keys);
  for (const auto& [shard, theirs] : ByShard(keys)) {
    SagaStep step;
    step.shard = call.router().shard_name(shard);
    step.database = call.database();
    for (const NeededKey* key : theirs) step.keys.push_back({key->key, ImageKind::kOverwrite});
    plan.steps.push_back(std::move(step));
  }
  const std::string unreachable = co_await NameServers(call, plan);
  if (!unreachable.empty()) co_return unreachable;
  const SagaResult result = co_await RunSaga(call, plan, work, locks, keys);
  if (result.kind != SagaResult::Kind::kCommitted) {
    co_return FailureReply(result, plan, work->refusal);
  }
  int64_t removed = 0;
  for (const auto& [step, had] : work->had) removed += std::count(had.begin(), had.end(), '1');
  co_return ":" + std::to_string(removed) + "\r\n";
}

}  // namespace ringmaster
