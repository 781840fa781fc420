#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "command/blocking/blocked_wait.h"
#include "command/blocking/handlers.h"
#include "command/call/blocked_client.h"
#include "command/gate/lock_gate.h"
#include "command/serve/recipe.h"
#include "command/table/keys.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

// Between two rounds of asking the shards, from the first to every later one.
constexpr milliseconds kFirstPause(1);
constexpr milliseconds kLongestPause(32);

// How one command waits. `parts` are the commands that do not wait, in the order in which they are
// tried; the first whose answer is not nil ends it, unless all are merged.
struct Waiting {
  struct Part {
    uint32_t shard;
    std::vector<std::string> args;
  };
  std::vector<std::string> args;  // the command; with what time is left, when it enters again
  size_t timeout_at = 0;          // in args
  size_t streams_at = 0;          // in args: their names, and then as many ids; 0: there are none
  double unit = 1000;             // of the timeout, in milliseconds
  void (*cut)(RecipeCall& call, Waiting& waiting) = nullptr;  // args into parts
  std::vector<Part> parts;
  bool merge = false;                  // XREAD: every stream that has something answers
  bool through_proxy = false;          // source and destination on two shards: dispatched here
  bool has_waited = false;             // it was tried before
  bool nil_is_bulk = false;            // BLMOVE in a transaction answers a nil that is no array
  std::optional<double> milliseconds;  // 0: for ever; none: not a time, a shard says so
};

std::string Nil(const RecipeCall& call, bool bulk) {
  std::string reply;
  ReplyWriter out(reply, call.resp());
  if (bulk) {
    out.Null();
  } else {
    out.NullArray();
  }
  return reply;
}

std::optional<double> ParseTimeout(Bytes text, double unit) {
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0' || !std::isfinite(value) || value < 0) return std::nullopt;
  if (value * unit > 9e15) return std::nullopt;
  return value * unit;
}

std::vector<std::string> Own(std::span<const Bytes> args) { return {args.begin(), args.end()}; }

// The only element of an EXEC around one command; what the shard said to it while it was queued
// when that was an error.
std::string OnlyResult(const std::string& replies) {
  ReplyReader reader(replies);
  std::string refused;
  std::optional<ReplyElement> element;
  while (std::optional<ReplyElement> next = reader.Next()) {
    if (element && element->is_error()) refused = std::string(element->raw);
    element = next;
  }
  if (!refused.empty()) return refused;
  if (!element || !element->is_aggregate() || element->is_null()) {
    return element ? std::string(element->raw) : replies;
  }
  const std::optional<ReplyElement> result = ReplyReader::Children(*element).Next();
  return result ? std::string(result->raw) : replies;
}

// Tried without waiting: nothing blocks inside a transaction.
Task<std::string> Try(RecipeCall& call, uint32_t shard, std::string wire) {
  std::string request = MakeRequest({"MULTI"});
  request += wire;
  request += MakeRequest({"EXEC"});
  Connection& shared = call.routes().backend(shard).Shared(call.database(), call.resp());
  const AskOptions options{.replies = 3};
  const Answer answer = co_await call.AskOver(shared, std::move(request), options);
  co_return OnlyResult(answer.reply);
}

std::string WireOf(const std::vector<std::string>& args) {
  const std::vector<Bytes> views(args.begin(), args.end());
  return MakeRequest(std::span<const Bytes>(views));
}

bool IsLocked(RecipeCall& call, const std::vector<std::string>& args) {
  const std::vector<Bytes> views(args.begin(), args.end());
  std::vector<uint32_t> keys;
  if (!FindKeys(*call.command().row, views, keys)) return false;
  return std::any_of(keys.begin(), keys.end(), [&](uint32_t key) {
    return !call.context().locks->MayStream(call.database(), views[key]);
  });
}

