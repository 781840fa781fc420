// SCAN and RANDOMKEY: walks over what all shards hold.
#include <algorithm>
#include <charconv>
#include <numeric>
#include <unordered_set>

#include "base/planted.h"
#include "base/random.h"
#include "command/serve/recipe.h"
#include "command/whole/handlers.h"
#include "command/whole/scan_cursor.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"
#include "route/owned_keys.h"

namespace ringmaster {
namespace {

// Shards one SCAN asks at most before it answers with what it has.
constexpr int kScanSteps = 16;
// As often as Redis looks for a random key that is not expired (dbRandomKey).
constexpr int kRandomTries = 100;
constexpr int64_t kDefaultCount = 10;

// One page of a shard's SCAN.
struct Page {
  uint64_t next = 0;
  size_t keys = 0;
};

// The value of SCAN's COUNT: what a page should hold. A wrong one is for a shard to refuse.
size_t CountOption(std::span<const Bytes> args) {
  int64_t count = kDefaultCount;
  for (size_t i = 2; i + 1 < args.size(); i += 2) {
    if (EqualsIgnoreCase(args[i], "count")) {
      count = ParseInteger(args[i + 1]).value_or(kDefaultCount);
    }
  }
  return static_cast<size_t>(std::max<int64_t>(count, 1));
}

std::string ScanRequest(std::span<const Bytes> args, uint64_t cursor) {
  std::string text;
  AppendInteger(text, static_cast<int64_t>(cursor));
  std::string request;
  AppendRequestHeader(request, args.size());
  AppendRequestArg(request, args[0]);
  AppendRequestArg(request, text);
  for (const Bytes arg : args.subspan(2)) AppendRequestArg(request, arg);
  return request;
}

// Adds the keys of a shard's page that it owns. False: the reply is none of SCAN.
bool TakePage(const Routes& routes, uint32_t shard, Bytes reply, std::string& keys, Page& page) {
  const std::vector<ReplyElement> parts = ReadArray(reply);
  if (parts.size() != 2 || !parts[1].is_aggregate()) return false;
  const Bytes next = parts[0].text;
  const auto [end, error] = std::from_chars(next.data(), next.data() + next.size(), page.next);
  if (error != std::errc() || end != next.data() + next.size()) return false;
  ReplyReader reader = ReplyReader::Children(parts[1]);
  while (const std::optional<ReplyElement> key = reader.Next()) {
    if (!ShowsKey(routes, shard, key->text)) continue;
    keys.append(key->raw);
    ++page.keys;
  }
  return true;
}

std::string ScanReply(int resp, uint64_t cursor, size_t count, Bytes keys) {
  std::string reply;
  ReplyWriter writer(reply, resp);
  writer.Array(2);
  writer.Bulk(std::to_string(cursor));
  writer.Array(count);
  reply.append(keys);
  return reply;
}

std::string NoCursor(Bytes shard) {
  return errors::NotApplied(shard, "its SCAN cursor does not fit into one of the proxy's");
}

// How many keys each shard holds. A shard that does not answer counts as empty and leaves its error
// behind.
Task<std::vector<uint64_t>> KeysByShard(RecipeCall& call, std::string& error) {
  // Named before it is awaited: GCC 12 cannot keep an initializer list across a suspension.
  const std::string request = MakeRequest({"DBSIZE"});
  const std::vector<Answer> answers = co_await call.AskAll(request, true);
  std::vector<uint64_t> sizes;
  for (const Answer& answer : answers) {
    const ReplyElement size = ReadReply(answer.reply);
    if (size.type != ':') error = answer.reply;
    sizes.push_back(size.type == ':' ? static_cast<uint64_t>(size.count) : 0);
  }
  co_return sizes;
}

}  // namespace

namespace {

// What the cursors of a walk carry: a move is a walk of its own.
uint32_t TagOf(const Routes& routes) {
  const RingMove* move = routes.move();
  if (move == nullptr) return ScanTag(routes.topology());
  return ScanTagOfMove(move->epoch());
}

// The shards in the order of a walk. While keys move, each donor stands before every recipient, so
// that a key is seen where it was or where it arrived.
std::vector<uint32_t> WalkOf(const Routes& routes) {
  if (routes.move() != nullptr) {
    std::vector<uint32_t> walk = routes.move()->walk();
    if (Planted("walk-reversed")) std::reverse(walk.begin(), walk.end());
    return walk;
  }
  std::vector<uint32_t> walk(routes.shard_count());
  std::iota(walk.begin(), walk.end(), 0U);
  return walk;
}

}  // namespace

// The shards one after the other, in the order of the walk. A page goes on with the next shard
// until it has what COUNT asks for, so that few keys on many shards do not take many calls. The
// topology may change between two steps: then the cursor, which carries the old tag, starts the
// walk again; a key may be seen twice, none is missed.
Task<std::string> ScanRecipe(RecipeCall& call) {
  const std::optional<uint64_t> from = ParseScanCursor(call.args()[1]);
  if (!from) co_return errors::InvalidCursor();
  const Routes& routes = call.routes();
  const uint32_t tag = TagOf(routes);
  const std::vector<uint32_t> walk = WalkOf(routes);
  ScanCursor cursor = ScanCursor::Decode(*from, tag, walk.size());

  const size_t wanted = CountOption(call.args());
  std::string keys;
  size_t count = 0;
  for (int step = 0; step < kScanSteps; ++step) {
    const uint32_t shard = walk[cursor.shard];
    const Answer answer = co_await call.Ask(shard, ScanRequest(call.args(), cursor.inner), true);
    if (answer.is_error()) co_return answer.reply;
    const Routes& newest = call.context().router;
    const bool same = !call.routes_changed() || (TagOf(newest) == tag && WalkOf(newest) == walk);
    if (!same) co_return ScanReply(call.resp(), ScanCursor::kRestart, count, keys);
    Page page;
    if (!TakePage(routes, shard, answer.reply, keys, page)) {
      co_return errors::NotApplied(routes.shard_name(shard), "its SCAN reply is no page");
    }
    count += page.keys;
    if (page.next > ScanCursor::MaxInner(walk.size())) {
      co_return NoCursor(routes.shard_name(shard));
    }
    cursor.inner = page.next;
    if (page.next != 0) break;
    if (++cursor.shard == walk.size()) co_return ScanReply(call.resp(), 0, count, keys);
    if (count >= wanted) break;
  }
  co_return ScanReply(call.resp(), cursor.Encode(tag, walk.size()), count, keys);
}

// KEYS: only what its shard owns; while keys move, the donors first and nothing twice. A ring that
// changes meanwhile makes the walk begin anew.
Task<std::string> KeysRecipe(RecipeCall& call) {
  while (true) {
    call.TakeNewRoutes();
    const Routes& routes = call.routes();
    const bool moving = routes.move() != nullptr;
    const std::vector<uint32_t> walk = WalkOf(routes);
    std::vector<Answer> answers;
    if (!moving) {
      answers = co_await call.AskAll(call.wire(), true);
    } else {
      for (const uint32_t shard : walk) {
        if (call.routes_changed()) break;
        answers.push_back(co_await call.Ask(shard, call.wire(), true));
      }
    }
    if (call.routes_changed()) continue;
    std::string keys;
    size_t count = 0;
    std::unordered_set<Bytes> seen;
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].is_error()) co_return answers[i].reply;
      for (const ReplyElement& key : ReadArray(answers[i].reply)) {
        if (!ShowsKey(routes, walk[i], key.text)) continue;
        if (moving && !seen.insert(key.text).second) continue;
        keys.append(key.raw);
        ++count;
      }
    }
    std::string reply;
    ReplyWriter(reply, call.resp()).Array(count);
    co_return reply + keys;
  }
}

