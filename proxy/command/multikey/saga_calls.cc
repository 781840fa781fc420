// DEL and UNLINK over several shards, and what all sagas of commands share.
#include "command/multikey/saga_calls.h"

#include <algorithm>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "command/multikey/handlers.h"
#include "command/serve/recipe.h"
#include "command/table/keys.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

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
using KeysByShard = std::vector<std::pair<uint32_t, std::vector<const NeededKey*>>>;
KeysByShard ByShard(const std::vector<NeededKey>& keys) {
  KeysByShard by_shard;
  for (const NeededKey& key : keys) {
    auto at = std::find_if(by_shard.begin(), by_shard.end(),
                           [&](const auto& each) { return each.first == key.shard; });
    if (at == by_shard.end()) at = by_shard.insert(at, {key.shard, {}});
    at->second.push_back(&key);
  }
  return by_shard;
}

// In the pool as it is now; nullopt: it has left.
std::optional<uint32_t> ShardNamed(const Router& router, const std::string& name) {
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    if (router.shard_name(shard) == name) return shard;
  }
  return std::nullopt;
}

Task<std::string> ServersOf(RecipeCall& call, SagaStep& step, uint32_t shard) {
  call.NoteHandedOn(call.context().proxy.Now());
  step.run_id = co_await call.context().sagas->RunIdOf(shard, step.database);
  co_return step.run_id.empty()
      ? errors::NotApplied(step.shard,
                           "it cannot be reached, or refuses CLIENT ID, CLIENT KILL "
                           "or INFO, which writes over several shards need")
      : std::string();
}

}  // namespace

SagaPlan MakePlan(RecipeCall& call, const std::vector<NeededKey>& keys) {
  std::vector<Bytes> shown;
  for (size_t i = 0; i < keys.size() && i <= kShownKeys; ++i) shown.emplace_back(keys[i].key);
  return MakePlan(call, shown);
}

SagaPlan MakePlan(RecipeCall& call, std::span<const Bytes> keys) {
  SagaPlan plan;
  plan.id = call.context().sagas->pool().next_id();
  plan.pool = call.context().proxy.facts().pool;
  plan.command = call.command().full_name;
  for (size_t i = 0; i < keys.size() && i < kShownKeys; ++i) {
    plan.command += " " + Printable(keys[i], 40);
  }
  if (keys.size() > kShownKeys) plan.command += " ...";
  return plan;
}

Task<std::string> NameServers(RecipeCall& call, SagaPlan& plan) {
  std::vector<Task<std::string>> tasks;
  for (SagaStep& step : plan.steps) {
    const Router& router = call.context().router;
    const std::optional<uint32_t> shard = ShardNamed(router, step.shard);
    if (!shard) co_return errors::NotApplied(step.shard, "it has left the pool meanwhile");
    step.address = router.link(*shard)->shard().address.ToString();
    if (const auto* known = call.context().sagas->KnownRunId(*shard, step.database)) {
      step.run_id = *known;
    } else {
      tasks.push_back(ServersOf(call, step, *shard));
    }
  }
  if (tasks.empty()) co_return std::string();
  const std::vector<std::string> errors = co_await All(std::move(tasks));
  for (const std::string& error : errors) {
    if (!error.empty()) co_return error;
  }
  co_return std::string();
}

Task<SagaResult> RunSaga(RecipeCall& call, SagaPlan plan, std::shared_ptr<SagaWork> work,
                         HeldLocks& locks, std::optional<Duration> patience) {
  call.NoteHandedOn(call.context().proxy.Now());
  return call.context().sagas->Run(std::move(plan), std::move(work), locks.Give(), patience);
}

std::string FailureReply(const SagaResult& result, const std::string& refusal) {
  if (result.kind == SagaResult::Kind::kRefused && !refusal.empty()) return refusal;
  if (result.kind == SagaResult::Kind::kUncertain)
    return errors::Uncertain(result.shard, result.why);
  return errors::NotApplied(result.shard, result.why.empty() ? "it refused its part" : result.why);
}

Task<std::string> RemoveSagaRecipe(RecipeCall& call) {
  call.LeaveLocks();
  std::vector<NeededKey> keys = KeysOf(call);
  HeldLocks locks(call.context().locks);
  const std::string not_had = co_await LockAndPlace(call, locks, keys);
  if (!not_had.empty()) co_return not_had;
  auto work = std::make_shared<RemoveWork>();
  SagaPlan plan = MakePlan(call, keys);
  for (const auto& [shard, theirs] : ByShard(keys)) {
    SagaStep step;
    step.shard = call.routes().shard_name(shard);
    step.database = call.database();
    for (const NeededKey* key : theirs) step.keys.push_back({key->key, ImageKind::kOverwrite});
    plan.steps.push_back(std::move(step));
  }
  const std::string unreachable = co_await NameServers(call, plan);
  if (!unreachable.empty()) co_return unreachable;
  const SagaResult result = co_await RunSaga(call, std::move(plan), work, locks);
  if (result.kind != SagaResult::Kind::kCommitted) {
    co_return FailureReply(result, work->refusal);
  }
  int64_t removed = 0;
  for (const auto& [step, had] : work->had) removed += std::count(had.begin(), had.end(), '1');
  co_return ":" + std::to_string(removed) + "\r\n";
}

}  // namespace ringmaster