// A part's reply, or that of the whole command where the proxy has to serve it. `in_turn`: locks
// that came later wait for it; otherwise what is locked looks empty until it is free.
Task<std::string> TryPart(RecipeCall& call, const Waiting& waiting, size_t part, bool in_turn) {
  const Waiting::Part& at = waiting.parts[part];
  if (!waiting.through_proxy) {
    if (!in_turn && call.context().locked && IsLocked(call, at.args)) {
      co_return Nil(call, false);
    }
    std::string wire = WireOf(at.args);
    co_return co_await Try(call, at.shard, std::move(wire));
  }
  ClientState shadow = call.StandIn();
  std::vector<Bytes> args(at.args.begin(), at.args.end());
  const Command* command = call.context().table.Find(args);
  co_return co_await call.Run(*command, std::move(args), shadow);
}

// Puts what a shard has of the streams in the places in which they were named: Redis answers in
// that order.
void PlaceStreams(const Waiting& waiting, const ReplyElement& reply,
                  std::vector<std::string>& places) {
  ReplyReader streams = ReplyReader::Children(reply);
  while (const std::optional<ReplyElement> stream = streams.Next()) {
    std::string raw(stream->raw);
    std::optional<ReplyElement> name = stream;
    if (reply.type == '%') {
      const std::optional<ReplyElement> entries = streams.Next();
      if (entries) raw += entries->raw;
    } else {
      ReplyReader pair = ReplyReader::Children(*stream);
      name = pair.Next();
    }
    for (size_t i = 0; name && i < places.size(); ++i) {
      if (!places[i].empty() || waiting.args[waiting.streams_at + i] != name->text) continue;
      places[i] = std::move(raw);
      break;
    }
  }
}

// One round over all parts. Empty: nothing anywhere, or `wait` gave way. nullptr: it does not wait.
// Who waits already is not concerned by a key that is of another type now.
Task<std::string> TryAll(RecipeCall& call, Waiting& waiting, const PollingWait* wait) {
  const bool has_waited = std::exchange(waiting.has_waited, true);
  const size_t streams = waiting.merge ? (waiting.args.size() - waiting.streams_at) / 2 : 0;
  std::vector<std::string> places(streams);
  for (size_t part = 0; part < waiting.parts.size(); ++part) {
    if (wait != nullptr && wait->gave_way()) break;
    std::string reply = co_await TryPart(call, waiting, part, wait == nullptr);
    const ReplyElement element = ReadReply(reply);
    if (element.is_null()) continue;
    if (has_waited && wait != nullptr && reply.starts_with("-WRONGTYPE ")) continue;
    if (!waiting.merge || !element.is_aggregate()) co_return reply;
    PlaceStreams(waiting, element, places);
  }
  const auto count = static_cast<size_t>(
      std::count_if(places.begin(), places.end(), [](const auto& each) { return !each.empty(); }));
  if (count == 0) co_return std::string();
  std::string reply;
  ReplyWriter out(reply, call.resp());
  if (call.resp() == 3) {
    out.Map(count);
  } else {
    out.Array(count);
  }
  for (const std::string& place : places) reply += place;
  co_return reply;
}

// Asks the shards in turn until one has something. nullopt: it gave way.
Task<std::optional<std::string>> WaitOverShards(RecipeCall& call, Waiting& waiting,
                                                std::optional<TimePoint> deadline) {
  if (!call.LeaveMoves()) co_return std::nullopt;
  PollingWait wait(call);
  milliseconds pause = kFirstPause;
  for (;;) {
    std::string reply = co_await TryAll(call, waiting, &wait);
    if (!reply.empty() || call.in_exec()) {
      co_return reply.empty() ? Nil(call, waiting.nil_is_bulk && call.in_exec()) : reply;
    }
    if (wait.unblocked_with_error()) co_return errors::Unblocked();
    // Its keys may live elsewhere now.
    if (wait.gave_way() || call.routes_changed()) co_return std::nullopt;
    const TimePoint now = call.context().proxy.Now();
    const bool late = deadline && now >= *deadline;
    if (late || wait.unblocked() || call.client_gone()) co_return Nil(call, false);
    Duration next = pause;
    if (deadline) next = std::min<Duration>(next, *deadline - now);
    co_await call.Sleep(next);
    pause = std::min(pause * 2, kLongestPause);
  }
}

