#include "server/users.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace ringmaster {
namespace {

std::vector<std::string> RulesOf(const UserConfig& config) {
  std::vector<std::string> rules = {"on"};
  if (config.nopass) rules.emplace_back("nopass");
  for (const std::string& password : config.passwords) rules.push_back(">" + password);
  for (const std::string& digest : config.password_sha256) rules.push_back("#" + digest);
  for (const std::string& pattern : config.keys) {
    rules.push_back(pattern.starts_with('%') ? pattern : "~" + pattern);
  }
  for (const std::string& pattern : config.channels) rules.push_back("&" + pattern);
  for (size_t start = 0; start < config.commands.size();) {
    const size_t end = std::min(config.commands.find(' ', start), config.commands.size());
    if (end > start) rules.push_back(config.commands.substr(start, end - start));
    start = end + 1;
  }
  return rules;
}

// A word that is spelt wrong forbids nothing.
void WarnOfUnknown(const CommandTable& table, const PoolConfig& pool, const UserConfig& config,
                   Bytes rule) {
  if ((rule[0] != '+' && rule[0] != '-') || rule[1] == '@') return;
  if (table.FindByName(rule.substr(1, rule.find('|') - 1)) != nullptr) return;
  LogWarning("pool '{}', user '{}': '{}' names no command of Redis 7.0; it holds if a shard has it",
             pool.name, config.name, rule);
}

}  // namespace

Result<std::vector<std::shared_ptr<const AclUser>>> MakeUsers(const CommandTable& table,
                                                              const PoolConfig& pool) {
  std::vector<std::shared_ptr<const AclUser>> users;
  bool has_default = false;
  for (const UserConfig& config : pool.users) {
    auto user = std::make_shared<AclUser>(config.name, table);
    for (const std::string& rule : RulesOf(config)) {
      // No shard is connected yet: a command that the rows do not know may be one of theirs.
      const std::string wrong = user->Apply(table, rule, {.unknown = true});
      if (wrong.empty()) {
        WarnOfUnknown(table, pool, config, rule);
        continue;
      }
      // A rule that begins with > is a password.
      return Error{ErrorCode::kInvalid,
                   fmt::format("pool '{}', user '{}', '{}': {}", pool.name, config.name,
                               rule[0] == '>' ? ">..." : rule, wrong)};
    }
    user->scripts_unchecked = config.scripts == UserScripts::kUnchecked;
    has_default = has_default || config.name == "default";
    users.push_back(std::move(user));
  }
  if (!users.empty() && !has_default) users.push_back(std::make_shared<AclUser>("default", table));
  return users;
}

}  // namespace ringmaster
