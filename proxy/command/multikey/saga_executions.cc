// The client's own commands as sagas (command/multikey/saga_calls.h).
#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "command/multikey/execution_work.h"
#include "command/multikey/saga_calls.h"
#include "command/serve/recipe.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

// Keys are changed in place, for what the commands make of them is not known; but RENAME replaces
// its destination, when there is something to rename.
ImageKind ImageOf(const RecipeCall& call, const NeededKey& key,
                  const std::vector<ForeignKey>& foreign) {
  const bool replaced = call.command().full_name == "rename" && key.key == call.args()[2] &&
                        foreign.size() == 1 && foreign[0].exists();
  return replaced ? ImageKind::kOverwrite : ImageKind::kInPlace;
}

std::string Explain(const SagaResult& result, const std::string& refusal) {
  if (refusal.starts_with("-RMLIMIT")) {
    return errors::NotApplied(result.shard,
                              "a value that would have to be kept for an undo is too large; give "
                              "the keys one hash tag");
  }
  return FailureReply(result, refusal);
}

SagaStep StepOn(RecipeCall& call, uint32_t shard, StepKind kind, uint8_t phase) {
  SagaStep step;
  step.kind = kind;
  step.phase = phase;
  step.shard = call.routes().shard_name(shard);
  step.database = call.database();
  return step;
}

}  // namespace

Task<SagaExecution> ExecuteAsSaga(RecipeCall& call, std::vector<std::string> requests,
                                  uint32_t executing, const std::vector<NeededKey>& keys,
                                  HeldLocks& locks) {
  SagaExecution done;
  std::vector<ForeignKey> fetched;
  std::vector<const NeededKey*> needed;
  for (const NeededKey& key : keys) {
    if (key.shard == executing) continue;
    fetched.push_back({key.key, key.shard, {}, 0});
    needed.push_back(&key);
  }
  auto work = std::make_shared<ExecutionWork>(call.resp(), call.context().scatters.max_reply());
  work->fetched_at = MonotonicNow();
  done.error = co_await FetchForeign(call, call.database(), fetched);
  if (!done.error.empty()) co_return done;
  SagaPlan plan = MakePlan(call, keys);
  plan.steps.push_back(StepOn(call, executing, StepKind::kExecute, 0));
  work->parts[0].requests = std::move(requests);
  for (const NeededKey& key : keys) {
    if (key.shard != executing || !key.writes) continue;
    plan.steps[0].keys.push_back({key.key, ImageOf(call, key, fetched)});
  }
  std::map<uint32_t, size_t> homes;
  for (size_t i = 0; i < fetched.size(); ++i) {
    const bool writes = needed[i]->writes;
    if (!fetched[i].exists() && !writes) continue;
    plan.steps[0].copies.push_back(fetched[i].key);
    if (writes) {
      const auto [at, fresh] = homes.try_emplace(fetched[i].shard, plan.steps.size());
      if (fresh) plan.steps.push_back(StepOn(call, fetched[i].shard, StepKind::kScript, 1));
      plan.steps[at->second].keys.push_back({fetched[i].key, ImageKind::kOverwrite});
      work->homes[at->second].push_back(work->foreign.size());
    }
    work->foreign.push_back({std::move(fetched[i]), writes});
  }
  done.error = co_await NameServers(call, plan);
  if (!done.error.empty()) co_return done;
  const SagaResult result = co_await RunSaga(call, std::move(plan), work, locks);
  if (result.kind == SagaResult::Kind::kCommitted) {
    done.replies = work->parts[0].replies;
  } else {
    done.error = Explain(result, work->refusal);
  }
  co_return done;
}

Task<SagaExecution> ExecuteOnEach(RecipeCall& call, const std::vector<std::string>& requests,
                                  const std::vector<uint32_t>& shards,
                                  const std::vector<NeededKey>& keys, HeldLocks& locks) {
  SagaExecution done;
  auto work = std::make_shared<ExecutionWork>(call.resp(), call.context().scatters.max_reply());
  SagaPlan plan = MakePlan(call, keys);
  std::map<uint32_t, size_t> steps;
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto [at, fresh] = steps.try_emplace(shards[i], plan.steps.size());
    if (fresh) plan.steps.push_back(StepOn(call, shards[i], StepKind::kExecute, 0));
    work->parts[at->second].requests.push_back(requests[i]);
  }
  for (const NeededKey& key : keys) {
    const auto at = steps.find(key.shard);
    if (key.writes && at != steps.end()) {
      plan.steps[at->second].keys.push_back({key.key, ImageKind::kInPlace});
    }
  }
  done.error = co_await NameServers(call, plan);
  if (!done.error.empty()) co_return done;
  const SagaResult result = co_await RunSaga(call, std::move(plan), work, locks);
  if (result.kind != SagaResult::Kind::kCommitted) {
    done.error = Explain(result, work->refusal);
    co_return done;
  }
  std::map<size_t, size_t> taken;
  for (size_t i = 0; i < requests.size(); ++i) {
    const size_t step = steps.at(shards[i]);
    done.replies.push_back(work->parts[step].replies.at(taken[step]++));
  }
  co_return done;
}

}  // namespace ringmaster
