#include "command/rows/compatibility.h"

#include "command/rows/all_rows.h"
#include "command/table/keys.h"
#include "command/whole/config_names.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

constexpr char kIntroduction[] =
    "# Commands\n"
    "\n"
    "Every command of Redis 7.0 and how Ringmaster serves it. This page is made from the rows in\n"
    "`proxy/command/`; a test holds it against them and, run with `RM_UPDATE=1`, writes it anew.\n";

// What rows cannot say.
constexpr char kDifferences[] =
    "\n## What differs from one Redis\n"
    "\n"
    "- **Users** are the proxy's own (`users` in the configuration, ACL SETUSER until the next "
    "start):\n"
    "  commands, keys and channels are checked before anything is sent. The shards see one user, "
    "the\n"
    "  proxy. Scripts of users who may not do everything run as users that the proxy makes there "
    "with the\n"
    "  same rules; in MULTI and over several shards they are refused, unless `scripts: unchecked` "
    "stands\n"
    "  beside the user ([limits.md](limits.md#names-and-users)).\n"
    "  Commands that only the shards know are checked like others, from the first call on. A rule "
    "in\n"
    "  the configuration may name one that no shard knows yet; ACL SETUSER asks the shards. Where "
    "Redis\n"
    "  7.0 checks other keys than the command uses (a second STORE, a group named STREAMS), both "
    "have\n"
    "  to be allowed.\n"
    "- **PROXY** is @read where it looks and @admin @dangerous where it orders: RELOAD, VERIFY, "
    "SLOWLOG\n"
    "  (which shows others' arguments), and of JOBS, LOGLEVEL, REBALANCE and SAGAS what changes "
    "something.\n"
    "  Of these four the right to look is named `proxy|sagas`, and to order `proxy|sagas-order`, "
    "and so on.\n"
    "- **A right that is taken** ends subscriptions as with Redis, and MONITOR as well.\n"
    "- **MONITOR** shows values of over 1 MiB by their size, without what comes behind them in the "
    "request.\n"
    "- **CLIENT PAUSE** holds the clients of this proxy. The shards go on: keys expire meanwhile.\n"
    "- **SLOWLOG** and **LATENCY HISTOGRAM** are of what clients waited for, from the first byte "
    "of a\n"
    "  request here to its reply. LATENCY LATEST, HISTORY and DOCTOR are the shards'.\n"
    "- **CONFIG SET** sets all of its parameters, on every shard, or none. Some are the proxy's "
    "own; some\n"
    "  are refused, unless they have the value already: see below.\n"
    "- **INFO commandstats** counts commands that shards run as the shards do (those of scripts "
    "are\n"
    "  among them), and all others as the proxy does, once for each call.\n"
    "- **SWAPDB** reaches the shards one after the other: a command of another client between may "
    "see\n"
    "  one shard swapped and another not yet.\n"
    "- Scripts see the keys of the shard that runs them: a key that is not declared is found only "
    "when\n"
    "  it lives there.\n"
    "\n";

constexpr char kRest[] =
    "## Redis's own tests that cannot hold over many servers\n"
    "\n"
    "`scripts/redis-suite` runs Redis's test suite against the proxy.\n"
    "\n"
    "| test | why not |\n"
    "|---|---|\n"
    "| scripting: Script ACL check (twice) | it asks a shard about a user of the proxy |\n"
    "| scripting: Script read key with expiration set (twice); functions: FUNCTION - test fcall_ro "
    "with read only commands | the script reads a key that it does not declare; with one shard it "
    "passes |\n"
    "| scripting: Consistent eval error reporting | an error that a script catches is in the "
    "shards' "
    "errorstats; total_error_replies counts what clients were told |\n"
    "| pause: Test both active and passive expires are skipped during client pause | the shards "
    "are not paused, for other proxies and the proxy's own writes need them |\n"
    "| tracking: Tracking invalidation message of eviction keys should be before response, and the "
    "20 tests behind it in that file | it leaves 100 KB of maxmemory; of four shards each has a "
    "share of that, which the buffers of one more connection fill, and the file stops at -OOM |\n"
    "| tracking: Server is able to evacuate enough keys when num of keys surpasses limit by more "
    "than defined initial effort (one of these 20) | with tracking-table-max-keys 1 four shards "
    "remember a key each, for 0 would be no limit |\n"
    "\n"
    "## Commands that only the shards know\n"
    "\n"
    "The proxy reads each shard's COMMAND when it is reached, and whenever another server answers\n"
    "there. A command that is not in these tables and that all shards know is listed by COMMAND "
    "and\n"
    "ACL CAT. One that some shards lack is refused by name (`HGETEX is not known to shard 'b'`), "
    "until\n"
    "they have it or have left. Where all have another arity for a command that goes to the shard "
    "of\n"
    "its key as it is (ZRANK of 7.2), that arity holds. A name that is in no shard's COMMAND (of "
    "a\n"
    "module that was loaded later) is looked up (COMMAND INFO) when a client first uses it. All go "
    "to\n"
    "the shard of their keys. Keys of several shards are refused; without keys any shard serves "
    "it.\n"
    "Where its positions do not tell the keys, a shard is asked each time (COMMAND GETKEYS).\n"
    "What the shards tell may be too little: `commands` in the configuration says how a command "
    "is\n"
    "served, its keys, arity, and whether it writes; also of built-in ones, which it may refuse. "
    "What\n"
    "users may do it does not change: that is what the shards and the tables say of the command.\n";

