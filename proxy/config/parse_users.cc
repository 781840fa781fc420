#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/parse.h"

namespace ringmaster {
namespace {

constexpr size_t kMaxUsers = 10'000;

// The categories of Redis 7.0's ACL CAT.
constexpr Bytes kCategories[] = {
    "all",    "keyspace", "read",        "write",      "set",         "sortedset", "list",  "hash",
    "string", "bitmap",   "hyperloglog", "geo",        "stream",      "pubsub",    "admin", "fast",
    "slow",   "blocking", "dangerous",   "connection", "transaction", "scripting"};

// In the order of UserScripts.
constexpr Bytes kUserScripts[] = {"checked", "unchecked"};

bool IsCommandName(Bytes name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (ToLower(c) >= 'a' && ToLower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '|';
  });
}

// What is wrong with one word of `commands`, or nothing.
std::string WrongWithRule(Bytes rule) {
  if (rule == "allcommands" || rule == "nocommands") return "";
  if (rule.size() < 2 || (rule[0] != '+' && rule[0] != '-')) {
    return fmt::format("'{}' has neither + nor - in front", Printable(rule, 64));
  }
  const Bytes name = rule.substr(1);
  if (name[0] != '@') {
    if (IsCommandName(name)) return "";
    return fmt::format("'{}' is no command", Printable(name, 64));
  }
  const std::string category = Lowercase(name.substr(1));
  if (std::find(std::begin(kCategories), std::end(kCategories), category) !=
      std::end(kCategories)) {
    return "";
  }
  const Bytes closest = ClosestName(category, kCategories);
  return fmt::format("'{}' is no category of commands{}", Printable(name, 64),
                     closest.empty() ? "" : fmt::format(": did you mean '@{}'?", closest));
}

void ReadCommands(Section& section, std::string& out) {
  const YamlValue* value = section.FindText("commands");
  if (value == nullptr) return;
  section.Read("commands", out, 65536);
  for (size_t start = 0; start < out.size();) {
    const size_t end = std::min(out.find(' ', start), out.size());
    if (end > start) {
      const std::string wrong = WrongWithRule(Bytes(out).substr(start, end - start));
      if (!wrong.empty()) section.Complain(*value, "commands", wrong);
    }
    start = end + 1;
  }
}

// Patterns of keys or channels. `mark` is what an ACL line of Redis has in front of them.
void ReadPatterns(Section& section, Bytes key, char mark, std::vector<std::string>& out) {
  const YamlValue* value = section.Find(key);
  if (value == nullptr) return;
  out.clear();
  for (const YamlValue* text : section.FindTexts(key)) {
    const Bytes pattern = text->text;
    if (pattern[0] == mark) {
      section.Complain(*text, key,
                       fmt::format("write '{}' without the {} in front",
                                   Printable(pattern.substr(1), 64), mark));
      continue;
    }
    if (mark == '~' && pattern[0] == '%') {
      const Bytes may = pattern.substr(1, pattern.find('~') - 1);
      if (pattern.find('~') == Bytes::npos || (may != "R" && may != "W" && may != "RW")) {
        section.Complain(*text, key, "behind % stand R, W or RW and then ~, as in %R~pattern");
        continue;
      }
    }
    out.emplace_back(pattern);
  }
}

void ReadPasswords(Section& section, UserConfig& user) {
  for (const Bytes key : {Bytes("password"), Bytes("passwords")}) {
    for (const YamlValue* text : section.FindTexts(key)) user.passwords.push_back(text->text);
  }
  for (const YamlValue* text : section.FindTexts("password_sha256")) {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    const std::string digest = Lowercase(text->text);
    if (digest.size() != 64 || !std::all_of(digest.begin(), digest.end(), is_hex)) {
      section.Complain(*text, "password_sha256", "a SHA-256 has 64 hexadecimal digits");
      continue;
    }
    user.password_sha256.push_back(digest);
  }
}

UserConfig ParseUser(const YamlValue& value, const std::string& path,
                     std::map<std::string, int>& names, Problems& problems) {
  UserConfig user;
  Section section(&value, path, problems);
  if (const YamlValue* name = section.FindText("name")) {
    section.Read("name", user.name);
    CheckName(user.name, name->at, section.PathOf("name"), problems);
    const auto [first, fresh] = names.emplace(user.name, name->at.line);
    if (!fresh) {
      section.Complain(*name, "name",
                       fmt::format("the user on line {} is called '{}' already", first->second,
                                   Printable(user.name, 64)));
    }
  } else if (section.readable()) {
    section.Complain("the user's name is missing: add name");
  }
  bool told_password = false;
  for (const Bytes key : {Bytes("password"), Bytes("passwords"), Bytes("password_sha256")}) {
    const YamlValue* told = section.Find(key);
    const bool is_empty_list =
        told != nullptr && told->kind == YamlValue::Kind::kList && told->values.empty();
    told_password = told_password || (told != nullptr && !is_empty_list);
  }
  ReadPasswords(section, user);
  section.Read("nopass", user.nopass);
  if (user.nopass && told_password) {
    section.Complain("nopass and a password contradict each other: keep one of them");
  } else if (!user.nopass && !told_password && section.readable()) {
    section.Complain("nobody could log in: add password, password_sha256 or nopass: true");
  }
  ReadCommands(section, user.commands);
  ReadPatterns(section, "keys", '~', user.keys);
  ReadPatterns(section, "channels", '&', user.channels);
  section.ReadEnum("scripts", kUserScripts, user.scripts);
  return user;
}

}  // namespace

std::vector<UserConfig> ParseUsers(Section& pool) {
  std::vector<UserConfig> users;
  const YamlValue* value = pool.Find("users");
  if (value == nullptr) return users;
  const std::string path = pool.PathOf("users");
  std::map<std::string, int> names;
  const auto elements = ListElements(*value, kMaxUsers, path, pool.problems());
  for (size_t i = 0; i < elements.size(); ++i) {
    users.push_back(ParseUser(elements[i], fmt::format("{}[{}]", path, i), names, pool.problems()));
  }
  return users;
}

}  // namespace ringmaster
