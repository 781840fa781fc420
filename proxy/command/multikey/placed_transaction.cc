#include "command/multikey/placed_transaction.h"

#include <algorithm>
#include <map>
#include <utility>

#include "command/multikey/execution_work.h"
#include "command/multikey/gather.h"
#include "command/multikey/saga_calls.h"
#include "command/multikey/stretches.h"
#include "command/serve/decide.h"
#include "command/serve/recipe.h"
#include "coro/all.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

using Where = PlacedTransaction::Where;

// Steps are of one database each.
bool NamesDatabases(const Row& row, size_t args) {
  return Bytes(row.name) == "move" || (Bytes(row.name) == "copy" && args > 4);
}

// Nothing: it cannot be part of it.
std::optional<PlacedTransaction::Placed> PlaceOne(CommandContext& context, const AclUser* limits,
                                                  const Transaction::Queued& queued) {
  using Kind = Decision::Kind;
  using Placed = PlacedTransaction::Placed;
  const Command& command = *queued.command;
  const std::vector<Bytes> args = queued.views();
  const Decision decision = Decide(context, command, args, {.limits = limits, .queued = true});
  const bool of_keys = command.row->plan.kind == PlanKind::kForward ||
                       command.row->plan.kind == PlanKind::kScatter || command.Is(kBlocking);
  switch (decision.kind) {
    case Kind::kRefuse:  // changes nothing
      return Placed{Where::kAfter};
    case Kind::kLocal:
      if (!IsOurs(queued)) return std::nullopt;
      return Placed{Where::kAfter};
    case Kind::kStart:
      if (!command.Is(kPubSub)) return std::nullopt;
      return Placed{Where::kAfter};
    case Kind::kForward:
    case Kind::kScatter:
    case Kind::kSteps:
      break;
    case Kind::kEveryShard:
    case Kind::kOpen:
      return std::nullopt;
  }
  if (!of_keys || NamesDatabases(*command.row, args.size())) return std::nullopt;
  if (decision.anywhere) return Placed{Where::kAnywhere};
  if (decision.several) return Placed{Where::kSeveral};
  // Whatever else takes steps has other keys than it names.
  if (decision.kind == Kind::kSteps) return std::nullopt;
  return Placed{Where::kOneShard, decision.shard};
}

// The replies to the requests that shards ran, in their order.
class Run {
 public:
  Run(RecipeCall& call, PlacedTransaction& placed, HeldLocks& locks, std::shared_ptr<LastLook> look)
      : call_(call), placed_(placed), locks_(locks), look_(std::move(look)) {}

  Task<SagaExecution> Go(std::vector<std::string> requests, std::vector<uint32_t> shards) {
    std::vector<NeededKey>& keys = placed_.keys;
    const bool gathers =
        std::any_of(placed_.commands.begin(), placed_.commands.end(),
                    [](const auto& each) { return each.where == Where::kSeveral; });
    if (gathers) co_return co_await Gathered(std::move(requests));
    std::optional<uint32_t> writer;
    bool several = false;
    for (const NeededKey& key : keys) {
      if (!key.writes) continue;
      several = several || (writer && *writer != key.shard);
      writer = key.shard;
    }
    // Only a saga can look at what the client watches when nothing can come between any more.
    if (several || (writer && look_ != nullptr)) {
      co_return co_await ExecuteOnEach(call_, requests, shards, keys, locks_, look_);
    }
    const std::string broken = co_await Look();
    if (!broken.empty()) co_return SagaExecution{broken, {}};
    co_return co_await OneWrites(std::move(requests), std::move(shards), writer);
  }

 private:
  Task<std::string> Look() {
    if (look_ == nullptr) co_return std::string();
    co_return co_await look_->Look();
  }

