// CONFIG over all shards at once: a parameter has one value for the pool. A few are the proxy's
// own, because they are about its clients, its addresses or its log; a few are cut into shares.
#include <algorithm>
#include <limits>

#include "command/access/access_control.h"
#include "command/call/slow_log.h"
#include "command/serve/recipe.h"
#include "command/serve/renew_users.h"
#include "command/whole/config_names.h"
#include "command/whole/handlers.h"
#include "command/whole/whole_quantities.h"
#include "coro/all.h"
#include "resp/errors.h"
#include "resp/info_text.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr Bytes kMaxClients = "maxclients";
constexpr Bytes kRequirePass = "requirepass";
constexpr Bytes kTimeout = "timeout";

int Port(const ProxyFacts& facts) {
  for (const Address& address : facts.listen) {
    if (address.kind == Address::kTcp) return address.port;
  }
  return 0;
}

std::string UnixPath(const ProxyFacts& facts) {
  for (const Address& address : facts.listen) {
    if (address.kind == Address::kUnix) return address.path;
  }
  return "";
}

std::string Hosts(const ProxyFacts& facts) {
  std::string hosts;
  for (const Address& address : facts.listen) {
    if (address.kind == Address::kTcp) hosts += (hosts.empty() ? "" : " ") + address.host;
  }
  return hosts;
}

// What a client may leave unread is the same for every kind of clients.
std::string OutputLimits(const ProxyFacts& facts) {
  const std::string limit = std::to_string(facts.reply_buffer) + " 0 0";
  return "normal " + limit + " slave " + limit + " pubsub " + limit;
}

// A parameter whose value is the proxy's. One with `set` is a number, and can be set.
struct OwnParameter {
  Bytes name;
  std::string (*get)(Proxy& proxy);
  int64_t least = 0;
  int64_t most = 0;
  void (*set)(Proxy& proxy, int64_t value) = nullptr;
};

constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();
constexpr OwnParameter kOwn[] = {
    {"acl-pubsub-default", [](Proxy&) { return std::string("resetchannels"); }},
    {"aclfile", [](Proxy&) { return std::string(); }},
    {"acllog-max-len", [](Proxy& proxy) { return std::to_string(proxy.access().log_length()); }, 0,
     kAnyNumber,
     [](Proxy& proxy, int64_t value) {
       proxy.access().SetLogLength(static_cast<uint64_t>(value));
     }},
    {"bind", [](Proxy& proxy) { return Hosts(proxy.facts()); }},
    {"client-output-buffer-limit", [](Proxy& proxy) { return OutputLimits(proxy.facts()); }},
    {"client-query-buffer-limit",
     [](Proxy& proxy) { return std::to_string(proxy.facts().query_buffer); }},
    {"databases", [](Proxy& proxy) { return std::to_string(proxy.facts().databases); }},
    {kMaxClients, [](Proxy& proxy) { return std::to_string(proxy.max_clients()); }, 1,
     std::numeric_limits<uint32_t>::max(),
     [](Proxy& proxy, int64_t value) { proxy.SetMaxClients(static_cast<uint32_t>(value)); }},
    {"maxmemory-clients", [](Proxy& proxy) { return std::to_string(proxy.facts().client_memory); }},
    {"port", [](Proxy& proxy) { return std::to_string(Port(proxy.facts())); }},
    {"proto-max-bulk-len", [](Proxy& proxy) { return std::to_string(proxy.facts().max_bulk); }},
    {kRequirePass, [](Proxy& proxy) { return proxy.access().default_password(); }},
    {"slowlog-log-slower-than",
     [](Proxy& proxy) { return std::to_string(proxy.slow_log().threshold()); },
     std::numeric_limits<int64_t>::min(), kAnyNumber,
     [](Proxy& proxy, int64_t value) { proxy.slow_log().SetThreshold(value); }},
    {"slowlog-max-len", [](Proxy& proxy) { return std::to_string(proxy.slow_log().max_entries()); },
     0, kAnyNumber,
     [](Proxy& proxy, int64_t value) {
       proxy.slow_log().SetMaxEntries(static_cast<size_t>(value));
     }},
    // The workers have it, each for itself.
    {kTimeout,
     [](Proxy& proxy) { return std::to_string(Milliseconds(proxy.facts().idle_timeout) / 1000); },
     0, std::numeric_limits<int32_t>::max(), [](Proxy&, int64_t) {}},
    {"unixsocket", [](Proxy& proxy) { return UnixPath(proxy.facts()); }},
};

