// PROXY VERIFY [DIGEST]: looks at every key of every shard, in the background, and finds those that
// are not where the ring has them. The digest is of all keys that are, with their values and
// whether they expire, and does not depend on where they are: equal before and after a move.
#include <fmt/format.h>

#include "command/operator/digest.h"
#include "command/operator/handlers.h"
#include "command/serve/recipe.h"
#include "coro/completion.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"
#include "route/owned_keys.h"

namespace ringmaster {
namespace {

constexpr Bytes kPage = "512";
constexpr Bytes kDigestPage = "64";
constexpr size_t kShownKeys = 20;
constexpr size_t kShownKey = 200;

struct Found {
  uint64_t keys = 0;
  uint64_t own = 0;  // the proxy's
  uint64_t misplaced = 0;
  std::string examples;
  uint64_t digest = 0;
};

// The two words of a page that stay for the next question.
struct Seen {
  std::string cursor;
  std::vector<std::string> keys;  // in their place
};

Task<Result<Proxy::TurnOver>> MyTurn(RecipeCall& call) {
  auto turn = std::make_shared<Completion<Result<Proxy::TurnOver>>>();
  std::string name = fmt::format("proxy verify of client {}", call.client_id());
  Proxy::Turn begin = [turn](Result<Proxy::TurnOver> over) { turn->Complete(std::move(over)); };
  call.context().proxy.AwaitTurn(std::move(name), std::move(begin));
  co_return co_await *turn;
}

// Counts a page's keys. No cursor: the reply is no page.
Seen TakePage(const Routes& routes, uint32_t shard, int database, Bytes reply, Found& found) {
  Seen seen;
  const std::vector<ReplyElement> parts = ReadArray(reply);
  if (parts.size() != 2 || !parts[1].is_aggregate()) return seen;
  ReplyReader keys = ReplyReader::Children(parts[1]);
  while (const std::optional<ReplyElement> key = keys.Next()) {
    if (key->text.starts_with(kReservedPrefix)) {
      ++found.own;
      continue;
    }
    ++found.keys;
    if (ShowsKey(routes, shard, key->text)) {
      seen.keys.emplace_back(key->text);
      continue;
    }
    if (found.misplaced++ >= kShownKeys) continue;
    found.examples +=
        fmt::format("misplaced_key: {} in database {} on shard {} belongs to {}\n",
                    key->text.substr(0, kShownKey), database, routes.shard_name(shard),
                    routes.shard_name(routes.ShardOf(key->text)));
  }
  seen.cursor = parts[0].text;
  return seen;
}

// A page a turn. An error is what went wrong.
Task<Status> VerifyDatabase(RecipeCall& call, uint32_t shard, int database, bool digest,
                            Found& found) {
  const Routes& routes = call.routes();
  std::string cursor = "0";
  do {
    const Result<Proxy::TurnOver> over = co_await MyTurn(call);
    if (!over) co_return over.error();
    if (call.client_gone() || call.routes_changed()) {
      (*over)();
      co_return Error{ErrorCode::kRefused, "the ring changed meanwhile; ask again"};
    }
    const Bytes page = digest ? kDigestPage : kPage;
    std::string request = MakeRequest({"SCAN", cursor, "COUNT", page});
    const AskOptions options{.read_only = true};
    const Answer answer =
        co_await call.AskOver(call.Shared(shard, database), std::move(request), options);
    if (call.routes_changed()) {
      (*over)();
      continue;
    }
    const Seen seen = TakePage(routes, shard, database, answer.reply, found);
    cursor = seen.cursor;
    if (digest && !seen.keys.empty()) {
      const Result<uint64_t> sum = co_await DigestKeys(call, shard, database, seen.keys);
      if (!sum) {
        (*over)();
        co_return sum.error();
      }
      found.digest += *sum;
    }
    (*over)();
    if (cursor.empty()) {
      const Bytes said = ReadReply(answer.reply).text;
      co_return Error{ErrorCode::kUnavailable,
                      "shard " + routes.shard_name(shard) + " says: " + std::string(said)};
    }
  } while (cursor != "0");
  co_return Done();
}

}  // namespace

Task<std::string> ProxyVerify(RecipeCall& call) {
  const bool digest = call.args().size() == 3 && EqualsIgnoreCase(call.args()[2], "digest");
  if (call.args().size() > 2 && !digest) co_return "-ERR say PROXY VERIFY [DIGEST]\r\n";
  std::string text;
  Found all;
  for (uint32_t shard = 0; shard < call.routes().shard_count(); ++shard) {
    Found found;
    for (int database = 0; database < call.context().proxy.facts().databases; ++database) {
      Status looked = co_await VerifyDatabase(call, shard, database, digest, found);
      if (looked.ok() && call.routes_changed()) {
        looked = Error{ErrorCode::kRefused, "the ring changed meanwhile; ask again"};
      }
      if (looked.ok()) continue;
      std::string reply;
      ReplyWriter(reply, call.resp()).Error("ERR " + looked.error().text);
      co_return reply;
    }
    text += fmt::format("shard: name={},keys={},own={},misplaced={}\n",
                        call.routes().shard_name(shard), found.keys, found.own, found.misplaced);
    all.keys += found.keys;
    all.misplaced += found.misplaced;
    all.examples += found.examples;
    all.digest += found.digest;
  }
  if (digest) text += fmt::format("digest: {:016x}\n", all.digest);
  const char* moving = call.routes().move() != nullptr ? "yes" : "no";
  std::string reply;
  ReplyWriter(reply, call.resp())
      .Verbatim("txt", fmt::format("moving: {}\nkeys: {}\nmisplaced: {}\n{}{}", moving, all.keys,
                                   all.misplaced, text, all.examples));
  co_return reply;
}

}  // namespace ringmaster