// The last id of a stream, which '$' stands for.
Task<std::string> LastId(RecipeCall& call, Connection& connection, std::string key) {
  std::string request = MakeRequest({"XINFO", "STREAM", key});
  const Answer answer = co_await call.AskOver(connection, std::move(request));
  ReplyReader fields = ReplyReader::Children(ReadReply(answer.reply));
  while (const std::optional<ReplyElement> name = fields.Next()) {
    const std::optional<ReplyElement> value = fields.Next();
    if (value && name->text == "last-generated-id") co_return std::string(value->text);
  }
  co_return std::string("0-0");
}

// What follows is counted from when the command came, however often it enters again. Over the
// connections of the streams' shards, or all over the given one.
Task<void> ReplaceLastIds(RecipeCall& call, Waiting& waiting, Connection* over = nullptr) {
  const size_t streams =
      waiting.streams_at == 0 ? 0 : (waiting.args.size() - waiting.streams_at) / 2;
  std::vector<size_t> places;
  std::vector<Task<std::string>> asked;
  for (size_t i = 0; i < streams; ++i) {
    if (waiting.args[waiting.streams_at + streams + i] != "$") continue;
    const std::string& key = waiting.args[waiting.streams_at + i];
    places.push_back(waiting.streams_at + streams + i);
    asked.push_back(LastId(
        call, over != nullptr ? *over : call.Shared(call.routes().ShardOf(key), call.database()),
        key));
  }
  std::vector<std::string> ids = co_await All(std::move(asked));
  for (size_t i = 0; i < places.size(); ++i) waiting.args[places[i]] = std::move(ids[i]);
}

// Waits at once, so that what another client sends next comes behind it. REQUIRES: no freeze waits.
Task<std::optional<std::string>> WaitInTurn(RecipeCall& call, Waiting& waiting, uint32_t shard,
                                            Connection* connection) {
  call.LeaveMoves();
  ShardWait wait(call, shard, connection);
  std::string wire = WireOf(waiting.args);
  auto both = All(ReplaceLastIds(call, waiting, connection), wait.Run(std::move(wire)));
  auto [replaced, reply] = co_await both;
  co_return std::move(reply);
}

// Where a connection is at hand it waits at once; else it is worth one only when it has to.
// nullopt: it gave way.
Task<std::optional<std::string>> WaitOnOneShard(RecipeCall& call, Waiting& waiting,
                                                uint32_t shard) {
  Backend& backend = call.routes().backend(shard);
  if (!call.in_exec() && !call.FreezeWaits() && waiting.milliseconds) {
    Connection* connection = backend.BorrowInTurn(call.database(), call.resp());
    if (connection != nullptr) co_return co_await WaitInTurn(call, waiting, shard, connection);
  }
  co_await ReplaceLastIds(call, waiting);
  std::string wire = WireOf(waiting.args);
  std::string reply = co_await Try(call, shard, wire);
  if (call.in_exec() || !ReadReply(reply).is_null() || call.client_gone()) co_return reply;
  if (!call.LeaveMoves()) co_return std::nullopt;
  ShardWait wait(call, shard,
                 backend.Borrow(call.database(), call.resp(), Backend::Purpose::kWaiting));
  co_return co_await wait.Run(std::move(wire));
}

// The shard of all keys, or nullopt when there are several. What makes no sense any shard refuses
// at once, in Redis's words.
std::optional<uint32_t> OnlyShard(RecipeCall& call, const Waiting& waiting) {
  const std::vector<Bytes> args(waiting.args.begin(), waiting.args.end());
  std::vector<uint32_t> keys;
  if (!FindKeys(*call.command().row, args, keys) || keys.empty()) return 0;
  const uint32_t first = call.routes().ShardOf(args[keys[0]]);
  for (const uint32_t key : keys) {
    if (call.routes().ShardOf(args[key]) != first) return std::nullopt;
  }
  return first;
}

