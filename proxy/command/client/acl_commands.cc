// ACL's subcommands. The users are the proxy's; its shards see one user, the proxy itself.
#include <algorithm>
#include <optional>

#include "command/access/access_control.h"
#include "command/call/call.h"
#include "command/client/handlers.h"
#include "command/serve/recipe.h"
#include "command/serve/renew_users.h"
#include "command/table/categories.h"
#include "command/table/command_replies.h"
#include "command/table/learned_rows.h"
#include "command/whole/learn.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

constexpr int64_t kLogDefault = 10;

void WriteGrants(const Grants& grants, ReplyWriter& out) {
  out.Bulk("commands");
  out.Bulk(grants.DescribeCommands());
  out.Bulk("keys");
  out.Bulk(grants.DescribeKeys());
  out.Bulk("channels");
  out.Bulk(grants.DescribeChannels());
}

const char* ReasonName(Denial::Reason reason) {
  switch (reason) {
    case Denial::Reason::kKey:
      return "key";
    case Denial::Reason::kChannel:
      return "channel";
    case Denial::Reason::kAuth:
      return "auth";
    default:
      return "command";
  }
}

bool IsUnknownCommand(Bytes reply) { return reply.starts_with("-ERR unknown command"); }

// Asks the shards for the commands that rules name and nobody here knows. An error reply when none
// can be asked, or empty.
Task<std::string> LearnNamedInRules(RecipeCall& call, std::span<const Bytes> rules) {
  if (call.context().modules == nullptr) co_return std::string();
  for (const Bytes rule : rules) {
    // Passwords are nobody else's.
    if (rule.empty() || (rule[0] != '+' && rule[0] != '-' && rule[0] != '(')) continue;
    // A selector has rules of its own between its parentheses.
    size_t at = 0;
    while (at < rule.size()) {
      size_t end = rule.find_first_of(" ()", at);
      end = std::min(end, rule.size());
      const Bytes word = rule.substr(at, end - at);
      at = end + 1;
      if (word.size() < 2 || (word[0] != '+' && word[0] != '-') || word[1] == '@') continue;
      const Bytes name = word.substr(1, word.find('|') - 1);
      if (name.empty() || call.context().table.FindByName(name) != nullptr) continue;
      const std::string wrong = co_await LearnCommand(call, {&name, 1}, true);
      if (!wrong.empty() && !IsUnknownCommand(wrong)) co_return wrong;
    }
  }
  co_return std::string();
}

std::string ErrorReply(const std::string& text) { return "-ERR " + text + "\r\n"; }

}  // namespace

void AclWhoAmI(Call& call, ReplyWriter& out) { out.Bulk(UserName(call.client)); }

void AclList(Call& call, ReplyWriter& out) {
  const auto users = call.context.proxy.access().All();
  out.Array(users.size());
  for (const auto& user : users) out.Bulk("user " + user->name + " " + user->Describe());
}

void AclUsers(Call& call, ReplyWriter& out) {
  const auto users = call.context.proxy.access().All();
  out.Array(users.size());
  for (const auto& user : users) out.Bulk(user->name);
}

void AclGetUser(Call& call, ReplyWriter& out) {
  const auto user = call.context.proxy.access().Find(call.args[2]);
  if (user == nullptr) return out.Null();
  out.Map(6);
  out.Bulk("flags");
  out.Set(size_t{1} + (user->any_password ? 1 : 0) + (user->payload.empty() ? 0 : 1));
  out.Bulk(user->enabled ? "on" : "off");
  if (user->any_password) out.Bulk("nopass");
  if (!user->payload.empty()) out.Bulk(user->payload);
  out.Bulk("passwords");
  out.Array(user->passwords.size());
  for (const std::string& digest : user->passwords) out.Bulk(digest);
  WriteGrants(user->root, out);
  out.Bulk("selectors");
  out.Array(user->selectors.size());
  for (const Grants& grants : user->selectors) {
    out.Map(3);
    WriteGrants(grants, out);
  }
}

void AclCat(Call& call, ReplyWriter& out) {
  if (call.args.size() > 3) {
    out.out() += errors::UnknownSubcommand("acl", call.args[1]);
    return;
  }
  if (call.args.size() == 2) {
    out.Array(Categories().size());
    for (const char* category : Categories()) out.Bulk(category);
    return;
  }
  const uint32_t category = CategoryBit(call.args[2]);
  if (category == 0) {
    return out.Error("ERR Unknown category '" + Printable(call.args[2]) + "'");
  }
  const std::vector<Bytes> names =
      NamesInCategory(call.context.table, call.context.modules, category);
  out.Array(names.size());
  for (const Bytes name : names) out.Bulk(name);
}

