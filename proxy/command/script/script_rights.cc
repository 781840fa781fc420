#include "command/script/script_rights.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/sha.h"
#include "command/access/access_control.h"
#include "command/call/push_client.h"
#include "command/call/script_teller.h"
#include "command/call/transaction.h"
#include "command/script/handlers.h"
#include "command/serve/decide.h"
#include "command/serve/recipe.h"
#include "command/table/keys.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr Bytes kPrefix = "rm-";
constexpr size_t kDigits = 16;  // of each part of a name
constexpr Duration kIdle = std::chrono::minutes(1);

// The proxy's own commands mean nothing to a shard.
bool KnownToShards(const CommandTable& table, Bytes rule) {
  if (rule.size() < 2 || (rule[0] != '+' && rule[0] != '-') || rule[1] == '@') return true;
  const Command* command = table.FindByName(rule.substr(1));
  return command == nullptr || !command->Is(kHidden);
}

std::string Refusal(const AclUser& user, const std::string& shard, Bytes said) {
  return ScriptRefusal(user,
                       "the shard '" + shard +
                           "' makes no user with the rights of this one: " + Printable(said, 200));
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// Who is logged in, of CLIENT LIST.
std::set<std::string> UsersOf(Bytes list) {
  constexpr Bytes kField = " user=";
  std::set<std::string> users;
  for (size_t at = list.find(kField); at != Bytes::npos; at = list.find(kField, at)) {
    at += kField.size();
    users.emplace(list.substr(at, list.find_first_of(" \n\r", at) - at));
  }
  return users;
}

// Mirrors that another process left and nobody uses are removed. One that is used again is made
// again before.
Task<void> RemoveOrphans(RecipeCall& call, Connection& connection, const std::string& own) {
  std::string ask = MakeRequest({"ACL", "USERS"});
  const Answer names = co_await call.AskOver(connection, std::move(ask));
  if (names.is_error()) co_return;
  std::vector<Bytes> request = {"ACL", "DELUSER"};
  for (const ReplyElement& name : ReadArray(names.reply)) {
    if (name.text.starts_with(kPrefix) && !name.text.starts_with(own)) request.push_back(name.text);
  }
  if (request.size() == 2) co_return;
  std::string list = MakeRequest({"CLIENT", "LIST"});
  const Answer clients = co_await call.AskOver(connection, std::move(list));
  if (clients.is_error()) co_return;
  const std::set<std::string> used = UsersOf(clients.reply);
  std::erase_if(request, [&](Bytes name) { return used.contains(std::string(name)); });
  if (request.size() == 2) co_return;
  std::string remove = MakeRequest(std::span<const Bytes>(request));
  co_await call.AskOver(connection, std::move(remove));
}

// ACL LIST shows a pattern of one star as it shows the right to all keys.
std::vector<std::string> MirrorOf(const CommandTable& table, const Grants& grants) {
  std::vector<std::string> rules;
  for (std::string& rule : Words(grants.Describe())) {
    if (rule == "~*" && !grants.all_keys()) rule = "%RW~*";
    if (KnownToShards(table, rule)) rules.push_back(std::move(rule));
  }
  return rules;
}

std::string OwnPart(Bytes proxy) {
  return std::string(kPrefix) + std::string(proxy.substr(0, kDigits)) + "-";
}

}  // namespace

std::vector<std::string> MirrorRules(const CommandTable& table, const AclUser& user) {
  std::vector<std::string> rules = MirrorOf(table, user.root);
  for (const Grants& grants : user.selectors) {
    rules.push_back(fmt::format("({})", fmt::join(MirrorOf(table, grants), " ")));
  }
  // What brings a script there, and cannot be called from one.
  rules.emplace_back("+@scripting");
  return rules;
}

std::string MirrorName(Bytes proxy, const std::vector<std::string>& rules) {
  std::string all;
  for (const std::string& rule : rules) all += rule + "\n";
  return OwnPart(proxy) + Sha256Hex(all).substr(0, kDigits);
}

const char* ScriptRights::WhyNot(const CommandContext& context, const ClientState& client,
                                 const Command& command) {
  if (context.script_rights == nullptr) return "nobody makes users at the shards";
  if (client.transaction != nullptr && client.transaction->open) {
    return "MULTI runs on the connection that all users share";
  }
  if (client.push != nullptr && client.push->tracking != nullptr) {
    return "a client that tracks keys has connections of its own to the shards";
  }
  if (context.InBackground(command)) return "schedule.background names the command";
  return nullptr;
}

bool ScriptRights::TakeIdle(const Backend& backend, const std::string& mirror, int database,
                            int resp, Lane& lane) {
  for (size_t i = idle_.size(); i-- > 0;) {
    Lane& known = idle_[i];
    if (known.backend != &backend || known.mirror != mirror || !known.LoggedIn() ||
        known.connection->database() != database || known.connection->resp() != resp) {
      continue;
    }
    lane = std::move(known);
    idle_.erase(idle_.begin() + static_cast<ptrdiff_t>(i));
    return true;
  }
  return false;
}