Task<std::optional<std::string>> WaitOnce(RecipeCall& call, Waiting& waiting,
                                          std::optional<TimePoint> deadline) {
  std::optional<uint32_t> shard = OnlyShard(call, waiting);
  if (!shard && !waiting.milliseconds) shard = 0;
  if (shard) co_return co_await WaitOnOneShard(call, waiting, *shard);
  co_await ReplaceLastIds(call, waiting);
  waiting.parts.clear();
  waiting.cut(call, waiting);
  co_return co_await WaitOverShards(call, waiting, deadline);
}

// The keys may go to other shards meanwhile, and this one with them. Not while they are locked,
// unless it is late, or nobody waits for it any more.
Task<std::string> EnterAgain(RecipeCall& call, const Waiting& waiting,
                             std::optional<TimePoint> deadline) {
  const std::vector<Bytes> args(waiting.args.begin(), waiting.args.end());
  std::vector<uint32_t> positions;
  std::vector<Bytes> keys;
  if (FindKeys(*call.command().row, args, positions)) {
    for (const uint32_t position : positions) keys.push_back(args[position]);
  }
  std::string failed = co_await call.EnterAgain(keys);
  while (failed.empty() && call.context().locked && IsLocked(call, waiting.args)) {
    if (call.client_gone() || (deadline && call.context().proxy.Now() >= *deadline)) break;
    co_await call.Sleep(kFirstPause);
  }
  co_return failed;
}

// When the wait ends; nullopt: never, or a shard says what is wrong with its timeout.
std::optional<TimePoint> DeadlineOf(RecipeCall& call, const Waiting& waiting) {
  if (!waiting.milliseconds || *waiting.milliseconds == 0) return std::nullopt;
  return call.context().proxy.Now() +
         std::chrono::microseconds(static_cast<int64_t>(*waiting.milliseconds * 1000));
}

Task<std::string> Wait(RecipeCall& call, Waiting& waiting) {
  const std::optional<TimePoint> deadline = DeadlineOf(call, waiting);
  for (;;) {
    std::optional<std::string> reply = co_await WaitOnce(call, waiting, deadline);
    if (reply) co_return std::move(*reply);
    std::string failed = co_await EnterAgain(call, waiting, deadline);
    if (!failed.empty()) co_return failed;
    if (call.client_gone()) co_return Nil(call, false);
    if (!deadline) continue;
    const TimePoint now = call.context().proxy.Now();
    if (now >= *deadline) co_return Nil(call, false);
    const int64_t left = std::max<int64_t>(Milliseconds(*deadline - now), 1);
    waiting.args[waiting.timeout_at] = waiting.unit == 1
                                           ? std::to_string(left)
                                           : fmt::format("{}.{:03}", left / 1000, left % 1000);
  }
}

}  // namespace

namespace {

Waiting WaitingOf(RecipeCall& call, void (*cut)(RecipeCall&, Waiting&), size_t timeout_at) {
  Waiting waiting;
  waiting.args = Own(call.args());
  waiting.cut = cut;
  waiting.timeout_at = timeout_at;
  waiting.milliseconds = ParseTimeout(waiting.args[timeout_at], waiting.unit);
  return waiting;
}

void CutPop(RecipeCall& call, Waiting& waiting) {
  const std::vector<std::string>& args = waiting.args;
  for (size_t i = 1; i + 1 < args.size(); ++i) {
    waiting.parts.push_back({call.routes().ShardOf(args[i]), {args[0], args[i], std::string("0")}});
  }
}

void CutMultiPop(RecipeCall& call, Waiting& waiting) {
  const std::vector<std::string>& args = waiting.args;
  const std::optional<int64_t> count = ParseInteger(args[2]);
  const size_t keys = count && *count > 0 && *count < static_cast<int64_t>(args.size())
                          ? static_cast<size_t>(*count)
                          : 0;
  for (size_t i = 3; i < 3 + keys && i < args.size(); ++i) {
    std::vector<std::string> part = {args[0], "0", "1", args[i]};
    for (size_t rest = 3 + keys; rest < args.size(); ++rest) part.emplace_back(args[rest]);
    waiting.parts.push_back({call.routes().ShardOf(args[i]), std::move(part)});
  }
}

void CutMove(RecipeCall&, Waiting& waiting) {
  std::vector<std::string> part(waiting.args.begin(), waiting.args.end() - 1);
  part[0].erase(0, 1);
  waiting.parts.push_back({0, std::move(part)});
}

}  // namespace

