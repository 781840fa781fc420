#include "server/users.h"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

Result<std::vector<std::shared_ptr<const AclUser>>> MakeUsers(const CommandTable& table,
                                                              const PoolConfig& pool) {
  std::vector<std::shared_ptr<const AclUser>> users;
  bool has_default = false;
  for (const UserConfig& config : pool.users) {
    auto user = std::make_shared<AclUser>(config.name, table);
    for (const std::string& rule : RulesOf(config)) {
      const std::string wrong = user->Apply(table, rule);
      if (wrong.empty()) continue;
      // A rule that begins with > is a password.
      return Error{ErrorCode::kInvalid,
                   fmt::format("pool '{}', user '{}', '{}': {}", pool.name, config.name,
                               rule[0] == '>' ? ">..." : rule, wrong)};
    }
    has_default = has_default || config.name == "default";
    users.push_back(std::move(user));
  }
  if (!users.empty() && !has_default) users.push_back(std::make_shared<AclUser>("default", table));
  return users;
}

}  // namespace ringmaster