// A shard is chosen with the weight of its keys. Nothing is found only when every shard is empty;
// a shard that does not answer is passed over while others have keys.
Task<std::string> RandomKeyRecipe(RecipeCall& call) {
  // Named before it is awaited: GCC 12 cannot keep an initializer list across a suspension.
  const std::string key_request = MakeRequest({"RANDOMKEY"});
  const Routes& routes = call.routes();
  std::string error;
  std::vector<uint64_t> sizes = co_await KeysByShard(call, error);
  const std::string request = MakeRequest({"RANDOMKEY"});
  Random random(static_cast<uint64_t>(MonotonicNow().time_since_epoch().count()));
  for (int tries = 0; tries < kRandomTries && !call.routes_changed(); ++tries) {
    uint64_t total = 0;
    for (const uint64_t size : sizes) total += size;
    if (total == 0) break;
    uint64_t at = random.Below(total);
    uint32_t shard = 0;
    while (at >= sizes[shard]) at -= sizes[shard++];
    const Answer answer = co_await call.Ask(shard, key_request, true);
    const ReplyElement key = ReadReply(answer.reply);
    if (answer.is_error()) error = answer.reply;
    if (key.type != '$' || key.is_null()) {
      sizes[shard] = 0;
    } else if (!call.routes_changed() && ShowsKey(routes, shard, key.text)) {
      co_return answer.reply;
    }
  }
  if (!error.empty()) co_return error;
  std::string reply;
  ReplyWriter(reply, call.resp()).Null();
  co_return reply;
}

}  // namespace ringmaster
