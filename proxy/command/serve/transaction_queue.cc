#include "command/serve/transaction_queue.h"

#include <optional>
#include <string>
#include <vector>

#include "command/access/access.h"
#include "command/call/call.h"
#include "command/call/transaction.h"
#include "command/serve/busy_shards.h"
#include "command/serve/decide.h"
#include "command/serve/recipe.h"
#include "command/table/keys.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// The command is in the queue already; EXEC waits for what is said here.
Task<std::string> QueuedWhileBusyRecipe(RecipeCall& call) {
  std::string reply = co_await BusyReply(call);
  if (reply.empty()) co_return "+QUEUED\r\n";
  ClientState* client = call.client();
  if (client != nullptr && client->transaction != nullptr) client->transaction->broken = true;
  co_return reply;
}

bool MayLackMemory(const Call& call) {
  Router& router = call.context.router;
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    if (router.backend(shard).link().memory_limited()) return true;
  }
  return false;
}

// Whether its shard would queue it: asked by a transaction that is discarded.
Task<std::string> QueuedWithinMemoryRecipe(RecipeCall& call) {
  std::vector<uint32_t> keys;
  uint32_t shard = 0;
  if (FindKeys(*call.command().row, call.args(), keys) && !keys.empty()) {
    shard = call.routes().ShardOf(call.args()[keys[0]]);
  }
  std::string request = MakeRequest({"MULTI"});
  request += call.wire();
  request += MakeRequest({"DISCARD"});
  const AskOptions options{.read_only = true, .replies = 3};
  Connection& connection = call.Shared(shard, call.database());
  const Answer answer = co_await call.AskOver(connection, std::move(request), options);
  ReplyReader reader(answer.reply);
  (void)reader.Next();
  const std::optional<ReplyElement> queued = reader.Next();
  if (!queued || !queued->raw.starts_with("-OOM ")) co_return "+QUEUED\r\n";
  ClientState* client = call.client();
  if (client != nullptr && client->transaction != nullptr) client->transaction->broken = true;
  co_return std::string(queued->raw);
}

}  // namespace

bool QueueInTransaction(Call& call) {
  Transaction& transaction = *call.client.transaction;
  if (!transaction.open || call.command.Is(kInTransaction)) return false;
  if (call.command.row->plan.recipe == call.context.table.recipes().unknown_command) {
    call.context.recipes.Start(call, call.context.table.recipes().queue_unknown_command);
    return true;
  }
  const Bytes reserved = ReservedKeyOf(call.context, call.command, call.args);
  if (!reserved.empty()) {
    transaction.broken = true;
    AnswerHere(call.exchange, errors::ReservedKey(reserved));
    return true;
  }
  if (call.command.Is(kNoMulti)) {
    transaction.broken = true;
    AnswerHere(call.exchange, "-ERR Command not allowed inside a transaction\r\n");
    return true;
  }
  size_t size = 0;
  for (const Bytes arg : call.args) size += arg.size() + sizeof(std::string);
  if (transaction.bytes + size > Transaction::kMaxBytes ||
      transaction.queue.size() >= Transaction::kMaxCommands) {
    transaction.broken = true;
    AnswerHere(call.exchange, "-ERR the transaction is too large: send it in smaller ones\r\n");
    return true;
  }
  // After an error nothing of it will run.
  if (!transaction.broken) {
    if (transaction.queue.empty()) transaction.checked_for = call.client.user;
    if (transaction.checked_for != call.client.user) transaction.rights_changed = true;
    transaction.bytes += size;
    transaction.charge.Set(call.context.blocks, transaction.bytes);
    const AclUser* limits = call.client.limits;
    const Denial denial = limits != nullptr ? limits->CheckRun(call.command, call.args) : Denial();
    if (denial) [[unlikely]] {
      transaction.queue.push_back({call.context.table.FindByName(kRefusedCall),
                                   {kRefusedCall, DenialReply(denial, call.command)}});
    } else {
      transaction.queue.push_back({&call.command, {call.args.begin(), call.args.end()}});
    }
  }
  const bool busy = call.client.push == nullptr && SomeShardRunsScript(call.context);
  if (busy && !call.command.Is(kAllowBusy)) [[unlikely]] {
    call.context.recipes.Start(call, QueuedWhileBusyRecipe);
    return true;
  }
  if (call.command.Is(kDenyOom) && !transaction.broken && MayLackMemory(call)) [[unlikely]] {
    call.context.recipes.Start(call, QueuedWithinMemoryRecipe);
    return true;
  }
  AnswerHere(call.exchange, "+QUEUED\r\n");
  return true;
}

}  // namespace ringmaster
