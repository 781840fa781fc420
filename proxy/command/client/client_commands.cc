// CLIENT and its subcommands. Clients are those of the proxy, on all of its workers.
#include <algorithm>
#include <optional>

#include "command/access/access_control.h"
#include "command/access/describe_client.h"
#include "command/call/blocked_client.h"
#include "command/call/call.h"
#include "command/call/push_client.h"
#include "command/call/request.h"
#include "command/call/transaction.h"
#include "command/client/client_filter.h"
#include "command/client/handlers.h"
#include "command/serve/recipe.h"
#include "command/whole/pool_version.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "route/router.h"

namespace ringmaster {
namespace {

bool ValidWord(Bytes word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c >= '!' && c <= '~'; });
}

// What servers of the pool's version show.
ClientFields FieldsOf(const PoolVersion& version) {
  ClientFields fields;
  fields.valkey = !version.valkey_version.empty();
  fields.library = !IsEarlier(version.redis_version, "7.2");
  fields.watch = fields.valkey || !IsEarlier(version.redis_version, "7.4");
  fields.thread = !fields.valkey && !IsEarlier(version.redis_version, "8.0");
  return fields;
}

// Redis lists the oldest client first; workers have old and new ones.
std::string SortedById(const std::vector<std::string>& reports) {
  std::vector<std::pair<uint64_t, Bytes>> lines;
  for (const std::string& report : reports) {
    for (Bytes rest = report; !rest.empty();) {
      const Bytes line = rest.substr(0, rest.find('\n') + 1);
      const Bytes id = line.substr(3, line.find(' ') - 3);  // behind "id="
      lines.emplace_back(ParseInteger(id).value_or(0), line);
      rest.remove_prefix(line.size());
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string sorted;
  for (const auto& [id, line] : lines) sorted.append(line);
  return sorted;
}

// The lines of all clients that the filter lets through.
Task<std::string> ListClients(RecipeCall& call, ClientFilter filter) {
  const TimePoint now = call.context().proxy.Now();
  // Named before it is awaited: GCC 12 destroys a lambda in an awaited expression twice.
  const uint64_t self = call.client_id();
  const size_t asking = call.wire().size();
  const ClientFields fields = FieldsOf(VersionOf(call.routes()));
  const Proxy::Visit describe = [filter, now, self, asking, fields](WorkerView& worker,
                                                                    std::string& out) {
    ClientFields here = fields;
    here.worker = static_cast<int>(worker.index());
    worker.EachClient([&](ClientView& client) {
      if (!filter.Matches(client, now)) return;
      DescribeClient(client, now, here, client.state().id == self ? asking : 0, out);
    });
  };
  const std::vector<std::string> reports = co_await call.VisitWorkers(describe);
  co_return SortedById(reports);
}

}  // namespace

void ClientId(Call& call, ReplyWriter& out) { out.Integer(static_cast<int64_t>(call.client.id)); }

void ClientSetName(Call& call, ReplyWriter& out) {
  if (!ValidWord(call.args[2])) {
    out.Error("ERR Client names cannot contain spaces, newlines or special characters.");
    return;
  }
  call.client.MutableDetails().name = std::string(call.args[2]);
  call.client.details->Charge(call.context.blocks);
  out.Ok();
}

void ClientGetName(Call& call, ReplyWriter& out) {
  if (call.client.name().empty()) {
    out.Null();
  } else {
    out.Bulk(call.client.name());
  }
}

// Of Redis 7.2; client libraries send it and go on when it is refused, but it costs nothing to
// keep.
void ClientSetInfo(Call& call, ReplyWriter& out) {
  const bool name = EqualsIgnoreCase(call.args[2], "lib-name");
  if (!name && !EqualsIgnoreCase(call.args[2], "lib-ver")) {
    out.Error("ERR Unrecognized option '" + std::string(call.args[2]) + "'");
    return;
  }
  if (!ValidWord(call.args[3])) {
    out.Error("ERR " + std::string(call.args[2]) +
              " cannot contain spaces, newlines or special characters.");
    return;
  }
  ClientState::Details& details = call.client.MutableDetails();
  (name ? details.lib_name : details.lib_version) = std::string(call.args[3]);
  details.Charge(call.context.blocks);
  out.Ok();
}

namespace {

void OnOrOff(Bytes word, bool& flag, ReplyWriter& out) {
  const bool on = EqualsIgnoreCase(word, "on");
  if (!on && !EqualsIgnoreCase(word, "off")) {
    out.out() += errors::Syntax();
    return;
  }
  flag = on;
  out.Ok();
}

}  // namespace

void ClientNoEvict(Call& call, ReplyWriter& out) {
  OnOrOff(call.args[2], call.client.no_evict, out);
}

void ClientNoTouch(Call& call, ReplyWriter& out) {
  OnOrOff(call.args[2], call.client.no_touch, out);
}

// Valkey's. The one that it knows, redirect, is for replicas, which the proxy is not; what it does
// not know it takes, too.
void ClientCapa(Call& call, ReplyWriter& out) {
  for (const Bytes capability : call.args.subspan(2)) {
    if (EqualsIgnoreCase(capability, "redirect")) call.client.takes_redirects = true;
  }
  out.Ok();
}

// Valkey's: keys that expired stay while somebody imports them. Shards that import are filled
// without the proxy.
void ClientImportSource(Call& call, ReplyWriter& out) {
  if (EqualsIgnoreCase(call.args[2], "off")) return out.Ok();
  out.Error("ERR Server is not in import mode");
}

// OFF and SKIP get no reply themselves; ON gets one even when replies were off.
void ClientReply(Call& call, ReplyWriter& out) {
  if (EqualsIgnoreCase(call.args[2], "on")) {
    call.client.reply_mode = ClientState::ReplyMode::kOn;
    Request::Of(call.exchange).silent = false;
    out.Ok();
  } else if (EqualsIgnoreCase(call.args[2], "off")) {
    call.client.reply_mode = ClientState::ReplyMode::kOff;
  } else if (EqualsIgnoreCase(call.args[2], "skip")) {
    if (call.client.reply_mode == ClientState::ReplyMode::kOn) {
      call.client.reply_mode = ClientState::ReplyMode::kSkipNext;
    }
  } else {
    out.out() += errors::Syntax();
  }
}

void ClientHelp(Call&, ReplyWriter& out) {
  static constexpr Bytes kLines[] = {
      "CLIENT <subcommand> [<arg> [value] [opt] ...]. The proxy serves:",
      "GETNAME | SETNAME <name> | SETINFO (LIB-NAME|LIB-VER) <value> | ID | INFO",
      "LIST [<filter> <value> ...] | KILL <ip:port> | KILL <filter> <value> ..., where a filter is",
      "    [NOT-](ID|ADDR|LADDR|IP|TYPE|USER|NAME|LIB-NAME|LIB-VER|DB|FLAGS|CAPA), MAXAGE, IDLE or",
      "    SKIPME (yes|no)",
      "CAPA <capability> [...] | IMPORT-SOURCE (ON|OFF)",
      "NO-EVICT (ON|OFF) | NO-TOUCH (ON|OFF) | REPLY (ON|OFF|SKIP)",
      "GETREDIR | TRACKINGINFO | UNBLOCK <id> | HELP"};
  out.Array(std::size(kLines));
  for (const Bytes line : kLines) out.Simple(line);
}

void ClientGetRedir(Call& call, ReplyWriter& out) { out.Integer(RedirectionOf(call.client)); }

void ClientTrackingInfo(Call& call, ReplyWriter& out) {
  const Tracking* tracking =
      call.client.push == nullptr ? nullptr : call.client.push->tracking.get();
  const TrackingOptions options = tracking == nullptr ? TrackingOptions() : tracking->options();
  std::vector<Bytes> flags = {tracking == nullptr ? "off" : "on"};
  if (options.bcast) flags.emplace_back("bcast");
  if (options.optin) flags.emplace_back("optin");
  if (options.optin && tracking->caching) flags.emplace_back("caching-yes");
  if (options.optout) flags.emplace_back("optout");
  if (options.optout && tracking->caching) flags.emplace_back("caching-no");
  if (options.noloop) flags.emplace_back("noloop");
  if (tracking != nullptr && tracking->broken_redirect) flags.emplace_back("broken_redirect");
  out.Map(3);
  out.Bulk("flags");
  out.Set(flags.size());
  for (const Bytes flag : flags) out.Bulk(flag);
  out.Bulk("redirect");
  out.Integer(RedirectionOf(call.client));
  out.Bulk("prefixes");
  // Without a prefix, BCAST is about the keys that begin with nothing.
  const bool all = options.bcast && options.prefixes.empty();
  out.Array(all ? 1 : options.prefixes.size());
  if (all) out.Bulk("");
  for (const std::string& prefix : options.prefixes) out.Bulk(prefix);
}

void ClientCaching(Call& call, ReplyWriter& out) {
  Tracking* tracking = call.client.push == nullptr ? nullptr : call.client.push->tracking.get();
  if (tracking == nullptr) {
    return out.Error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled");
  }
  const bool yes = EqualsIgnoreCase(call.args[2], "yes");
  if (!yes && !EqualsIgnoreCase(call.args[2], "no")) {
    out.out() += errors::Syntax();
  } else if (yes && !tracking->options().optin) {
    out.Error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
  } else if (!yes && !tracking->options().optout) {
    out.Error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
  } else {
    tracking->caching = true;
    out.Ok();
  }
}

Task<std::string> ClientUnblockRecipe(RecipeCall& call) {
  const std::span<const Bytes> args = call.args();
  const bool with_error = args.size() == 4 && EqualsIgnoreCase(args[3], "error");
  if (args.size() > 4) {
    co_return "-ERR unknown subcommand or wrong number of arguments for '" + std::string(args[1]) +
        "'. Try CLIENT HELP.\r\n";
  }
  if (args.size() == 4 && !with_error && !EqualsIgnoreCase(args[3], "timeout")) {
    co_return "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n";
  }
  const std::optional<int64_t> id = ParseInteger(args[2]);
  if (!id) co_return errors::NotAnInteger();
  const auto wanted = static_cast<uint64_t>(*id);
  Proxy::Visit unblock = [wanted, with_error](WorkerView& worker, std::string& out) {
    worker.EachClient([&](ClientView& client) {
      if (client.state().id != wanted || client.state().blocked == nullptr) return;
      client.state().blocked->Unblock(with_error);
      out = "1";
    });
  };
  bool found = false;
  const std::vector<std::string> reports = co_await call.VisitWorkers(std::move(unblock));
  for (const std::string& report : reports) found = found || !report.empty();
  co_return found ? ":1\r\n" : ":0\r\n";
}

Task<std::string> ClientInfoRecipe(RecipeCall& call) {
  const ClientFilter filter = ClientFilter::OfId(call.client_id());
  const std::string lines = co_await ListClients(call, filter);
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", lines);
  co_return reply;
}

Task<std::string> ClientListRecipe(RecipeCall& call) {
  ClientFilter filter;
  const bool valkey = !VersionOf(call.routes()).valkey_version.empty();
  std::string error =
      filter.Read(call.args().subspan(2), call.context().proxy.access(),
                  valkey ? ClientFilter::Dialect::kValkey : ClientFilter::Dialect::kRedisList);
  if (!error.empty()) co_return error;
  if (filter.skip_me().value_or(false)) filter.Except(call.client_id());
  const std::string lines = co_await ListClients(call, filter);
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", lines);
  co_return reply;
}

Task<std::string> ClientKillRecipe(RecipeCall& call) {
  ClientFilter filter;
  const uint64_t self = call.client_id();
  if (call.args().size() == 3) {
    filter = ClientFilter::OfAddress(call.args()[2]);
  } else {
    const bool valkey = !VersionOf(call.routes()).valkey_version.empty();
    std::string error =
        filter.Read(call.args().subspan(2), call.context().proxy.access(),
                    valkey ? ClientFilter::Dialect::kValkey : ClientFilter::Dialect::kRedisKill);
    if (!error.empty()) co_return error;
    if (filter.skip_me().value_or(true)) filter.Except(self);
  }
  const TimePoint now = call.context().proxy.Now();
  const Proxy::Visit kill = [filter, self, now](WorkerView& worker, std::string& out) {
    worker.EachClient([&](ClientView& client) {
      if (!filter.Matches(client, now)) return;
      out.push_back('x');
      client.Kill(client.state().id == self);
    });
  };
  const std::vector<std::string> reports = co_await call.VisitWorkers(kill);
  size_t killed = 0;
  for (const std::string& report : reports) killed += report.size();
  std::string reply;
  ReplyWriter writer(reply, call.resp());
  if (call.args().size() > 3) {
    writer.Integer(static_cast<int64_t>(killed));
  } else if (killed == 0) {
    reply = errors::NoSuchClient();
  } else {
    writer.Ok();
  }
  co_return reply;
}

}  // namespace ringmaster
