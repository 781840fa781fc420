#include "command/serve/dispatch.h"

#include <algorithm>

#include "command/access/access.h"
#include "command/call/call.h"
#include "command/call/script_teller.h"
#include "command/call/transaction.h"
#include "command/gate/lock_gate.h"
#include "command/gate/move_gate.h"
#include "command/serve/background.h"
#include "command/serve/recipe.h"
#include "command/serve/saga_rules.h"
#include "command/serve/transaction_queue.h"
#include "command/table/keys.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"
#include "route/owned_keys.h"

namespace ringmaster {
namespace {

// The request's bytes as a shard shall see them. An inline request is written anew, into the
// context's scratch: whoever keeps it copies it.
Slice WireOf(Call& call) {
  if (!call.wire.bytes.empty()) [[likely]]
    return call.wire;
  call.context.scratch.clear();
  AppendRequest(call.context.scratch, call.args);
  return Slice{call.context.scratch, {}};
}

void SendTo(Call& call, uint32_t shard) {
  call.exchange.read_only = call.command.Is(kReadOnly);
  call.exchange.request = WireOf(call);
  call.context.router.backend(shard)
      .Shared(call.client.database, call.client.resp)
      .Send(call.exchange);
}

// In steps; what the client sends next waits for it.
void StartSteps(Call& call, RecipeFunction recipe) {
  call.client.goes_alone = true;
  call.context.recipes.Start(call, recipe);
}

// A script that may not run with the proxy's own rights.
bool IsCheckedScript(const Call& call) {
  return call.command.Is(kRunsScript) && call.client.limits != nullptr &&
         !call.client.limits->MayRunScripts();
}

// As SendTo; scripts are known before they are called, and may run for long.
void SendScriptTo(Call& call, uint32_t shard) {
  if (call.command.Is(kRunsScript)) {
    if (IsCheckedScript(call)) [[unlikely]]
      return StartSteps(call, call.context.table.recipes().checked_script);
    call.exchange.script = true;
    Backend& backend = call.context.router.backend(shard);
    backend.ExpectScript(call.client.database, call.client.resp);
    if (call.context.script_teller != nullptr) {
      call.context.script_teller->Tell(call.context, call.command, call.args,
                                       backend.Shared(call.client.database, call.client.resp));
    }
  }
  SendTo(call, shard);
}

void RefuseReserved(Call& call, Bytes key) { AnswerHere(call.exchange, errors::ReservedKey(key)); }

SagaMode ModeOf(const Call& call) {
  const SagaRules* rules = call.context.saga_rules;
  return rules != nullptr ? rules->modes[call.command.id] : BuiltInMode(call.command);
}

void ForwardOverShards(Call& call) {
  if (IsCheckedScript(call)) [[unlikely]] {
    return AnswerHere(call.exchange,
                      ScriptRefusal(*call.client.limits, "its keys are on several shards"));
  }
  if (ModeOf(call) == SagaMode::kReject) {
    return AnswerHere(call.exchange, errors::ManyShards(call.command.full_name));
  }
  const RecipeFunction own = call.command.row->plan.over_shards;
  StartSteps(call, own != nullptr ? own : call.context.table.recipes().over_shards);
}

void ForwardManyKeys(Call& call) {
  Router& router = call.context.router;
  std::vector<uint32_t>& keys = call.context.key_positions;
  keys.clear();
  // Arguments that make no sense go to a shard, which says so in Redis's own words.
  const bool found = FindKeys(*call.command.row, call.args, keys);
  if (!found || keys.empty()) return SendScriptTo(call, AnyShard(router));
  const uint32_t shard = router.ShardOf(call.args[keys[0]]);
  for (const uint32_t key : keys) {
    if (IsReserved(call.args[key])) [[unlikely]]
      return RefuseReserved(call, call.args[key]);
  }
  for (const uint32_t key : keys) {
    if (router.ShardOf(call.args[key]) != shard) {
      return ForwardOverShards(call);
    }
  }
  SendScriptTo(call, shard);
}

void Forward(Call& call) {
  const uint32_t key = call.command.single_key;
  if (key != 0) [[likely]]
    return ForwardTo(call, call.context.router.ShardOf(call.args[key]));
  ForwardManyKeys(call);
}

// True: not every shard for itself, and it was seen to.
bool GoesOverShards(Call& call, size_t first, size_t step) {
  const SagaMode mode = ModeOf(call);
  const bool isolated = mode == SagaMode::kFanout && call.command.Is(kReadOnly) &&
                        call.context.saga_rules != nullptr &&
                        call.context.saga_rules->isolated_reads && !call.client.in_exec;
  if ((mode == SagaMode::kFanout && !isolated) || call.context.sagas == nullptr) return false;
  const RecipeFunction recipe =
      isolated ? call.context.table.recipes().isolated_read : call.command.row->plan.over_shards;
  Router& router = call.context.router;
  const uint32_t shard = router.ShardOf(call.args[first]);
  for (size_t i = first + step; i < call.args.size(); i += step) {
    if (router.ShardOf(call.args[i]) == shard) continue;
    if (mode == SagaMode::kReject) {
      AnswerHere(call.exchange, errors::ManyShards(call.command.full_name));
    } else {
      StartSteps(call, recipe);
    }
    return true;
  }
  return false;
}

void ScatterKeys(Call& call) {
  const Row& row = *call.command.row;
  const auto first = static_cast<size_t>(call.command.first_key);
  const auto step = static_cast<size_t>(call.command.key_step);
  if ((call.args.size() - first) % step != 0) {
    return AnswerHere(call.exchange, errors::WrongArity(call.command.full_name));
  }
  for (size_t i = first; i < call.args.size(); i += step) {
    if (IsReserved(call.args[i])) [[unlikely]]
      return RefuseReserved(call, call.args[i]);
  }
  if (GoesOverShards(call, first, step)) return;
  const Scatter::Plan plan{row.plan.merge, row.plan.special, call.command.Is(kReadOnly)};
  Scatter::ByKeys(call.context.scatters, call.context.router, call.args, first, step, WireOf(call),
                  plan, call.client.database, call.client.resp, call.exchange);
}

void ToEveryShard(Call& call) {
  const PlanSpec& spec = call.command.row->plan;
  // Only a write can be half done; what is neither (CONFIG, SCRIPT) counts as one.
  const Scatter::Plan plan{spec.merge, spec.special, call.command.Is(kReadOnly)};
  std::string script;
  if (spec.unmarked != nullptr && call.client.database == 0 &&
      call.context.router.topology().epoch() > 1) {
    script = MakeRequest({"EVAL", spec.unmarked, "0"});
  }
  const Bytes request = script.empty() ? WireOf(call).bytes : Bytes(script);
  Scatter::ToAll(call.context.scatters, call.context.router, request, plan, call.client.database,
                 call.client.resp, call.exchange);
}

// Flushes while nothing is carried from shard to shard, for that would survive.
Task<std::string> FlushRecipe(RecipeCall& call) {
  const Result<Proxy::TransferHold> held = co_await call.HoldTransfers();
  if (!held) co_return errors::NotApplied(call.routes().shard_name(0), held.error().text);
  const Answer answer = co_await call.ServeNow();
  co_return answer.reply;
}

void ServeAfterLock(Call& call) {
  if (call.context.moving && call.context.moves->Hold(call)) return;
  DispatchNow(call);
}

void ServeAfterMove(Call& call) {
  if (!call.context.moving || !call.command.Is(kEveryKey)) return DispatchNow(call);
  StartSteps(call, FlushRecipe);
}

void Locally(Call& call) {
  std::string& reply = call.context.scratch;
  reply.clear();
  ReplyWriter writer(reply, call.client.resp);
  call.command.row->plan.local(call, writer);
  AnswerHere(call.exchange, reply);
}

}  // namespace

uint32_t AnyShard(const Routes& routes) {
  for (uint32_t shard = 0; shard < routes.shard_count(); ++shard) {
    if (!routes.backend(shard).link().failing()) return shard;
  }
  return 0;
}

bool NamesReserved(const Call& call) {
  std::vector<uint32_t>& keys = call.context.key_positions;
  keys.clear();
  if (!HasKeys(*call.command.row) || !FindKeys(*call.command.row, call.args, keys)) return false;
  return std::any_of(keys.begin(), keys.end(),
                     [&](uint32_t key) { return IsReserved(call.args[key]); });
}

void Dispatch(Call& call) {
  if (call.client.transaction != nullptr) [[unlikely]] {
    if (QueueInTransaction(call)) return;
  }
  if (call.context.background != nullptr) [[unlikely]] {
    if (call.context.InBackground(call.command)) {
      return call.context.recipes.Start(call, RunInBackground);
    }
  }
  DispatchByPlan(call);
}

bool IsExcepted(const CommandContext& context, const Row& row, std::span<const Bytes> args) {
  const Exception& except = row.except;
  if (except.applies == nullptr) return false;
  return except.applies(args, context.router.topology()) ||
         (context.moving && except.applies_in_moves != nullptr && except.applies_in_moves(args));
}

void ForwardTo(Call& call, uint32_t shard) {
  const Bytes key = call.args[call.command.single_key];
  if (IsReserved(key)) [[unlikely]]
    return RefuseReserved(call, key);
  SendTo(call, shard);
}

Serving ServingByDispatch() {
  return {.now = DispatchNow,
          .after_lock = ServeAfterLock,
          .after_move = ServeAfterMove,
          .by_plan = DispatchByPlan,
          .at_shard = ForwardTo};
}

void DispatchByPlan(Call& call) {
  if (call.context.locked || call.context.moving) [[unlikely]] {
    if (call.context.locked && call.context.locks->Hold(call)) return;
    if (call.context.moving && call.context.moves->Hold(call)) return;
  }
  if (call.command.Is(kWholeDatabase)) [[unlikely]] {
    if (call.context.locks != nullptr && call.context.locks->HoldUntilSwept(call)) return;
  }
  DispatchNow(call);
}

void DispatchNow(Call& call) {
  const PlanSpec& plan = call.command.row->plan;
  const Exception& except = call.command.row->except;
  if (except.applies != nullptr) [[unlikely]] {
    if (IsExcepted(call.context, *call.command.row, call.args)) {
      if (NamesReserved(call)) return RefuseReserved(call, kReservedPrefix);
      if (except.recipe != nullptr) return StartSteps(call, except.recipe);
      return AnswerHere(call.exchange, errors::Refused(call.command.full_name, except.why));
    }
  }
  switch (plan.kind) {
    case PlanKind::kForward:
      return Forward(call);
    case PlanKind::kScatter:
      return ScatterKeys(call);
    case PlanKind::kEveryShard:
      return ToEveryShard(call);
    case PlanKind::kLocal:
      if (except.in_steps != nullptr && except.in_steps(call)) [[unlikely]]
        return call.context.recipes.Start(call, except.recipe);
      return Locally(call);
    case PlanKind::kRecipe:
      if (NamesReserved(call)) [[unlikely]]
        return RefuseReserved(call, kReservedPrefix);
      return call.context.recipes.Start(call, plan.recipe);
    case PlanKind::kStart:
      return plan.start(call);
    case PlanKind::kRefuse:
      return AnswerHere(call.exchange, errors::Refused(call.command.full_name, plan.why));
  }
}

}  // namespace ringmaster
