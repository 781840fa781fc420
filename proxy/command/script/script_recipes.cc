// Scripts and functions on many shards: what a client of one Redis would see of them.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "command/call/transaction.h"
#include "command/script/handlers.h"
#include "command/script/script_memory.h"
#include "command/serve/busy_shards.h"
#include "command/serve/recipe.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {

Task<std::string> PingRecipe(RecipeCall& call) {
  if (call.args().size() > 2) co_return errors::WrongArity("ping");
  std::string reply = co_await BusyReply(call);
  if (!reply.empty()) co_return reply;
  ReplyWriter out(reply, call.resp());
  if (call.args().size() == 2) {
    out.Bulk(call.args()[1]);
  } else {
    out.Simple("PONG");
  }
  co_return reply;
}

// SCRIPT KILL and FUNCTION KILL. They would not be heard behind the script.
Task<std::string> KillScriptRecipe(RecipeCall& call) {
  const Routes& router = call.routes();
  std::vector<Task<Answer>> tasks;
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    Backend& backend = router.backend(shard);
    backend.LeaveScripts(call.context().proxy.Now(), Duration(0));
    // Database 0: a busy shard takes such a new connection, and no other.
    tasks.push_back(call.AskOver(backend.Common(0, call.resp()), call.wire()));
  }
  const std::vector<Answer> answers = co_await All(std::move(tasks));
  std::string said;
  for (const Answer& answer : answers) {
    if (!answer.is_error()) co_return answer.reply;
    if (said.empty() || said.starts_with("-NOTBUSY")) said = answer.reply;
  }
  co_return said;
}

namespace {

// The first that every shard agreed to; otherwise what went wrong.
std::string AllSucceeded(RecipeCall& call, const std::vector<Answer>& answers) {
  const Answer* failed = nullptr;
  bool done = false;
  for (const Answer& answer : answers) {
    done = done || !answer.is_error();
    if (answer.is_error() && failed == nullptr) failed = &answer;
  }
  if (answers.empty()) return errors::ShuttingDown();
  if (failed == nullptr) return answers[0].reply;
  if (!done) return failed->reply;
  const auto shard = static_cast<uint32_t>(failed - answers.data());
  const Bytes name = shard < call.routes().shard_count() ? Bytes(call.routes().shard_name(shard))
                                                         : Bytes("that left");
  return errors::Uncertain(name, "other shards did it; send it again when this one answers");
}

// The value behind `name` in a map, or an array of pairs; type 0: there is none.
ReplyElement Value(const ReplyElement& pairs, Bytes name) {
  const std::vector<ReplyElement> elements = ReadArray(pairs.raw);
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (elements[i].text == name) return elements[i + 1];
  }
  return {};
}

// The functions that FUNCTION LIST says do not write.
std::set<std::string> Readers(const std::string& list) {
  std::set<std::string> readers;
  for (const ReplyElement& library : ReadArray(list)) {
    for (const ReplyElement& function : ReadArray(Value(library, "functions").raw)) {
      for (const ReplyElement& flag : ReadArray(Value(function, "flags").raw)) {
        if (flag.text == "no-writes") readers.insert(Lowercase(Value(function, "name").text));
      }
    }
  }
  return readers;
}

// As AskAll, with a request that may run code for long.
Task<std::vector<Answer>> RunOnAll(RecipeCall& call, std::string request) {
  std::vector<Task<Answer>> tasks;
  const AskOptions options{.script = true};
  for (uint32_t shard = 0; shard < call.routes().shard_count(); ++shard) {
    call.routes().backend(shard).ExpectScript(call.database(), call.resp());
    tasks.push_back(call.AskOver(call.Shared(shard, call.database()), request, options));
  }
  co_return co_await All(std::move(tasks));
}

}  // namespace

Task<std::string> ScriptLoadRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), false);
  // A shard that is away hears of it when it comes back.
  const Answer* loaded = nullptr;
  for (const Answer& answer : answers) {
    if (answer.outcome == Outcome::kReplied && answer.is_error()) co_return answer.reply;
    if (!answer.is_error()) loaded = &answer;
  }
  if (loaded == nullptr) co_return AllSucceeded(call, answers);
  if (call.context().scripts != nullptr) {
    call.context().scripts->Remember(call.args()[2], ScriptMemory::Source::kLoaded);
  }
  co_return loaded->reply;
}

