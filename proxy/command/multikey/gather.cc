#include "command/multikey/gather.h"

#include <map>
#include <optional>
#include <utility>

#include "command/serve/recipe.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// What one owner says about its keys; the text of an error, or nothing.
std::string ReadDumps(Bytes replies, const std::vector<ForeignKey*>& keys, Bytes shard) {
  ReplyReader reader(replies);
  for (ForeignKey* key : keys) {
    const std::optional<ReplyElement> ttl = reader.Next();
    const std::optional<ReplyElement> dump = reader.Next();
    // Ours instead of theirs: then it is the only one.
    if (!ttl || !dump) {
      return ttl && ttl->is_error()
                 ? std::string(ttl->raw)
                 : errors::NotApplied(shard, "it gave no sense in reply to DUMP");
    }
    if (ttl->is_error()) return std::string(ttl->raw);
    if (dump->is_error()) return std::string(dump->raw);
    if (dump->is_null()) continue;
    key->dump = std::string(dump->text);
    key->ttl_ms = ttl->count < 0 ? 0 : std::max<int64_t>(ttl->count, 1);
  }
  return {};
}

std::string DumpRequest(const std::vector<ForeignKey*>& keys) {
  std::string request;
  for (const ForeignKey* key : keys) {
    request += MakeRequest({"PTTL", key->key});
    request += MakeRequest({"DUMP", key->key});
  }
  return request;
}

Task<std::string> FetchFrom(RecipeCall& call, uint32_t shard, int database,
                            std::vector<ForeignKey*> keys) {
  std::string request = DumpRequest(keys);
  const AskOptions options{.read_only = true, .replies = static_cast<uint32_t>(keys.size() * 2)};
  Connection& connection = call.Shared(shard, database);
  const Answer answer = co_await call.AskOver(connection, std::move(request), options);
  if (answer.outcome != Outcome::kReplied) co_return answer.reply;
  const std::string& name = call.routes().shard_name(shard);
  co_return ReadDumps(answer.reply, keys, name);
}

Task<std::string> FetchOver(RecipeCall& call, uint32_t shard, Watch& watch,
                            std::vector<ForeignKey*> keys) {
  std::string words;
  for (const ForeignKey* key : keys) AppendRequestArg(words, key->key);
  const std::string request = DumpRequest(keys);
  call.NoteHandedOn(call.context().proxy.Now());
  const Answer answer = co_await watch.Read(std::move(words), keys.size(), request,
                                            static_cast<uint32_t>(keys.size() * 2),
                                            call.context().scatters.max_reply());
  if (answer.outcome != Outcome::kReplied) co_return answer.reply;
  const std::string& name = call.routes().shard_name(shard);
  co_return ReadDumps(answer.reply, keys, name);
}

Task<std::string> Fetch(RecipeCall& call, int database, std::vector<ForeignKey>& keys,
                        Watches* watches) {
  std::map<uint32_t, std::vector<ForeignKey*>> by_shard;
  for (ForeignKey& key : keys) by_shard[key.shard].push_back(&key);
  std::vector<Task<std::string>> tasks;
  for (auto& [shard, theirs] : by_shard) {
    if (watches == nullptr) {
      tasks.push_back(FetchFrom(call, shard, database, std::move(theirs)));
      continue;
    }
    std::unique_ptr<Watch>& watch = (*watches)[shard];
    watch =
        std::make_unique<Watch>(*call.context().sagas, call.routes().shard_name(shard), database);
    tasks.push_back(FetchOver(call, shard, *watch, std::move(theirs)));
  }
  const std::vector<std::string> errors = co_await All(std::move(tasks));
  for (const std::string& error : errors) {
    if (!error.empty()) co_return error;
  }
  size_t bytes = 0;
  for (const ForeignKey& key : keys) bytes += key.dump.size();
  if (bytes > kGatherMax) {
    co_return errors::NotApplied(
        call.routes().shard_name(keys[0].shard),
        "the keys on several shards are too large to be brought together; give them one hash tag");
  }
  co_return std::string();
}

}  // namespace

Task<std::string> FetchForeign(RecipeCall& call, int database, std::vector<ForeignKey>& keys) {
  return Fetch(call, database, keys, nullptr);
}

Task<std::string> FetchWatched(RecipeCall& call, int database, std::vector<ForeignKey>& keys,
                               Watches& watches) {
  return Fetch(call, database, keys, &watches);
}

Task<CopiesResult> RunBesideCopies(RecipeCall& call, uint32_t shard,
                                   const std::vector<ForeignKey>& copies,
                                   const std::vector<std::string>& requests) {
  std::string request = MakeRequest({"MULTI"});
  std::vector<Bytes> removal = {"UNLINK"};
  size_t restored = 0;
  for (const ForeignKey& copy : copies) {
    if (!copy.exists()) continue;
    ++restored;
    const std::string ttl = std::to_string(copy.ttl_ms);
    request += MakeRequest({"RESTORE", copy.key, ttl, copy.dump, "REPLACE"});
    removal.emplace_back(copy.key);
  }
  for (const std::string& each : requests) request += each;
  if (restored > 0) AppendRequest(request, removal);
  request += MakeRequest({"EXEC"});
  const size_t queued = restored + requests.size() + (restored > 0 ? 1 : 0);
  const AskOptions options{.replies = static_cast<uint32_t>(queued + 2)};
  Connection& connection = call.Shared(shard, call.database());
  const Answer answer = co_await call.AskOver(connection, std::move(request), options);
  CopiesResult result;
  if (answer.outcome != Outcome::kReplied) {
    result.error = answer.reply;
    co_return result;
  }
  ReplyReader reader(answer.reply);
  std::optional<ReplyElement> element;
  while (std::optional<ReplyElement> next = reader.Next()) {
    // What was refused while it was queued; nothing ran then.
    if (element && element->is_error() && result.error.empty()) {
      result.error = std::string(element->raw);
    }
    element = next;
  }
  if (!result.error.empty()) co_return result;
  if (!element || !element->is_aggregate() || element->is_null()) {
    result.error = element ? std::string(element->raw)
                           : errors::Uncertain(call.routes().shard_name(shard), "no answer");
    co_return result;
  }
  ReplyReader replies = ReplyReader::Children(*element);
  for (size_t i = 0; i < restored; ++i) {
    const std::optional<ReplyElement> made = replies.Next();
    if (made && made->is_error()) result.error = std::string(made->raw);
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::optional<ReplyElement> reply = replies.Next();
    if (!reply) {
      result.error = errors::Uncertain(call.routes().shard_name(shard), "it answered too little");
      co_return result;
    }
    result.replies.emplace_back(reply->raw);
  }
  co_return result;
}

Task<std::string> RunBesideCopies(RecipeCall& call, uint32_t shard,
                                  const std::vector<ForeignKey>& copies) {
  std::vector<std::string> requests(1, call.wire());
  CopiesResult result = co_await RunBesideCopies(call, shard, copies, requests);
  co_return result.error.empty() ? std::move(result.replies[0]) : std::move(result.error);
}

}  // namespace ringmaster
