// CONFIG over all shards at once: a parameter has one value for the pool. A few are the proxy's
// own, because they are about its clients, its addresses or its log; a few are cut into shares.
#include <algorithm>

#include "base/info_text.h"
#include "command/handlers.h"
#include "command/recipe.h"
#include "command/slow_log.h"
#include "command/whole_quantities.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

int Port(const ProxyFacts& facts) {
  for (const Address& address : facts.listen) {
    if (address.kind == Address::kTcp) return address.port;
  }
  return 0;
}

// Parameters whose value is the proxy's. The shards never hear of the first two.
constexpr Bytes kPort = "port";
constexpr Bytes kMaxClients = "maxclients";
constexpr Bytes kSlowerThan = "slowlog-log-slower-than";
constexpr Bytes kSlowMaxLen = "slowlog-max-len";

std::optional<std::string> OwnValue(Proxy& proxy, Bytes name) {
  const auto is = [name](Bytes own) { return EqualsIgnoreCase(name, own); };
  if (is(kPort)) return std::to_string(Port(proxy.facts()));
  if (is(kMaxClients)) return std::to_string(proxy.facts().max_clients);
  if (is(kSlowerThan)) return std::to_string(proxy.slow_log().threshold());
  if (is(kSlowMaxLen)) return std::to_string(proxy.slow_log().max_entries());
  return std::nullopt;
}

bool IsFixed(Bytes name) {
  return EqualsIgnoreCase(name, kPort) || EqualsIgnoreCase(name, kMaxClients);
}

std::string Failed(Bytes name, const std::string& why) {
  return "-ERR CONFIG SET failed (possibly related to argument '" + Printable(name) + "') - " +
         why + "\r\n";
}

// What the proxy itself would refuse. Empty: nothing.
std::string WrongWithOwn(Proxy& proxy, Bytes name, Bytes value) {
  if (!IsFixed(name) || value == *OwnValue(proxy, name)) return "";
  return Failed(name, EqualsIgnoreCase(name, kPort)
                          ? "Unable to listen on this port: a proxy's addresses stand under "
                            "'listen' in its configuration, which PROXY RELOAD reads again"
                          : "the limit of clients stands under 'limits.clients' in the proxy's "
                            "configuration, which PROXY RELOAD reads again");
}

void TakeOwn(Proxy& proxy, Bytes name, Bytes value) {
  const auto number = ParseInteger(value);
  if (!number) return;
  if (EqualsIgnoreCase(name, kSlowerThan)) proxy.slow_log().SetThreshold(*number);
  if (EqualsIgnoreCase(name, kSlowMaxLen) && *number >= 0) {
    proxy.slow_log().SetMaxEntries(static_cast<size_t>(*number));
  }
}

std::string Request(Bytes subcommand, const std::vector<Bytes>& args) {
  std::string request;
  AppendRequestHeader(request, args.size() + 2);
  AppendRequestArg(request, "CONFIG");
  AppendRequestArg(request, subcommand);
  for (const Bytes arg : args) AppendRequestArg(request, arg);
  return request;
}

// CONFIG SET of the values that `reply`, a shard's answer to CONFIG GET, shows of `names`; empty
// when it shows none.
std::string RestoreRequest(const std::string& reply, const std::vector<Bytes>& names) {
  std::vector<Bytes> pairs;
  const std::vector<ReplyElement> elements = ReadArray(reply);
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    const bool asked = std::any_of(names.begin(), names.end(), [&](Bytes name) {
      return EqualsIgnoreCase(name, elements[i].text);
    });
    if (!asked) continue;
    pairs.push_back(elements[i].text);
    pairs.push_back(elements[i + 1].text);
  }
  return pairs.empty() ? "" : Request("SET", pairs);
}

// Bytes that each shard uses; empty: one does not tell.
Task<std::vector<uint64_t>> MemoryInUse(RecipeCall& call) {
  std::string request = MakeRequest({"INFO", "memory"});
  const std::vector<Answer> answers = co_await call.AskAll(std::move(request), true);
  std::vector<uint64_t> used;
  for (const Answer& answer : answers) {
    const auto value = ParseInteger(FieldOfInfo(answer.reply, "used_memory"));
    if (answer.is_error() || !value || *value < 0) co_return std::vector<uint64_t>();
    used.push_back(static_cast<uint64_t>(*value));
  }
  co_return used;
}

// `pairs` as each shard is to have them.
std::vector<std::string> SetRequests(const Topology& topology, const std::vector<Bytes>& pairs,
                                     const std::vector<uint64_t>& used) {
  std::vector<uint32_t> weights;
  for (const ShardSpec& shard : topology.shards()) weights.push_back(shard.weight);
  std::vector<std::vector<std::string>> shares(pairs.size());
  for (size_t i = 0; i < pairs.size(); i += 2) {
    if (!IsQuantityOfAll(pairs[i])) continue;
    const bool of_memory = IsMemoryOfAll(pairs[i]) && used.size() == weights.size();
    shares[i + 1] = SharesOf(pairs[i + 1], weights, of_memory ? used : std::vector<uint64_t>());
  }
  std::vector<std::string> requests;
  for (size_t shard = 0; shard < weights.size(); ++shard) {
    std::vector<Bytes> own = pairs;
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (!shares[i].empty()) own[i] = shares[i][shard];
    }
    requests.push_back(Request("SET", own));
  }
  return requests;
}

