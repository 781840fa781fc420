// The client's own commands as sagas (command/multikey/saga_calls.h).
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/log.h"
#include "command/multikey/execution_work.h"
#include "command/multikey/saga_calls.h"
#include "command/serve/recipe.h"
#include "resp/errors.h"
#include "saga/attempts.h"

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

namespace {

// What came of one try.
struct Tried {
  SagaExecution done = {};
  SagaResult result = {};
  std::string why = {};  // where `result.interfered`
};

// Under locks that a try hands back when somebody interfered with it.
Task<Tried> Try(RecipeCall& call, SagaPlan plan, std::shared_ptr<ExecutionWork> work,
                HeldLocks& locks) {
  Tried tried;
  tried.done.error = co_await NameServers(call, plan);
  if (!tried.done.error.empty()) co_return tried;
  tried.result = co_await RunSaga(call, std::move(plan), work, locks);
  if (tried.result.interfered) locks.Take(std::exchange(tried.result.ticket, 0));
  if (tried.result.kind != SagaResult::Kind::kCommitted) {
    tried.done.error = Explain(tried.result, work->refusal);
    tried.why = work->interfered;
  }
  co_return tried;
}

Task<Tried> TryGathered(RecipeCall& call, const std::vector<std::string>& requests,
                        uint32_t executing, const std::vector<NeededKey>& keys, HeldLocks& locks,
                        std::shared_ptr<LastLook> look) {
  std::vector<ForeignKey> fetched;
  std::vector<const NeededKey*> needed;
  for (const NeededKey& key : keys) {
    if (key.shard == executing) continue;
    fetched.push_back({key.key, key.shard, {}, 0});
    needed.push_back(&key);
  }
  auto work = std::make_shared<ExecutionWork>(call.resp(), call.context().scatters.max_reply(),
                                              std::move(look));
  work->fetched_at = MonotonicNow();
  Watches watches;
  Tried tried;
  tried.done.error = co_await FetchWatched(call, call.database(), fetched, watches);
  if (!tried.done.error.empty()) co_return tried;
  SagaPlan plan = MakePlan(call, keys);
  plan.steps.push_back(StepOn(call, executing, StepKind::kExecute, 0));
  work->parts[0].requests = requests;
  for (const NeededKey& key : keys) {
    if (key.shard != executing || !key.writes) continue;
    plan.steps[0].keys.push_back({key.key, ImageOf(call, key, fetched)});
  }
  std::map<uint32_t, size_t> homes;
  for (size_t i = 0; i < fetched.size(); ++i) {
    const uint32_t shard = fetched[i].shard;
    const bool writes = needed[i]->writes;
    if (fetched[i].exists() || writes) plan.steps[0].copies.push_back(fetched[i].key);
    const auto [at, fresh] = homes.try_emplace(shard, plan.steps.size());
    if (fresh) plan.steps.push_back(StepOn(call, shard, StepKind::kExecute, 1));
    ExecutionWork::Home& home = work->homes[at->second];
    if (fresh) home.watch = std::move(watches.at(shard));
    home.read.push_back(i);
    if (writes) {
      plan.steps[at->second].keys.push_back({fetched[i].key, ImageKind::kOverwrite});
      home.keys.push_back(i);
    }
    work->foreign.push_back({std::move(fetched[i]), writes});
  }
  tried = co_await Try(call, std::move(plan), work, locks);
  if (tried.done.error.empty()) tried.done.replies = work->parts[0].replies;
  co_return tried;
}

Task<Tried> TryEach(RecipeCall& call, const std::vector<std::string>& requests,
                    const std::vector<uint32_t>& shards, const std::vector<NeededKey>& keys,
                    HeldLocks& locks, std::shared_ptr<LastLook> look) {
  auto work = std::make_shared<ExecutionWork>(call.resp(), call.context().scatters.max_reply(),
                                              std::move(look));
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
  Tried tried = co_await Try(call, std::move(plan), work, locks);
  if (!tried.done.error.empty()) co_return tried;
  std::map<size_t, size_t> taken;
  for (size_t i = 0; i < requests.size(); ++i) {
    const size_t step = steps.at(shards[i]);
    tried.done.replies.push_back(work->parts[step].replies.at(taken[step]++));
  }
  co_return tried;
}

void LogInterference(const RecipeCall& call, const Tried& tried) {
  static LogLimiter limiter;
  uint64_t held = 0;
  if (!limiter.Allow(MonotonicNow(), &held)) return;
  LogWarning(
      "shard {}: {} while {} over several shards had read it; that was undone and is tried again "
      "({} "
      "more such lines held back)",
      tried.result.shard, tried.why, call.command().full_name, held);
}

// After a try that somebody interfered with: true when there is to be another; otherwise its error
// is what the client gets.
bool TryAgain(const RecipeCall& call, Tried& tried, Attempts& attempts, const LastLook* look) {
  LogInterference(call, tried);
  // What the client watches was looked at, and cannot be once more.
  if (look != nullptr) {
    tried.done.error = look->Broken();
    return false;
  }
  if (attempts.Again(MonotonicNow())) return true;
  tried.done.error = errors::NotApplied(
      tried.result.shard,
      fmt::format("{} since it was read, each of the {} times that this was tried; everything is "
                  "undone",
                  tried.why, attempts.made()));
  return false;
}

}  // namespace

Task<SagaExecution> ExecuteAsSaga(RecipeCall& call, const std::vector<std::string>& requests,
                                  uint32_t executing, const std::vector<NeededKey>& keys,
                                  HeldLocks& locks, std::shared_ptr<LastLook> look) {
  Attempts attempts(MonotonicNow());
  for (;;) {
    Tried tried = co_await TryGathered(call, requests, executing, keys, locks, look);
    const bool again = tried.result.interfered && TryAgain(call, tried, attempts, look.get());
    if (!again) co_return std::move(tried.done);
  }
}

Task<SagaExecution> ExecuteOnEach(RecipeCall& call, const std::vector<std::string>& requests,
                                  const std::vector<uint32_t>& shards,
                                  const std::vector<NeededKey>& keys, HeldLocks& locks,
                                  std::shared_ptr<LastLook> look) {
  Attempts attempts(MonotonicNow());
  for (;;) {
    Tried tried = co_await TryEach(call, requests, shards, keys, locks, look);
    const bool again = tried.result.interfered && TryAgain(call, tried, attempts, look.get());
    if (!again) co_return std::move(tried.done);
  }
}

}  // namespace ringmaster
