// Scripts and libraries that a shard may not know go ahead of the call that needs them, on the same
// connection: the order of the client's commands stays what it is, and nobody waits for it.
#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "command/call/call.h"
#include "command/script/handlers.h"
#include "command/script/script_memory.h"
#include "command/serve/recipe.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"
#include "ring/hash.h"

namespace ringmaster {
namespace {

constexpr size_t kShaDigits = 40;
// FUNCTION DUMP of a shard without libraries is the footer of an RDB file alone.
constexpr size_t kEmptyDump = 10;
// Who changes libraries one after the other is at most so far ahead of what shards that join hear.
constexpr Duration kLetThemChange = std::chrono::milliseconds(100);
constexpr int kOthersShare = 10;  // of the shards' time, for each part that learning takes
// Keep numbers of different kinds apart (Connection::Tell).
constexpr uint64_t kText = 0x9e3779b97f4a7c15;
constexpr uint64_t kSha = 0xc2b2ae3d27d4eb4f;
constexpr uint64_t kFunctions = 0x165667b19e3779f9;

// One request whose answer matters only when it is an error.
void SendAhead(CommandContext& context, Connection& connection, const std::string& request) {
  const Asides::Options options{.read_only = true, .nobody_waits = true};
  context.router.context().asides.Send(
      connection, Slice{request, {}}, options, [&connection](Outcome, const std::string& reply) {
        const bool has_it = reply.find("already exists") != std::string::npos;
        if (reply.starts_with('-') && !has_it) connection.ForgetTold();
      });
}

void TellText(ScriptMemory& memory, Bytes text, Connection& connection) {
  const uint64_t number = (Hash(HashKind::kXxh3, text) ^ kText) + memory.epoch();
  if (!connection.Tell(number)) memory.Remember(text, ScriptMemory::Source::kEvaluated);
}

void TellSha(CommandContext& context, ScriptMemory& memory, Bytes sha, Connection& connection) {
  if (sha.size() != kShaDigits) return;
  const uint64_t number = (Hash(HashKind::kXxh3, sha) ^ kSha) + memory.epoch();
  if (connection.Tell(number)) return;
  std::string lower(sha);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const ScriptMemory::Text text = memory.Find(lower);
  if (text == nullptr) return connection.Untell(number);
  SendAhead(context, connection, MakeRequest({"SCRIPT", "LOAD", *text}));
}

void TellFunctions(CommandContext& context, const Command& command, Connection& connection) {
  ScriptMemory& memory = *context.scripts;
  const uint64_t version = memory.functions_version();
  if (version == 0) {
    if (memory.StartLearning()) {
      context.recipes.StartUnasked(context, command, LearnFunctionsRecipe);
    }
    return;
  }
  if (connection.Tell(version * 2 + kFunctions)) return;
  const ScriptMemory::Functions functions = memory.functions();
  if (functions.version != version || functions.dump->size() <= kEmptyDump) return;
  // A shard that has any of them has all of them, and refuses.
  SendAhead(context, connection, MakeRequest({"FUNCTION", "RESTORE", *functions.dump, "APPEND"}));
}

}  // namespace

// Until the libraries are known: while somebody changes them all the time, again and again.
Task<std::string> LearnFunctionsRecipe(RecipeCall& call) {
  ScriptMemory& memory = *call.context().scripts;
  Proxy& proxy = call.context().proxy;
  bool known = false, answered = true;
  for (Duration took{}; !known && answered;) {
    if (memory.changes() > 0) co_await call.Sleep(std::max(kLetThemChange, took * kOthersShare));
    const TimePoint since = proxy.Now();
    const uint64_t changes = memory.changes();
    std::string request = MakeRequest({"FUNCTION", "DUMP"});
    const std::vector<Answer> answers = co_await call.AskAll(std::move(request), true);
    std::string largest;
    answered = false;
    for (const Answer& answer : answers) {
      if (answer.is_error()) continue;
      const Bytes dump = ReadReply(answer.reply).text;
      if (!answered || dump.size() > largest.size()) largest = dump;
      answered = true;
    }
    if (answered) known = memory.LearnFunctions(std::move(largest), changes);
    took = proxy.Now() - since;
  }
  memory.EndLearning();
  co_return std::string();
}

void ScriptMemory::Tell(CommandContext& context, const Command& command,
                        std::span<const Bytes> args, Connection& connection) {
  if (!command.Is(kRunsScript) || args.size() < 2) return;
  if (command.Is(kScriptBySha)) return TellSha(context, *this, args[1], connection);
  if (command.Is(kFunctionByName)) return TellFunctions(context, command, connection);
  TellText(*this, args[1], connection);
}

}  // namespace ringmaster
