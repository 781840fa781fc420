#include "command/serve/dispatch.h"

#include "command/call/call.h"
#include "command/call/script_teller.h"
#include "command/call/transaction.h"
#include "command/gate/lock_gate.h"
#include "command/gate/move_gate.h"
#include "command/serve/background.h"
#include "command/serve/decide.h"
#include "command/serve/recipe.h"
#include "command/serve/transaction_queue.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

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

// When it goes alone, what the client sends next waits for it.
void StartSteps(Call& call, const Decision& decision) {
  if (decision.alone) call.client.goes_alone = true;
  call.context.recipes.Start(call, decision.recipe);
}

// As SendTo; it is known before it is called, and may run for long.
void SendScriptTo(Call& call, uint32_t shard) {
  call.exchange.script = true;
  Backend& backend = call.context.router.backend(shard);
  backend.ExpectScript(call.client.database, call.client.resp);
  if (call.context.script_teller != nullptr) {
    call.context.script_teller->Tell(call.context, call.command, call.args,
                                     backend.Shared(call.client.database, call.client.resp));
  }
  SendTo(call, shard);
}

void ScatterKeys(Call& call) {
  const PlanSpec& spec = call.command.row->plan;
  const Scatter::Plan plan{spec.merge, spec.special, call.command.Is(kReadOnly)};
  Scatter::ByKeys(call.context.scatters, call.context.router, call.args,
                  static_cast<size_t>(call.command.first_key),
                  static_cast<size_t>(call.command.key_step), WireOf(call), plan,
                  call.client.database, call.client.resp, call.exchange);
}

void ToEveryShard(Call& call, bool unmarked) {
  const PlanSpec& spec = call.command.row->plan;
  // Only a write can be half done; what is neither (CONFIG, SCRIPT) counts as one.
  const Scatter::Plan plan{spec.merge, spec.special, call.command.Is(kReadOnly)};
  std::string script;
  if (unmarked) script = MakeRequest({"EVAL", spec.unmarked, "0"});
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

void Locally(Call& call) {
  std::string& reply = call.context.scratch;
  reply.clear();
  ReplyWriter writer(reply, call.client.resp);
  call.command.row->plan.local(call, writer);
  AnswerHere(call.exchange, reply);
}

void CarryOut(Call& call, Decision decision) {
  switch (decision.kind) {
    case Decision::Kind::kForward:
      if (decision.script) [[unlikely]]
        return SendScriptTo(call, decision.shard);
      return SendTo(call, decision.shard);
    case Decision::Kind::kScatter:
      return ScatterKeys(call);
    case Decision::Kind::kEveryShard:
      return ToEveryShard(call, decision.unmarked);
    case Decision::Kind::kLocal:
      return Locally(call);
    case Decision::Kind::kSteps:
      return StartSteps(call, decision);
    case Decision::Kind::kStart:
      return call.command.row->plan.start(call);
    case Decision::Kind::kRefuse:
    case Decision::Kind::kOpen:  // nobody asked so
      break;
  }
  AnswerHere(call.exchange, RefusalReply(decision, call.command, call.args, call.client.limits));
}

// The gate of moves knows better where its key is.
void ServeAt(Call& call, uint32_t shard) {
  Decision decision = Decide(call.context, call.command, call.args, AskedBy(call.client));
  decision.shard = shard;
  CarryOut(call, decision);
}

}  // namespace

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

Serving ServingByDispatch() {
  return {.now = DispatchNow,
          .after_lock = ServeAfterLock,
          .after_move = DispatchAfterMove,
          .by_plan = DispatchByPlan,
          .at_shard = ServeAt};
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

void DispatchAfterMove(Call& call) {
  if (!call.context.moving || !call.command.Is(kEveryKey)) return DispatchNow(call);
  StartSteps(call, {.kind = Decision::Kind::kSteps, .alone = true, .recipe = FlushRecipe});
}

void DispatchNow(Call& call) {
  // Decide's first case, before the question is put together: nothing of it goes through memory.
  if (IsSettledByKey(call.command, call.args)) [[likely]]
    return SendTo(call, call.context.router.ShardOf(call.args[call.command.single_key]));
  CarryOut(call, Decide(call.context, call.command, call.args, AskedBy(call.client)));
}

}  // namespace ringmaster