const char* MergeText(Merge merge) {
  switch (merge) {
    case Merge::kKeyOrder:
      return "values in the order of the keys";
    case Merge::kSum:
      return "the sum";
    case Merge::kMin:
      return "the smallest number";
    case Merge::kMax:
      return "the largest number";
    case Merge::kAllSucceeded:
      return "an error if one failed";
    case Merge::kOneSucceeded:
      return "an error only if all failed";
    case Merge::kAnd:
      return "true where all say so";
    case Merge::kOr:
      return "true where one says so";
    case Merge::kConcat:
      return "all elements";
    case Merge::kSpecial:
      return "merged by its own rule";
  }
  return "";
}

// What a client reads that calls it, without the dash and the line's end.
std::string RefusalText(const Command& command, const char* why) {
  const std::string reply = errors::Refused(command.full_name, why);
  return reply.substr(1, reply.size() - 3);
}

std::string ForwardText(const Command& command) {
  if (!HasKeys(*command.row)) return "by any shard";
  if (command.single_key != 0) return "by the shard of its key";
  return command.row->plan.over_shards != nullptr
             ? "by the shard of its keys; over several shards by the proxy, in steps"
             : "by the shard of its keys; over several shards by one of them, beside copies";
}

std::string HowServed(const Command& command) {
  const Row& row = *command.row;
  switch (row.plan.kind) {
    case PlanKind::kForward:
      return ForwardText(command);
    case PlanKind::kScatter:
      return std::string("cut by shard; ") + MergeText(row.plan.merge);
    case PlanKind::kEveryShard:
      return std::string("by every shard; ") + MergeText(row.plan.merge);
    case PlanKind::kLocal:
      return "by the proxy";
    case PlanKind::kRecipe:
      return "by the proxy, in steps";
    case PlanKind::kStart:
      return "by the proxy with the shards";
    case PlanKind::kRefuse:
      return "refused: `" + RefusalText(command, row.plan.why) + "`";
  }
  return "";
}

std::string NameOf(const Command& command) {
  std::string name = Uppercase(command.full_name);
  for (char& c : name) c = c == '|' ? ' ' : c;
  return name;
}

void AppendCommand(const Command& command, std::string& out) {
  const Row& row = *command.row;
  // Most containers do nothing themselves.
  if (command.subcommands.empty() || row.flags != 0) {
    out += "| `" + NameOf(command) + "` | " + HowServed(command);
    if (row.except.recipe != nullptr && row.except.applies != nullptr) {
      out += "; some calls by the proxy, in steps";
    } else if (row.except.applies != nullptr) {
      out += "; some calls are refused: `" + RefusalText(command, row.except.why) + "`";
    }
    out += " |\n";
  }
  for (const Command* subcommand : command.subcommands) AppendCommand(*subcommand, out);
}

const char* OwnerText(ConfigOwner owner) {
  switch (owner) {
    case ConfigOwner::kShards:
      return "the same on every shard, as is every name that is not in this table";
    case ConfigOwner::kShares:
      return "of all shards together: each has a share by weight, and GET shows the sum";
    case ConfigOwner::kBoth:
      return "the proxy's, and the same on every shard";
    case ConfigOwner::kProxy:
      return "the proxy's own, until it starts again or a reload brings another";
    case ConfigOwner::kFixed:
      return "the proxy's own, shown; its configuration says it and SET does not change it";
    case ConfigOwner::kLinks:
      return "the shards'; refused, because the proxy's connections depend on it";
    case ConfigOwner::kOneServer:
      return "each shard's own; refused, and GET shows the first shard's";
    case ConfigOwner::kSecret:
      return "each shard's own; refused, and not shown";
  }
  return "";
}

void AppendConfigNames(std::string& out) {
  out += "## Parameters of CONFIG\n\n| whose | parameters |\n|---|---|\n";
  for (const ConfigOwner owner :
       {ConfigOwner::kProxy, ConfigOwner::kFixed, ConfigOwner::kBoth, ConfigOwner::kShares,
        ConfigOwner::kLinks, ConfigOwner::kOneServer, ConfigOwner::kSecret, ConfigOwner::kShards}) {
    out += std::string("| ") + OwnerText(owner) + " |";
    for (const ConfigName& name : ConfigNames()) {
      if (name.owner == owner) out += std::string(" `") + name.name + "`";
    }
    out += " |\n";
  }
  out += "\n`requirepass` is the default user's password here; no shard hears of it.\n\n";
}

}  // namespace

std::string CompatibilityTable(const CommandTable& table) {
  std::string out = kIntroduction;
  for (const Family& family : AllCommands().families) {
    out += std::string("\n## ") + family.title + "\n\n| command | served |\n|---|---|\n";
    for (const Row& row : family.rows) AppendCommand(*table.FindByName(row.name), out);
  }
  out += kDifferences;
  AppendConfigNames(out);
  return out + kRest;
}

}  // namespace ringmaster
