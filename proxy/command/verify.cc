// PROXY VERIFY: looks at every key of every shard, in the background, and finds those that are not
// where the ring has them.
#include <fmt/format.h>

#include "command/handlers.h"
#include "command/owned_keys.h"
#include "command/recipe.h"
#include "coro/completion.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr char kPageSize[] = "512";
constexpr size_t kShownKeys = 20;
constexpr size_t kShownKey = 200;

struct Found {
  uint64_t keys = 0;
  uint64_t own = 0;  // the proxy's
  uint64_t misplaced = 0;
  std::string examples;
};

Task<Result<Proxy::TurnOver>> MyTurn(RecipeCall& call) {
  auto turn = std::make_shared<Completion<Result<Proxy::TurnOver>>>();
  std::string name = fmt::format("proxy verify of client {}", call.client_id());
  Proxy::Turn begin = [turn](Result<Proxy::TurnOver> over) { turn->Complete(std::move(over)); };
  call.context().proxy.AwaitTurn(std::move(name), std::move(begin));
  co_return co_await *turn;
}

// Counts a page's keys. The next cursor; empty: the reply is no page.
std::string TakePage(Router& router, uint32_t shard, int database, Bytes reply, Found& found) {
  const std::vector<ReplyElement> parts = ReadArray(reply);
  if (parts.size() != 2 || !parts[1].is_aggregate()) return "";
  ReplyReader keys = ReplyReader::Children(parts[1]);
  while (const std::optional<ReplyElement> key = keys.Next()) {
    if (key->text.starts_with(kReservedPrefix)) {
      ++found.own;
      continue;
    }
    ++found.keys;
    if (ShowsKey(router, shard, key->text)) continue;
    if (found.misplaced++ >= kShownKeys) continue;
    found.examples +=
        fmt::format("misplaced_key: {} in database {} on shard {} belongs to {}\n",
                    key->text.substr(0, kShownKey), database, router.shard_name(shard),
                    router.shard_name(router.ShardOf(key->text)));
  }
  return std::string(parts[0].text);
}

// A page a turn. An error is what went wrong.
Task<Status> VerifyDatabase(RecipeCall& call, uint32_t shard, int database, Found& found) {
  Router& router = call.router();
  const uint64_t version = router.version();
  std::string cursor = "0";
  do {
    const Result<Proxy::TurnOver> over = co_await MyTurn(call);
    if (!over) co_return over.error();
    if (call.client_gone() || router.version() != version) {
      (*over)();
      co_return Error{ErrorCode::kRefused, "the ring changed meanwhile; ask again"};
    }
    std::string request = MakeRequest({"SCAN", cursor, "COUNT", kPageSize});
    const AskOptions options{.read_only = true};
    const Answer answer =
        co_await call.AskOver(call.Shared(shard, database), std::move(request), options);
    (*over)();
    if (router.version() != version) continue;
    cursor = TakePage(router, shard, database, answer.reply, found);
    if (cursor.empty()) {
      const Bytes said = ReadReply(answer.reply).text;
      co_return Error{ErrorCode::kUnavailable,
                      "shard " + router.shard_name(shard) + " says: " + std::string(said)};
    }
  } while (cursor != "0");
  co_return Done();
}

}  // namespace

Task<std::string> ProxyVerify(RecipeCall& call) {
  std::string text;
  Found all;
  const uint64_t version = call.router().version();
  for (uint32_t shard = 0; shard < call.router().shard_count(); ++shard) {
    Found found;
    for (int database = 0; database < call.context().proxy.facts().databases; ++database) {
      Status looked = co_await VerifyDatabase(call, shard, database, found);
      if (looked.ok() && call.router().version() != version) {
        looked = Error{ErrorCode::kRefused, "the ring changed meanwhile; ask again"};
      }
      if (looked.ok()) continue;
      std::string reply;
      ReplyWriter(reply, call.resp()).Error("ERR " + looked.error().text);
      co_return reply;
    }
    text += fmt::format("shard: name={},keys={},own={},misplaced={}\n",
                        call.router().shard_name(shard), found.keys, found.own, found.misplaced);
    all.keys += found.keys;
    all.misplaced += found.misplaced;
    all.examples += found.examples;
  }
  const char* moving = call.router().move() != nullptr ? "yes" : "no";
  std::string reply;
  ReplyWriter(reply, call.resp())
      .Verbatim("txt", fmt::format("moving: {}\nkeys: {}\nmisplaced: {}\n{}{}", moving, all.keys,
                                   all.misplaced, text, all.examples));
  co_return reply;
}

}  // namespace ringmaster