// BLPOP, BRPOP, BZPOPMIN, BZPOPMAX: keys and then the timeout.
Task<std::string> BlockingPopRecipe(RecipeCall& call) {
  Waiting waiting = WaitingOf(call, CutPop, call.args().size() - 1);
  co_return co_await Wait(call, waiting);
}

// BLMPOP, BZMPOP: timeout, count of keys, keys, the rest.
Task<std::string> BlockingMultiPopRecipe(RecipeCall& call) {
  Waiting waiting = WaitingOf(call, CutMultiPop, 1);
  co_return co_await Wait(call, waiting);
}

// BLMOVE, BRPOPLPUSH: two keys; the same without its B waits for nothing.
Task<std::string> BlockingMoveRecipe(RecipeCall& call) {
  Waiting waiting = WaitingOf(call, CutMove, call.args().size() - 1);
  waiting.nil_is_bulk = true;
  waiting.through_proxy = true;
  co_return co_await Wait(call, waiting);
}

namespace {

// Where the streams' names begin: behind STREAMS; the end when it is missing.
size_t StreamsAt(const std::vector<std::string>& args) {
  size_t at = 0;
  while (at < args.size() && !EqualsIgnoreCase(args[at], "streams")) ++at;
  return std::min(at + 1, args.size());
}

// All streams of a shard are asked at once, with the options but BLOCK.
void CutStreams(RecipeCall& call, Waiting& waiting) {
  const std::vector<std::string>& args = waiting.args;
  const size_t names_at = waiting.streams_at;
  std::vector<std::string> options;
  for (size_t at = 0; at < names_at; ++at) {
    if (waiting.timeout_at > 0 && (at + 1 == waiting.timeout_at || at == waiting.timeout_at))
      continue;
    options.push_back(args[at]);
  }
  const size_t streams = (args.size() - names_at) / 2;
  std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> by_shard(
      call.routes().shard_count());
  for (size_t i = 0; i < streams; ++i) {
    auto& [names, ids] = by_shard[call.routes().ShardOf(args[names_at + i])];
    names.push_back(args[names_at + i]);
    ids.push_back(args[names_at + streams + i]);
  }
  for (uint32_t shard = 0; shard < by_shard.size(); ++shard) {
    const auto& [names, ids] = by_shard[shard];
    if (names.empty()) continue;
    std::vector<std::string> part = options;
    part.insert(part.end(), names.begin(), names.end());
    part.insert(part.end(), ids.begin(), ids.end());
    waiting.parts.push_back({shard, std::move(part)});
  }
}

}  // namespace

// XREAD and XREADGROUP, with BLOCK or with streams of several shards.
Task<std::string> StreamReadRecipe(RecipeCall& call) {
  Waiting waiting;
  waiting.merge = true;
  waiting.unit = 1;
  waiting.cut = CutStreams;
  waiting.args = Own(call.args());
  waiting.streams_at = StreamsAt(waiting.args);
  for (size_t at = 1; at + 1 < waiting.streams_at; ++at) {
    if (EqualsIgnoreCase(waiting.args[at], "group")) {
      at += 2;
    } else if (EqualsIgnoreCase(waiting.args[at], "block")) {
      waiting.timeout_at = ++at;
      waiting.milliseconds = ParseTimeout(waiting.args[at], 1);
    }
  }
  if (waiting.timeout_at > 0) co_return co_await Wait(call, waiting);
  if (const std::optional<uint32_t> shard = OnlyShard(call, waiting)) {
    std::string wire = WireOf(waiting.args);
    co_return co_await Try(call, *shard, std::move(wire));
  }
  co_await ReplaceLastIds(call, waiting);
  CutStreams(call, waiting);
  std::string reply = co_await TryAll(call, waiting, nullptr);
  co_return reply.empty() ? Nil(call, false) : reply;
}

}  // namespace ringmaster