Task<std::string> ScriptFlushRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), false);
  std::string reply = AllSucceeded(call, answers);
  if (!reply.starts_with('-') && call.context().scripts != nullptr) {
    call.context().scripts->ForgetScripts();
  }
  co_return reply;
}

// A script exists when every shard has it, or is going to have it before it is called.
Task<std::string> ScriptExistsRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
  const size_t count = call.args().size() - 2;
  std::vector<bool> known(count, true);
  for (const Answer& answer : answers) {
    if (answer.is_error()) co_return answer.reply;
    const std::vector<ReplyElement> elements = ReadArray(answer.reply);
    for (size_t i = 0; i < count; ++i) {
      known[i] = known[i] && i < elements.size() && elements[i].count == 1;
    }
  }
  std::string reply;
  ReplyWriter out(reply, call.resp());
  out.Array(count);
  for (size_t i = 0; i < count; ++i) {
    ScriptMemory::Text text;
    if (!known[i] && call.context().scripts != nullptr) {
      std::string sha(call.args()[2 + i]);
      for (char& c : sha) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
      text = call.context().scripts->Find(sha);
    }
    if (text != nullptr) {
      std::string request = MakeRequest({"SCRIPT", "LOAD", *text});
      const std::vector<Answer> loaded = co_await call.AskAll(std::move(request), false);
      known[i] = std::none_of(loaded.begin(), loaded.end(),
                              [](const Answer& answer) { return answer.is_error(); });
    }
    out.Integer(known[i] ? 1 : 0);
  }
  co_return reply;
}

namespace {

// A library that is added and names no such function makes no others such functions.
bool LeavesReaders(const RecipeCall& call) {
  const std::span<const Bytes> args = call.args();
  return args.size() == 3 && EqualsIgnoreCase(args[1], "load") &&
         Lowercase(args[2]).find("no-writes") == std::string::npos;
}

// The libraries after a change, of the first shard that made it; otherwise of any.
Task<std::string> DumpOf(RecipeCall& call, const std::vector<Answer>& answers, uint32_t& told_by) {
  std::string request = MakeRequest({"FUNCTION", "DUMP"});
  const std::vector<Answer> dumps = co_await call.AskAll(std::move(request), true);
  std::string dump;
  bool done = false;
  for (size_t i = 0; i < dumps.size() && !done; ++i) {
    if (dumps[i].is_error()) continue;
    done = i < answers.size() && !answers[i].is_error();
    if (!done && !dump.empty()) continue;
    dump = std::string(ReadReply(dumps[i].reply).text);
    told_by = static_cast<uint32_t>(i);
  }
  co_return dump;
}

Task<void> NoteChange(RecipeCall& call, ScriptMemory& memory, const std::vector<Answer>& answers) {
  const auto made = std::find_if(answers.begin(), answers.end(),
                                 [](const Answer& answer) { return !answer.is_error(); });
  auto told_by = static_cast<uint32_t>(made == answers.end() ? 0 : made - answers.begin());
  std::optional<std::string> dump;
  if (!memory.functions_large()) dump = co_await DumpOf(call, answers, told_by);
  std::optional<std::set<std::string>> readers;
  if (!LeavesReaders(call) && told_by < call.routes().shard_count()) {
    std::string list = MakeRequest({"FUNCTION", "LIST"});
    const Answer listed = co_await call.Ask(told_by, std::move(list), true);
    readers = Readers(listed.reply);
  }
  const bool later = !dump;
  memory.EndChange(std::move(dump), std::move(readers));
  if (later && memory.StartLearning()) {
    call.context().recipes.StartUnasked(call.context(), call.command(), LearnFunctionsRecipe);
  }
}

}  // namespace

// FUNCTION LOAD, DELETE, FLUSH and RESTORE, on every shard.
Task<std::string> ChangeFunctionsRecipe(RecipeCall& call) {
  ScriptMemory* const memory = call.context().scripts;
  if (memory != nullptr) memory->BeginChange();
  std::string wire = call.wire();
  const std::vector<Answer> answers = co_await RunOnAll(call, std::move(wire));
  if (memory != nullptr) co_await NoteChange(call, *memory, answers);
  co_return AllSucceeded(call, answers);
}

}  // namespace ringmaster