const OwnParameter* FindOwn(Bytes name) {
  const auto* const found =
      std::find_if(std::begin(kOwn), std::end(kOwn),
                   [name](const OwnParameter& own) { return EqualsIgnoreCase(name, own.name); });
  return found == std::end(kOwn) ? nullptr : found;
}

std::string Failed(Bytes name, const std::string& why) {
  return "-ERR CONFIG SET failed (possibly related to argument '" + Printable(name) + "') - " +
         why + "\r\n";
}

// What is wrong with a number of the proxy's own, in Redis's words. Empty: nothing.
std::string WrongNumber(Proxy& proxy, const OwnParameter& own, Bytes value) {
  if (own.set == nullptr) return "";
  const std::optional<int64_t> number = ParseInteger(value);
  if (!number) return Failed(own.name, "argument couldn't be parsed into an integer");
  if (own.name == kMaxClients && *number > proxy.possible_clients() && *number <= own.most) {
    return Failed(own.name,
                  "The operating system is not able to handle the specified number of clients, try "
                  "with " +
                      std::to_string(proxy.possible_clients()));
  }
  if (*number >= own.least && *number <= own.most) return "";
  return Failed(own.name, "argument must be between " + std::to_string(own.least) + " and " +
                              std::to_string(own.most) + " inclusive");
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
  if (call.routes().shard_count() > 1) {
    before = co_await call.AskAll(Request("GET", names), true);
  }
  std::vector<uint64_t> used;
  if (std::any_of(names.begin(), names.end(), IsMemoryOfAll)) used = co_await MemoryInUse(call);
  std::vector<std::string> requests = SetRequests(call.routes().topology(), pairs, used);
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

// Nothing: as the first shard that answers shows it.
std::optional<std::string> ValueForAll(Proxy& proxy, const std::vector<Answer>& answers,
                                       Bytes name) {
  const ConfigOwner owner = FindConfigName(name).owner;
  if (owner == ConfigOwner::kSecret) return "";
  if (owner == ConfigOwner::kShares) return SumOf(answers, name);
  const OwnParameter* own = FindOwn(name);
  return own == nullptr ? std::nullopt : std::optional<std::string>(own->get(proxy));
}

// CONFIG GET of the pool. Shards are meant to be configured alike: what is the same for all of them
// is told by the first that answers.
Task<std::string> Get(RecipeCall& call, std::string request) {
  const std::vector<Answer> answers = co_await call.AskAll(std::move(request), true);
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

// Of parameters that are not to be set: each has its value already, or the error that says why.
Task<std::string> RefuseUnlessSame(RecipeCall& call, std::vector<Bytes> pairs) {
  std::vector<Bytes> names;
  for (size_t i = 0; i < pairs.size(); i += 2) names.push_back(pairs[i]);
  const std::string shown = co_await Get(call, Request("GET", names));
  if (shown.starts_with('-')) co_return shown;
  const std::vector<ReplyElement> elements = ReadArray(shown);
  for (size_t i = 0; i < pairs.size(); i += 2) {
    size_t at = 0;
    while (at + 1 < elements.size() && !EqualsIgnoreCase(elements[at].text, pairs[i])) at += 2;
    if (at + 1 >= elements.size()) {
      co_return "-ERR Unknown option or number of arguments for CONFIG SET - '" +
          Printable(pairs[i]) + "'\r\n";
    }
    if (elements[at + 1].text != pairs[i + 1]) {
      co_return Failed(pairs[i], FindConfigName(pairs[i]).why);
    }
  }
  co_return "";
}

// The pairs of one CONFIG SET, by who is to have them; views into the call's arguments.
struct Wanted {
  std::vector<Bytes> of_shards;
  std::vector<Bytes> of_proxy;
  std::vector<Bytes> of_nobody;
  std::string wrong;
};

Wanted Sort(Proxy& proxy, std::span<const Bytes> args) {
  Wanted wanted;
  for (size_t i = 0; i < args.size(); i += 2) {
    const ConfigName& name = FindConfigName(args[i]);
    for (size_t other = 0; other < i; other += 2) {
      if (EqualsIgnoreCase(args[other], args[i])) {
        wanted.wrong = Failed(args[i], "duplicate parameter");
        return wanted;
      }
    }
    const OwnParameter* own = IsSettable(name) ? FindOwn(args[i]) : nullptr;
    if (own != nullptr) wanted.wrong = WrongNumber(proxy, *own, args[i + 1]);
    if (!wanted.wrong.empty()) return wanted;
    const auto add = [&](std::vector<Bytes>& pairs) {
      pairs.insert(pairs.end(), {args[i], args[i + 1]});
    };
    if (!IsSettable(name)) add(wanted.of_nobody);
    if (own != nullptr) add(wanted.of_proxy);
    if (IsSettable(name) && name.owner != ConfigOwner::kProxy) add(wanted.of_shards);
  }
  return wanted;
}

// Cannot fail: what is wrong was found before.
Task<void> SetOwn(RecipeCall& call, std::vector<Bytes> pairs) {
  Proxy& proxy = call.context().proxy;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    if (EqualsIgnoreCase(pairs[i], kRequirePass)) {
      proxy.access().SetDefaultPassword(pairs[i + 1]);
      std::vector<std::string> names(1, "default");
      co_await RenewUsers(call, std::move(names));
      continue;
    }
    const int64_t value = *ParseInteger(pairs[i + 1]);
    FindOwn(pairs[i])->set(proxy, value);
    if (!EqualsIgnoreCase(pairs[i], kTimeout)) continue;
    const Duration timeout = std::chrono::seconds(value);
    const Proxy::Visit visit = [timeout](WorkerView& worker, std::string&) {
      worker.SetIdleTimeout(timeout);
    };
    co_await call.VisitWorkers(visit);
  }
}

void NoteMemoryLimit(const Routes& routes, const std::vector<Bytes>& pairs) {
  for (size_t i = 0; i < pairs.size(); i += 2) {
    if (!EqualsIgnoreCase(pairs[i], "maxmemory")) continue;
    for (uint32_t shard = 0; shard < routes.shard_count(); ++shard) {
      routes.backend(shard).link().SetMemoryLimited(pairs[i + 1] != "0");
    }
  }
}

}  // namespace

Task<std::string> ConfigGetRecipe(RecipeCall& call) {
  std::string request = call.wire();
  co_return co_await Get(call, std::move(request));
}

// All of it or nothing: what only the proxy can refuse is refused first, and what is its own is
// set when every shard has agreed.
Task<std::string> ConfigSetRecipe(RecipeCall& call) {
  const std::span<const Bytes> args = call.args().subspan(2);
  if (args.size() % 2 != 0) co_return errors::Syntax();
  const Wanted wanted = Sort(call.context().proxy, args);
  if (!wanted.wrong.empty()) co_return wanted.wrong;
  if (!wanted.of_nobody.empty()) {
    const std::string refused = co_await RefuseUnlessSame(call, wanted.of_nobody);
    if (!refused.empty()) co_return refused;
  }
  if (!wanted.of_shards.empty()) {
    const std::string error = co_await SetOnShards(call, wanted.of_shards);
    if (!error.empty()) co_return error;
    NoteMemoryLimit(call.routes(), wanted.of_shards);
  }
  co_await SetOwn(call, wanted.of_proxy);
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