  Task<SagaExecution> Gathered(std::vector<std::string> requests) {
    const std::vector<NeededKey>& keys = placed_.keys;
    const uint32_t executing = ExecutingShard(keys);
    if (WritesForeign(keys, executing)) {
      co_return co_await ExecuteAsSaga(call_, requests, executing, keys, locks_, look_);
    }
    std::vector<ForeignKey> foreign;
    for (const NeededKey& key : keys) {
      if (key.shard != executing) foreign.push_back({key.key, key.shard, {}, 0});
    }
    SagaExecution done;
    done.error = co_await Look();
    if (!done.error.empty()) co_return done;
    done.error = co_await FetchForeign(call_, call_.database(), foreign);
    if (!done.error.empty()) co_return done;
    CopiesResult result = co_await RunBesideCopies(call_, executing, foreign, requests);
    done.error = std::move(result.error);
    done.replies = std::move(result.replies);
    co_return done;
  }

  // The others only read, and under the locks nothing changes: it is all or nothing without a saga
  // when the one that writes goes last.
  Task<SagaExecution> OneWrites(std::vector<std::string> requests, std::vector<uint32_t> shards,
                                std::optional<uint32_t> writer) {
    std::map<uint32_t, std::vector<size_t>> by_shard;
    for (size_t i = 0; i < requests.size(); ++i) by_shard[shards[i]].push_back(i);
    std::vector<uint32_t> order;
    for (const auto& [shard, theirs] : by_shard) {
      if (!writer || shard != *writer) order.push_back(shard);
    }
    if (writer && by_shard.contains(*writer)) order.push_back(*writer);
    SagaExecution done;
    done.replies.resize(requests.size());
    for (const uint32_t shard : order) {
      const std::vector<ForeignKey> none;
      std::vector<std::string> theirs;
      for (const size_t i : by_shard[shard]) theirs.push_back(requests[i]);
      CopiesResult result = co_await RunBesideCopies(call_, shard, none, theirs);
      if (!result.error.empty()) {
        done.error = std::move(result.error);
        co_return done;
      }
      for (size_t i = 0; i < theirs.size(); ++i) {
        done.replies[by_shard[shard][i]] = std::move(result.replies[i]);
      }
    }
    co_return done;
  }

  RecipeCall& call_;
  PlacedTransaction& placed_;
  HeldLocks& locks_;
  const std::shared_ptr<LastLook> look_;
};

}  // namespace

std::optional<PlacedTransaction> PlaceTransaction(CommandContext& context, const AclUser* limits,
                                                  int database,
                                                  const std::vector<Transaction::Queued>& queue) {
  PlacedTransaction placed;
  NeededKeys keys;
  for (const Transaction::Queued& queued : queue) {
    const std::optional<PlacedTransaction::Placed> one = PlaceOne(context, limits, queued);
    if (!one) return std::nullopt;
    placed.commands.push_back(*one);
    if (one->where == Where::kOneShard || one->where == Where::kSeveral) {
      keys.Add(*queued.command, queued.views(), database);
    }
  }
  placed.keys = keys.Take();
  if (placed.keys.empty()) return std::nullopt;
  Place(context.router, placed.keys);
  return placed;
}

Task<std::string> RunPlaced(RecipeCall& call, const std::vector<Transaction::Queued>& queue,
                            PlacedTransaction& placed, HeldLocks& locks, ExecClient& client,
                            std::shared_ptr<LastLook> look) {
  std::vector<std::string> requests;
  std::vector<uint32_t> shards;
  for (size_t i = 0; i < queue.size(); ++i) {
    const PlacedTransaction::Placed& one = placed.commands[i];
    if (one.where == Where::kAfter) continue;
    const std::vector<Bytes> args = queue[i].views();
    requests.push_back(MakeRequest(std::span<const Bytes>(args)));
    shards.push_back(one.where == Where::kOneShard ? one.shard : placed.keys[0].shard);
  }
  Run run(call, placed, locks, std::move(look));
  SagaExecution done = co_await run.Go(std::move(requests), std::move(shards));
  if (!done.error.empty()) co_return std::move(done.error);
  std::string reply;
  ReplyWriter(reply, 2).Array(queue.size());
  size_t next = 0;
  for (size_t i = 0; i < queue.size(); ++i) {
    if (placed.commands[i].where != Where::kAfter) {
      reply += done.replies[next++];
      continue;
    }
    reply += co_await client.Run(queue[i]);
  }
  co_return reply;
}

}  // namespace ringmaster
