// Calls of commands that the rows do not know: the shards are asked what they are, where their keys
// are, and then the client's user whether it may.
#include "command/whole/learn.h"

#include <algorithm>
#include <optional>

#include "command/access/access_control.h"
#include "command/call/transaction.h"
#include "command/push/push_hub.h"
#include "command/serve/recipe.h"
#include "command/serve/transaction_queue.h"
#include "command/table/keys.h"
#include "command/table/learned_rows.h"
#include "command/whole/handlers.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"
#include "route/owned_keys.h"

namespace ringmaster {
namespace {

// What a shard says when a call has no keys, or none that make sense: its command refuses it.
constexpr Bytes kNoKeys[] = {"-ERR The command has no key arguments",
                             "-ERR Invalid number of arguments specified for command",
                             "-ERR Invalid arguments specified for command"};
constexpr Bytes kNotHere = "-ERR Invalid command specified";
// What it does to keys of which it does not say it.
constexpr char kAnything[] = "RW access update";

// The first shard that answers, and knows the command, says it.
Task<Answer> AskAny(RecipeCall& call, std::string request) {
  Answer answer;
  for (uint32_t shard = 0; shard < call.routes().shard_count(); ++shard) {
    answer = co_await call.Ask(shard, request, true);
    if (answer.outcome == Outcome::kReplied && !answer.reply.starts_with(kNotHere)) break;
  }
  co_return answer;
}

// Asks the shards for a command, until one knows it. What is wrong, as a reply, or empty: then
// `modules` knows what they said.
Task<std::string> LearnName(RecipeCall& call, std::string name) {
  ModuleCommands& modules = *call.context().modules;
  // Named before it is awaited: GCC 12 cannot keep an initializer list across a suspension.
  const std::string request = MakeRequest({"COMMAND", "INFO", name});
  std::string wrong;
  bool answered = false;
  for (uint32_t shard = 0; shard < call.routes().shard_count(); ++shard) {
    std::string bytes = request;
    const Answer answer = co_await call.Ask(shard, std::move(bytes), true);
    if (answer.outcome != Outcome::kReplied || answer.is_error()) {
      if (wrong.empty()) wrong = answer.reply;
      continue;
    }
    answered = true;
    if (modules.Learn(name, answer.reply) != nullptr) co_return std::string();
  }
  if (!answered) co_return wrong;
  modules.Forget(name, call.context().proxy.Now());
  co_return std::string();
}

std::string KeysRequest(Bytes subcommand, std::span<const Bytes> args) {
  std::string request;
  AppendRequestHeader(request, args.size() + 2);
  AppendRequestArg(request, "COMMAND");
  AppendRequestArg(request, subcommand);
  for (const Bytes arg : args) AppendRequestArg(request, arg);
  return request;
}

bool SaysThereAreNone(Bytes reply) {
  return std::any_of(std::begin(kNoKeys), std::end(kNoKeys),
                     [reply](Bytes error) { return reply.starts_with(error); });
}

// What the shards say of the call's keys. What is wrong, as a reply, or empty.
Task<std::string> AskForKeys(RecipeCall& call, std::span<const Bytes> args, SaidKeys& keys) {
  std::string request = KeysRequest("GETKEYSANDFLAGS", args);
  Answer said = co_await AskAny(call, std::move(request));
  if (said.outcome != Outcome::kReplied) co_return said.reply;
  if (!said.is_error()) {
    for (const ReplyElement& each : ReadArray(said.reply)) {
      const std::vector<ReplyElement> key = ReadArray(each.raw);
      if (key.size() != 2) continue;
      std::string access;
      for (const ReplyElement& flag : ReadArray(key[1].raw)) {
        access += std::string(flag.text) + " ";
      }
      keys.emplace_back(key[0].text, std::move(access));
    }
    co_return std::string();
  }
  if (SaysThereAreNone(said.reply)) co_return std::string();
  // Before Redis 7.
  request = KeysRequest("GETKEYS", args);
  said = co_await AskAny(call, std::move(request));
  if (said.outcome != Outcome::kReplied) co_return said.reply;
  if (said.is_error()) co_return SaysThereAreNone(said.reply) ? std::string() : said.reply;
  for (const ReplyElement& key : ReadArray(said.reply)) keys.emplace_back(key.text, kAnything);
  co_return std::string();
}

// The command that a call asks for. nullptr: there is none, or the call does not fit it, and
// `reply` is what its caller hears.
Task<const Command*> Look(RecipeCall& call, std::string& reply) {
  const std::span<const Bytes> args = call.args();
  reply = co_await LearnCommand(call, args, call.limits() != nullptr);
  if (!reply.empty()) co_return nullptr;
  const Command* command = call.context().modules->KnownCall(args);
  if (command == nullptr) {
    reply = errors::UnknownCommand(args);
  } else if (!command->subcommands.empty() && args.size() > 1) {
    reply = errors::UnknownSubcommand(command->row->name, args[1]);
    command = nullptr;
  } else if (!command->ArityFits(args.size())) {
    reply = errors::WrongArity(command->full_name);
    command = nullptr;
  }
  co_return command;
}

// The reply to a call that the client's user may not make; empty: it may.
Task<std::string> WhyDenied(RecipeCall& call, const Command& command) {
  if (call.limits() == nullptr) co_return std::string();
  std::optional<SaidKeys> keys;
  std::string wrong = co_await AskForJudgedKeys(call, command, call.args(), keys);
  if (!wrong.empty()) co_return wrong;
  const Denial denial = call.limits()->Check(command, call.args(), keys ? &*keys : nullptr);
  if (!denial) co_return std::string();
  if (ClientView* view = call.view()) {
    LogDenial(call.context().proxy, *view, denial, command, call.args());
  }
  call.context().metrics.per_command[command.id].rejected.Add();
  co_return DenialReply(denial, command);
}

}  // namespace

Task<std::string> LearnCommand(RecipeCall& call, std::span<const Bytes> args, bool for_rules) {
  const ModuleCommands& modules = *call.context().modules;
  const bool known =
      for_rules ? modules.Learned(args[0]) != nullptr : modules.KnownCall(args) != nullptr;
  if (known) co_return std::string();
  std::string name(args[0]);
  std::string wrong = co_await LearnName(call, std::move(name));
  if (!wrong.empty()) co_return wrong;
  // The operator's word alone does not say what users may.
  const bool enough = for_rules ? modules.Learned(args[0]) != nullptr : true;
  co_return enough ? std::string() : errors::UnknownCommand(args);
}

Task<std::string> AskForJudgedKeys(RecipeCall& call, const Command& command,
                                   std::span<const Bytes> args, std::optional<SaidKeys>& keys) {
  if (!command.judged().keys_said_by_shard) co_return std::string();
  keys.emplace();
  co_return co_await AskForKeys(call, args, *keys);
}

// Of a module's keys nobody knows which it writes, and what could be undone.
Task<std::string> NotOverShardsRecipe(RecipeCall& call) {
  co_return errors::ManyShards(call.command().full_name);
}

// A shard says where the keys are of commands whose positions alone do not tell.
Task<std::string> KeysSaidByShardRecipe(RecipeCall& call) {
  // Between MULTI and EXEC a right may have been taken.
  std::string denied = co_await WhyDenied(call, call.command());
  if (!denied.empty()) co_return denied;
  std::string request = KeysRequest("GETKEYS", call.args());
  const Answer said = co_await AskAny(call, std::move(request));
  if (said.outcome != Outcome::kReplied) co_return said.reply;
  // An error says that there are none.
  std::vector<std::string> keys;
  for (const ReplyElement& key : ReadArray(said.reply)) keys.emplace_back(key.text);
  if (keys.empty()) {
    const Answer answer = co_await call.Ask(0, call.wire(), call.command().Is(kReadOnly));
    co_return answer.reply;
  }
  const std::vector<Bytes> views(keys.begin(), keys.end());
  std::string error = co_await call.EnterAgain(views);
  if (!error.empty()) co_return error;
  const uint32_t shard = call.routes().ShardOf(keys[0]);
  for (const std::string& key : keys) {
    if (IsReserved(key)) co_return errors::ReservedKey(key);
    if (call.routes().ShardOf(key) != shard) co_return errors::ManyShards(call.command().full_name);
  }
  const Answer answer = co_await call.Ask(shard, call.wire(), call.command().Is(kReadOnly));
  co_return answer.reply;
}

// A call of a command that the rows do not know and the shards have to be asked about.
Task<std::string> UnknownCommandRecipe(RecipeCall& call) {
  std::string reply;
  const Command* command = co_await Look(call, reply);
  if (command == nullptr) co_return reply;
  reply = co_await WhyDenied(call, *command);
  if (!reply.empty()) co_return reply;
  std::vector<uint32_t> positions;
  if (call.context().moving && FindKeys(*command->row, call.args(), positions)) {
    std::vector<Bytes> keys;
    keys.reserve(positions.size());
    for (const uint32_t position : positions) keys.push_back(call.args()[position]);
    std::string error = co_await call.EnterAgain(keys);
    if (!error.empty()) co_return error;
  }
  if (call.context().monitors != 0 && call.view() != nullptr) {
    call.context().push->ShowToMonitors(*call.view(), *command, call.args());
  }
  ClientState absent = call.StandIn();
  ClientState* client = call.client();
  std::vector<Bytes> args(call.args().begin(), call.args().end());
  reply = co_await call.Run(*command, std::move(args), client != nullptr ? *client : absent);
  co_return reply;
}

// The same between MULTI and EXEC.
Task<std::string> QueueUnknownCommandRecipe(RecipeCall& call) {
  std::string reply;
  const Command* command = co_await Look(call, reply);
  if (command != nullptr) reply = co_await WhyDenied(call, *command);
  ClientState* client = call.client();
  if (client == nullptr || client->transaction == nullptr) co_return reply;
  if (!reply.empty()) {
    client->transaction->broken = true;
    co_return reply;
  }
  std::vector<Bytes> args(call.args().begin(), call.args().end());
  Question question(call.context().scatters.max_reply());
  Call queued{args, {}, *command, *client, call.context(), question.exchange(), call.view()};
  QueueInTransaction(queued);
  const Answer answer = co_await question.answer();
  co_return answer.reply;
}

}  // namespace ringmaster
