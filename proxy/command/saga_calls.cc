// MSET, MSETNX, DEL and UNLINK over several shards, and what all sagas of commands share.
#include "command/saga_calls.h"

#include <algorithm>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

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
  // By step, in the order of its keys. A step may be sent again when the call has long been
  // answered, so they lie in `bytes`.
  std::vector<std::vector<Bytes>> values;
  std::string bytes;

  bool AppendStep(std::string& out, const SagaPlan& plan, size_t step, ScriptForm form) override {
    AppendSetStep(out, plan, step, values[step], form);
    return true;
  }
  size_t AppendNativeStep(std::string& out, const SagaPlan& plan, size_t step) override {
    if (!CanSetNatively(plan.steps[step], values[step])) return 0;
    AppendNativeSetStep(out, plan, step, values[step]);
    return NativeSetReplies(plan.steps[step]);
  }
  StepAnswer ReadNativeStep(Bytes replies, const SagaStep& step) override {
    return ReadNativeSetStep(replies, step);
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

// The keys and values of an MSET: of each key the last counts.
struct Assignments {
  explicit Assignments(std::span<const Bytes> args) {
    std::unordered_map<Bytes, size_t> places;
    places.reserve(args.size() / 2);
    for (size_t i = 0; i + 1 < args.size(); i += 2) {
      const auto [at, added] = places.emplace(args[i], pairs.size());
      if (added) {
        pairs.emplace_back(args[i], args[i + 1]);
      } else {
        pairs[at->second].second = args[i + 1];
      }
    }
  }
  size_t value_bytes() const {
    size_t bytes = 0;
    for (const auto& [key, value] : pairs) bytes += value.size();
    return bytes;
  }

  std::vector<std::pair<Bytes, Bytes>> pairs;
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

uint32_t ShardNamed(Router& router, const std::string& name) {
  uint32_t shard = 0;
  while (shard + 1 < router.shard_count() && router.shard_name(shard) != name) ++shard;
  return shard;
}

Task<std::string> ServersOf(RecipeCall& call, SagaStep& step) {
  const uint32_t shard = ShardNamed(call.router(), step.shard);
  step.run_id = co_await call.context().sagas->RunIdOf(shard, step.database);
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
  for (SagaStep& step : plan.steps) {
    const uint32_t shard = ShardNamed(call.router(), step.shard);
    step.address = call.router().link(shard)->shard().address.ToString();
    if (const auto* known = call.context().sagas->KnownRunId(shard, step.database)) {
      step.run_id = *known;
    } else {
      tasks.push_back(ServersOf(call, step));
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

namespace {

// The reply when one of the keys exists already. A saga would find out as well, but by writing and
// undoing, which is seen by those who watch the keys.
Task<std::string> RefusalToCreate(RecipeCall& call, const std::vector<NeededKey>& keys) {
  std::vector<Task<Answer>> tasks;
  for (const auto& [shard, theirs] : ByShard(keys)) {
    std::vector<Bytes> words = {"EXISTS"};
    for (const NeededKey* key : theirs) words.emplace_back(key->key);
    std::string request;
    AppendRequest(request, words);
    tasks.push_back(call.Ask(shard, std::move(request), true));
  }
  const std::vector<Answer> answers = co_await All(std::move(tasks));
  for (const Answer& answer : answers) {
    if (answer.is_error()) co_return answer.reply;
  }
  for (const Answer& answer : answers) {
    if (answer.reply != ":0\r\n") co_return ":0\r\n";
  }
  co_return std::string();
}

}  // namespace

Task<std::string> MsetSagaRecipe(RecipeCall& call) {
  call.LeaveLocks();
  const std::span<const Bytes> args = call.args();
  if (args.size() % 2 == 0) co_return errors::WrongArity(call.command().full_name);
  Assignments assignments(args.subspan(1));
  std::vector<NeededKey> keys;
  keys.reserve(assignments.pairs.size());
  for (const auto& [key, value] : assignments.pairs) {
    keys.push_back({std::string(key), call.database(), 0, true});
  }
  HeldLocks locks(call.context().locks);
  const std::string not_had = co_await LockAndPlace(call, locks, keys);
  if (!not_had.empty()) co_return not_had;
  const bool only_new = call.command().full_name == "msetnx";
  if (only_new) {
    const std::string decided = co_await RefusalToCreate(call, keys);
    if (!decided.empty()) co_return decided;
  }
  auto work = std::make_shared<SetWork>();
  work->bytes.reserve(assignments.value_bytes());
  SagaPlan plan = MakePlan(call, keys);
  for (const auto& [shard, theirs] : ByShard(keys)) {
    SagaStep& step = plan.steps.emplace_back();
    step.shard = call.router().shard_name(shard);
    step.database = call.database();
    std::vector<Bytes>& values = work->values.emplace_back();
    for (const NeededKey* key : theirs) {
      step.keys.push_back({key->key, only_new ? ImageKind::kCreate : ImageKind::kOverwrite});
      const Bytes value = assignments.pairs[static_cast<size_t>(key - keys.data())].second;
      work->bytes.append(value);
      values.emplace_back(work->bytes.data() + work->bytes.size() - value.size(), value.size());
    }
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
  HeldLocks locks(call.context().locks);
  const std::string not_had = co_await LockAndPlace(call, locks, keys);
  if (!not_had.empty()) co_return not_had;
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
