#include "server/users.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ringmaster {
namespace {

struct Rule {
  const char* key;
  std::string text;
};

std::vector<Rule> RulesOf(const UserConfig& config) {
  std::vector<Rule> rules = {{"name", "on"}};
  if (config.nopass) rules.push_back({"nopass", "nopass"});
  for (const std::string& password : config.passwords) {
    rules.push_back({"password", ">" + password});
  }
  for (const std::string& digest : config.password_sha256) {
    rules.push_back({"password_sha256", "#" + digest});
  }
  for (const std::string& pattern : config.keys) {
    rules.push_back({"keys", pattern.starts_with('%') ? pattern : "~" + pattern});
  }
  for (const std::string& pattern : config.channels) rules.push_back({"channels", "&" + pattern});
  for (size_t start = 0; start < config.commands.size();) {
    const size_t end = std::min(config.commands.find(' ', start), config.commands.size());
    if (end > start) rules.push_back({"commands", config.commands.substr(start, end - start)});
    start = end + 1;
  }
  return rules;
}

}  // namespace

Result<std::shared_ptr<const AclUser>> MakeUser(const CommandTable& table, const UserConfig& config,
                                                std::string& key) {
  auto user = std::make_shared<AclUser>(config.name, table);
  for (const Rule& rule : RulesOf(config)) {
    // No shard is connected yet: a command that the rows do not know may be one of theirs.
    const std::string wrong = user->Apply(table, rule.text, {.unknown = true});
    if (wrong.empty()) continue;
    key = rule.key;
    // A rule that begins with > is a password.
    return Error{ErrorCode::kInvalid,
                 fmt::format("'{}': {}", rule.text[0] == '>' ? ">..." : rule.text, wrong)};
  }
  user->scripts_unchecked = config.scripts == UserScripts::kUnchecked;
  return std::shared_ptr<const AclUser>(std::move(user));
}

std::vector<std::string> UnknownCommandsOf(const CommandTable& table, const UserConfig& config) {
  std::vector<std::string> unknown;
  for (const Rule& rule : RulesOf(config)) {
    const Bytes text = rule.text;
    if (rule.key != Bytes("commands") || (text[0] != '+' && text[0] != '-') || text[1] == '@') {
      continue;
    }
    if (table.FindByName(text.substr(1, text.find('|') - 1)) == nullptr)
      unknown.push_back(rule.text);
  }
  return unknown;
}

void AddDefaultUser(const CommandTable& table, std::vector<std::shared_ptr<const AclUser>>& users) {
  const bool there = std::any_of(users.begin(), users.end(),
                                 [](const auto& user) { return user->name == "default"; });
  if (!users.empty() && !there) users.push_back(std::make_shared<AclUser>("default", table));
}

}  // namespace ringmaster
