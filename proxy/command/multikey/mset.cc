// MSET and MSETNX over several shards.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "command/multikey/handlers.h"
#include "command/multikey/mset_batches.h"
#include "command/multikey/saga_calls.h"
#include "command/serve/recipe.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// Gives each key of a step its value.
class SetWork final : public SagaWork {
 public:
  // A step may be sent again when the call has long been answered. `done` runs when all steps are;
  // it may be empty.
  SetWork(std::shared_ptr<const Assignments> assignments, std::function<void()> done)
      : assignments_(std::move(assignments)), done_(std::move(done)) {}

  // By step, in the order of its keys.
  std::vector<std::vector<Bytes>> values;
  std::string refusal;  // empty: a key exists

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
    if (answer.kind == StepAnswer::Kind::kDone && ++steps_done_ == values.size() && done_) done_();
  }

 private:
  const std::shared_ptr<const Assignments> assignments_;  // what `values` points into
  const std::function<void()> done_;
  size_t steps_done_ = 0;
};

// The assignments of each shard, in their order.
using ByShard = std::vector<std::pair<uint32_t, std::vector<size_t>>>;
ByShard Split(const Assignments& assignments) {
  ByShard by_shard;
  for (size_t i = 0; i < assignments.size(); ++i) {
    const uint32_t shard = assignments.shard(i);
    auto at = std::find_if(by_shard.begin(), by_shard.end(),
                           [&](const auto& each) { return each.first == shard; });
    if (at == by_shard.end()) at = by_shard.insert(at, {shard, {}});
    at->second.push_back(i);
  }
  return by_shard;
}