void ScriptRights::PutBack(Lane lane, TimePoint now) {
  const bool useful =
      lane.LoggedIn() && lane.connection->idle() && lane.routes == router_.version();
  if (!useful) return lane.backend->Discard(lane.connection);
  lane.used = now;
  idle_.push_back(std::move(lane));
  if (idle_.size() <= kMostIdle) return;
  idle_.front().backend->Discard(idle_.front().connection);
  idle_.erase(idle_.begin());
}

void ScriptRights::Tick(TimePoint now) {
  std::erase_if(idle_, [&](const Lane& lane) {
    if (lane.LoggedIn() && lane.routes == router_.version() && now - lane.used < kIdle) {
      return false;
    }
    lane.backend->Discard(lane.connection);
    return true;
  });
}

// Empty: `lane` is a connection that is logged in.
Task<std::string> ScriptRights::Open(RecipeCall& call, Backend& backend, const AclUser& user,
                                     const std::vector<std::string>& rules, Lane& lane) {
  const std::string& shard = backend.link().name();
  const std::string& own_id = call.context().proxy.facts().run_id;
  Connection* connection = backend.Borrow(call.database(), call.resp());
  if (connection == nullptr) {
    co_return errors::NotApplied(shard, "all connections to it are lent out");
  }
  lane = Lane{&backend, connection, MirrorName(own_id, rules), 0, router_.version(), {}};
  // Up before it is told anything, so that it is known which stream was told.
  std::string ping = MakeRequest({"PING"});
  const Answer up = co_await call.AskOver(*connection, std::move(ping));
  if (up.is_error()) {
    backend.Discard(connection);
    co_return up.reply;
  }
  if (std::find(swept_.begin(), swept_.end(), shard) == swept_.end()) {
    swept_.push_back(shard);
    const std::string own = OwnPart(own_id);
    co_await RemoveOrphans(call, *connection, own);
  }
  lane.generation = connection->generation();
  if (!connection->ready()) {
    backend.Discard(connection);
    co_return errors::NotApplied(shard, "the connection for the script was lost");
  }
  const std::string& password = call.context().proxy.access().script_password();
  const std::string secret = ">" + password;
  std::vector<Bytes> words = {"ACL", "SETUSER", lane.mirror, "reset", "on", secret};
  words.insert(words.end(), rules.begin(), rules.end());
  std::string request = MakeRequest(std::span<const Bytes>(words));
  request += MakeRequest({"AUTH", lane.mirror, password});
  const AskOptions options{.bound = true, .replies = 2};
  const Answer answer = co_await call.AskOver(*connection, std::move(request), options);
  if (answer.reply == "+OK\r\n+OK\r\n") co_return std::string();
  backend.Discard(connection);
  if (answer.outcome != Outcome::kReplied) co_return answer.reply;
  const ReplyElement first = ReadReply(answer.reply);
  co_return Refusal(user, shard, first.text);
}

Task<std::string> ScriptRights::Run(RecipeCall& call, uint32_t shard,
                                    std::shared_ptr<const AclUser> user) {
  const std::vector<std::string> rules = MirrorRules(call.context().table, *user);
  Backend& backend = call.routes().backend(shard);
  const std::string mirror = MirrorName(call.context().proxy.facts().run_id, rules);
  Lane lane;
  if (!TakeIdle(backend, mirror, call.database(), call.resp(), lane)) {
    std::string refused = co_await Open(call, backend, *user, rules, lane);
    if (!refused.empty()) co_return refused;
  }
  // Nothing comes between this look and the sending.
  if (!lane.LoggedIn()) {
    const std::string name = backend.link().name();
    PutBack(std::move(lane), call.context().proxy.Now());
    co_return errors::NotApplied(name, "the connection for the script was lost");
  }
  ScriptTeller* const teller = call.context().script_teller;
  if (teller != nullptr) {
    teller->Tell(call.context(), call.command(), call.args(), *lane.connection);
  }
  std::string request = call.wire();
  const AskOptions options{
      .read_only = call.command().Is(kReadOnly), .bound = true, .script = true};
  Answer answer = co_await call.AskOver(*lane.connection, std::move(request), options);
  PutBack(std::move(lane), call.context().proxy.Now());
  co_return std::move(answer.reply);
}

// A script of a user who may not do everything.
Task<std::string> CheckedScriptRecipe(RecipeCall& call) {
  const std::shared_ptr<const AclUser> user = call.limited_user();
  ScriptRights* const rights = call.context().script_rights;
  if (user == nullptr || rights == nullptr) co_return errors::ShuttingDown();
  // Where it would go with all rights.
  const Decision decision = Decide(call.context(), call.command(), call.args(), Asked());
  co_return co_await rights->Run(call, decision.shard, user);
}

}  // namespace ringmaster