// Sets `pairs` on every shard, or, when one of them refuses, on none.
Task<std::string> SetOnShards(RecipeCall& call, std::vector<Bytes> pairs) {
  std::vector<Bytes> names;
  for (size_t i = 0; i < pairs.size(); i += 2) names.push_back(pairs[i]);
  std::vector<Answer> before;
  if (call.router().shard_count() > 1) {
    before = co_await call.AskAll(Request("GET", names), true);
  }
  std::vector<uint64_t> used;
  if (std::any_of(names.begin(), names.end(), IsMemoryOfAll)) used = co_await MemoryInUse(call);
  std::vector<std::string> requests = SetRequests(call.router().topology(), pairs, used);
  std::vector<Task<Answer>> asked;
  for (uint32_t shard = 0; shard < requests.size(); ++shard) {
    asked.push_back(call.Ask(shard, std::move(requests[shard]), false));
  }
  const std::vector<Answer> answers = co_await All(std::move(asked));
  const auto refused = std::find_if(answers.begin(), answers.end(),
                                    [](const Answer& answer) { return answer.is_error(); });
  if (refused == answers.end()) co_return "";
  for (uint32_t shard = 0; shard < before.size() && shard < answers.size(); ++shard) {
    if (answers[shard].is_error() || before[shard].is_error()) continue;
    const std::string restore = RestoreRequest(before[shard].reply, names);
    if (!restore.empty()) co_await call.Ask(shard, restore, false);
  }
  co_return refused->reply;
}

// What the shards have of a quantity of all together; nullopt: they do not tell, or in words.
std::optional<std::string> SumOf(const std::vector<Answer>& answers, Bytes name) {
  std::vector<Bytes> values;
  for (const Answer& answer : answers) {
    if (answer.is_error()) continue;
    const std::vector<ReplyElement> elements = ReadArray(answer.reply);
    for (size_t i = 0; i + 1 < elements.size(); i += 2) {
      if (elements[i].text == name) values.push_back(elements[i + 1].text);
    }
  }
  return SumOfShares(values);
}

std::optional<std::string> ValueForAll(Proxy& proxy, const std::vector<Answer>& answers,
                                       Bytes name) {
  return IsQuantityOfAll(name) ? SumOf(answers, name) : OwnValue(proxy, name);
}

}  // namespace

// Shards are meant to be configured alike: what is the same for all of them is told by the first
// that answers.
Task<std::string> ConfigGetRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
  const auto first = std::find_if(answers.begin(), answers.end(),
                                  [](const Answer& answer) { return !answer.is_error(); });
  if (first == answers.end()) co_return answers.empty() ? "-ERR no shards\r\n" : answers[0].reply;
  const std::vector<ReplyElement> elements = ReadArray(first->reply);
  std::string reply;
  ReplyWriter writer(reply, call.resp());
  writer.Map(elements.size() / 2);
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    reply.append(elements[i].raw);
    if (const auto value = ValueForAll(call.context().proxy, answers, elements[i].text)) {
      writer.Bulk(*value);
    } else {
      reply.append(elements[i + 1].raw);
    }
  }
  co_return reply;
}

Task<std::string> ConfigSetRecipe(RecipeCall& call) {
  Proxy& proxy = call.context().proxy;
  const std::span<const Bytes> args = call.args().subspan(2);
  if (args.size() % 2 != 0) co_return errors::Syntax();
  std::vector<Bytes> pairs;
  for (size_t i = 0; i < args.size(); i += 2) {
    std::string wrong = WrongWithOwn(proxy, args[i], args[i + 1]);
    if (!wrong.empty()) co_return wrong;
    if (IsFixed(args[i])) continue;
    pairs.push_back(args[i]);
    pairs.push_back(args[i + 1]);
  }
  if (!pairs.empty()) {
    std::string error = co_await SetOnShards(call, pairs);
    if (!error.empty()) co_return error;
  }
  for (size_t i = 0; i < args.size(); i += 2) {
    TakeOwn(proxy, args[i], args[i + 1]);
    if (!EqualsIgnoreCase(args[i], "maxmemory")) continue;
    for (uint32_t shard = 0; shard < call.router().shard_count(); ++shard) {
      call.router().backend(shard).link().SetMemoryLimited(args[i + 1] != "0");
    }
  }
  co_return "+OK\r\n";
}

Task<std::string> ConfigResetStatRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), false);
  for (const Answer& answer : answers) {
    if (answer.is_error()) co_return answer.reply;
  }
  const Proxy::Visit reset = [](WorkerView& worker, std::string&) { worker.ResetStatistics(); };
  co_await call.VisitWorkers(reset);
  co_return "+OK\r\n";
}

}  // namespace ringmaster