// The reply when one of the keys exists already. A saga would find out as well, but by writing and
// undoing, which is seen by those who watch the keys.
Task<std::string> RefusalToCreate(RecipeCall& call, const ByShard& by_shard,
                                  const Assignments& assignments) {
  std::vector<Task<Answer>> tasks;
  for (const auto& [shard, theirs] : by_shard) {
    std::vector<Bytes> words = {"EXISTS"};
    for (const size_t i : theirs) words.push_back(assignments.key(i));
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

Task<bool> Lock(RecipeCall& call, HeldLocks& locks, const Assignments& assignments,
                std::optional<Duration> patience) {
  std::vector<LockKey> wanted;
  wanted.reserve(assignments.size());
  for (size_t i = 0; i < assignments.size(); ++i) {
    wanted.push_back({call.database(), std::string(assignments.key(i)), false});
  }
  return locks.Acquire(std::move(wanted), patience);
}

SagaPlan PlanOf(RecipeCall& call, const ByShard& by_shard, const Assignments& assignments,
                ImageKind image, SetWork& work) {
  std::vector<Bytes> shown;
  for (size_t i = 0; i < std::min(assignments.size(), kShownKeys + 1); ++i) {
    shown.push_back(assignments.key(i));
  }
  SagaPlan plan = MakePlan(call, shown);
  plan.steps.reserve(by_shard.size());
  work.values.reserve(by_shard.size());
  for (const auto& [shard, theirs] : by_shard) {
    SagaStep& step = plan.steps.emplace_back();
    step.shard = call.routes().shard_name(shard);
    step.database = call.database();
    step.keys.reserve(theirs.size());
    std::vector<Bytes>& values = work.values.emplace_back();
    values.reserve(theirs.size());
    for (const size_t i : theirs) {
      step.keys.push_back({std::string(assignments.key(i)), image});
      values.push_back(assignments.value(i));
    }
  }
  return plan;
}

struct SetReply {
  enum class Why : uint8_t {
    kAll,      // of all assignments together
    kSome,     // some of them; without those it may be another
    kTrouble,  // a shard; without it the same
  };
  std::string reply;
  Why why = Why::kAll;
};

struct SetOptions {
  ImageKind image = ImageKind::kOverwrite;
  std::optional<Duration> patience = {};  // for the locks; then see SagaLimits
  std::function<void()> done = {};        // runs when all shards did their part
};

Task<SetReply> SetAll(RecipeCall& call, std::shared_ptr<Assignments> assignments,
                      SetOptions options) {
  using Why = SetReply::Why;
  HeldLocks locks(call.context().locks);
  const bool locked = co_await Lock(call, locks, *assignments, options.patience);
  if (!locked) {
    // A shard that stands still may be what they waited for.
    const Why why = options.patience ? Why::kTrouble : Why::kSome;
    co_return SetReply{LocksNotHad(call, assignments->key(0)), why};
  }
  call.TakeNewRoutes();
  assignments->Place(call.routes());
  const ByShard by_shard = Split(*assignments);
  const bool only_new = options.image == ImageKind::kCreate;
  if (only_new) {
    std::string decided = co_await RefusalToCreate(call, by_shard, *assignments);
    if (!decided.empty()) co_return SetReply{std::move(decided), Why::kSome};
  }
  auto work = std::make_shared<SetWork>(assignments, std::move(options.done));
  SagaPlan plan = PlanOf(call, by_shard, *assignments, options.image, *work);
  std::string unreachable = co_await NameServers(call, plan);
  if (!unreachable.empty()) co_return SetReply{std::move(unreachable), Why::kTrouble};
  const SagaResult result = co_await RunSaga(call, std::move(plan), work, locks, options.patience);
  const bool refused = result.kind == SagaResult::Kind::kRefused;
  if (result.kind == SagaResult::Kind::kCommitted) {
    co_return SetReply{only_new ? ":1\r\n" : "+OK\r\n", Why::kAll};
  }
  if (refused && work->refusal.empty()) co_return SetReply{":0\r\n", Why::kSome};
  const bool trouble = result.kind == SagaResult::Kind::kNotApplied;
  const Why why = refused ? Why::kSome : trouble ? Why::kTrouble : Why::kAll;
  co_return SetReply{FailureReply(result, work->refusal), why};
}

// Together with others, if there are some. Empty: to be set alone.
Task<std::string> SetTogether(RecipeCall& call, MsetBatches::Joined joined) {
  MsetBatch& group = *joined.group;
  if (!joined.leads) {
    co_await group.over();
    co_return group.reply();
  }
  co_await group.may_start();
  MsetBatches& groups = *call.context().mset_batches;
  const bool alone = group.members() == 1;
  SetOptions options;
  if (group.mixed() && !alone) options.patience = MsetBatches::kPatience;
  options.done = [&groups, of = joined.group] { groups.Done(*of); };
  SetReply said = co_await SetAll(call, group.assignments(), std::move(options));
  if (said.why == SetReply::Why::kTrouble) groups.OnTrouble(call.context().proxy.Now());
  if (said.why != SetReply::Why::kAll && !alone) said.reply.clear();
  groups.Over(group, std::move(said.reply));
  co_return group.reply();
}

}  // namespace

Task<std::string> MsetSagaRecipe(RecipeCall& call) {
  call.LeaveLocks();
  const std::span<const Bytes> args = call.args();
  if (args.size() % 2 == 0) co_return errors::WrongArity(call.command().full_name);
  const bool only_new = call.command().full_name == "msetnx";
  const std::span<const Bytes> pairs = args.subspan(1);
  MsetBatches* groups = call.context().mset_batches;
  if (!only_new && groups != nullptr) {
    const TimePoint now = call.context().proxy.Now();
    const auto joined = groups->Join(call.routes(), call.database(), pairs, now);
    std::string reply;
    if (joined.group != nullptr) reply = co_await SetTogether(call, joined);
    if (!reply.empty()) co_return reply;
  }
  std::vector<uint32_t> shards;
  ShardsOf(call.routes(), pairs, shards);
  auto assignments = std::make_shared<Assignments>();
  assignments->Add(call.routes(), pairs, shards);
  SetOptions options;
  if (only_new) options.image = ImageKind::kCreate;
  SetReply said = co_await SetAll(call, std::move(assignments), std::move(options));
  co_return std::move(said.reply);
}

}  // namespace ringmaster