void AclLog(Call& call, ReplyWriter& out) {
  AccessControl& access = call.context.proxy.access();
  int64_t count = kLogDefault;
  if (call.args.size() > 2) {
    if (EqualsIgnoreCase(call.args[2], "reset")) {
      access.ClearLog();
      return out.Ok();
    }
    const auto asked = ParseInteger(call.args[2]);
    if (!asked) {
      out.out() += errors::NotAnInteger();
      return;
    }
    count = std::max<int64_t>(*asked, 0);
  }
  std::vector<AclLogEntry> entries = access.log();
  if (entries.size() > static_cast<size_t>(count)) entries.resize(static_cast<size_t>(count));
  const TimePoint now = call.context.proxy.Now();
  out.Array(entries.size());
  for (const AclLogEntry& entry : entries) {
    out.Map(7);
    out.Bulk("count");
    out.Integer(static_cast<int64_t>(entry.count));
    out.Bulk("reason");
    out.Bulk(ReasonName(entry.reason));
    out.Bulk("context");
    out.Bulk(entry.context);
    out.Bulk("object");
    out.Bulk(entry.object);
    out.Bulk("username");
    out.Bulk(entry.user);
    out.Bulk("age-seconds");
    out.Double(static_cast<double>(Milliseconds(now - entry.at)) / 1000);
    out.Bulk("client-info");
    out.Bulk(entry.client);
  }
}

void AclNoFile(Call&, ReplyWriter& out) {
  out.Error(
      "ERR This proxy has no ACL file. Users stand under 'users' in its configuration, which PROXY "
      "RELOAD reads again");
}

Task<std::string> AclDryRunRecipe(RecipeCall& call) {
  std::string reply;
  ReplyWriter out(reply, call.resp());
  const auto user = call.context().proxy.access().Find(call.args()[2]);
  if (user == nullptr) {
    out.Error("ERR User '" + Printable(call.args()[2]) + "' not found");
    co_return reply;
  }
  const std::span<const Bytes> args = call.args().subspan(3);
  const Command* command = call.context().table.Find(args);
  const ModuleCommands* modules = call.context().modules;
  if (command == nullptr && modules != nullptr) {
    reply = co_await LearnCommand(call, args, true);
    if (!reply.empty() && !IsUnknownCommand(reply)) co_return reply;
    reply.clear();
    command = modules->KnownCall(args);
  }
  if (command == nullptr || (!command->subcommands.empty() && args.size() > 1)) {
    out.Error("ERR Command '" + Printable(args[0]) + "' not found");
    co_return reply;
  }
  if (!ArityFits(modules, *command, args.size())) co_return errors::WrongArity(command->full_name);
  std::optional<SaidKeys> keys;
  reply = co_await AskForJudgedKeys(call, *command, args, keys);
  if (!reply.empty()) co_return reply;
  const Denial denial = user->Check(*command, args, keys ? &*keys : nullptr);
  if (!denial) {
    out.Ok();
  } else if (denial.reason == Denial::Reason::kCommand) {
    out.Bulk("This user has no permissions to run the '" + denial.needed->full_name + "' command");
  } else {
    out.Bulk("This user has no permissions to access the '" + std::string(args[denial.position]) +
             "' " + ReasonName(denial.reason));
  }
  co_return reply;
}

Task<std::string> AclSetUserRecipe(RecipeCall& call) {
  const Bytes name = call.args()[2];
  for (const char c : name) {
    if (c == ' ' || (c >= '\t' && c <= '\r') || c == '\0') {
      co_return ErrorReply("Usernames can't contain spaces or null characters");
    }
  }
  const std::string unasked = co_await LearnNamedInRules(call, call.args().subspan(3));
  if (!unasked.empty()) co_return unasked;
  const std::string wrong = call.context().proxy.access().Set(name, call.args().subspan(3));
  if (!wrong.empty()) co_return ErrorReply(wrong);
  std::vector<std::string> names(1, std::string(name));
  co_await RenewUsers(call, std::move(names));
  co_return "+OK\r\n";
}

Task<std::string> AclDelUserRecipe(RecipeCall& call) {
  std::vector<std::string> names;
  for (const Bytes name : call.args().subspan(2)) {
    if (name == "default") co_return ErrorReply("The 'default' user cannot be removed");
    names.emplace_back(name);
  }
  int64_t deleted = 0;
  for (const std::string& name : names) {
    if (call.context().proxy.access().Delete(name)) ++deleted;
  }
  if (deleted > 0) co_await RenewUsers(call, std::move(names));
  std::string reply;
  ReplyWriter(reply, call.resp()).Integer(deleted);
  co_return reply;
}

}  // namespace ringmaster
