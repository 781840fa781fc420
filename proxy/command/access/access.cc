#include "command/access/access.h"

#include <algorithm>
#include <cstring>

#include "base/sha.h"
#include "command/table/categories.h"
#include "command/table/keys.h"
#include "command/table/learned_rows.h"

namespace ringmaster {
namespace {

constexpr char kUnknown[] = "Unknown command or category name in ACL";
constexpr char kWrongSyntax[] = "Syntax error";
constexpr size_t kLongestRule = 128;

bool HasSpaces(Bytes text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; });
}

bool HasWord(Bytes words, Bytes word) {
  for (size_t at = words.find(word); at != Bytes::npos; at = words.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || words[at - 1] == ' ') && (end == words.size() || words[end] == ' ')) {
      return true;
    }
  }
  return false;
}

// A call of a subcommand may need the right to another one (Row::needs).
const Command& NeededFor(const Command& command, std::span<const Bytes> args) {
  const char* name = command.row->needs == nullptr ? nullptr : command.row->needs(args);
  if (name == nullptr) return command;
  for (const Command* other : command.parent->subcommands) {
    if (other->row->name == Bytes(name)) return *other;
  }
  return command;
}

// Where a command's arguments name channels.
struct ChannelArguments {
  size_t begin = 0;  // 0: nowhere
  size_t end = 0;
  bool patterns = false;
};
ChannelArguments ChannelsOf(const Command& command, size_t args) {
  if (!command.Is(kPubSub) || !command.Is(kChannels)) return {};
  return {1, command.row->arity > 0 ? size_t{2} : args, command.Is(kChannelPatterns)};
}

// The first GET, or BY with a star, that SORT comes to. What it does not understand before is its
// own error: then it reads nothing.
Denial FirstSortPattern(std::span<const Bytes> args, bool stores) {
  for (size_t i = 2; i < args.size(); ++i) {
    const auto is = [&](Bytes word, size_t values) {
      return EqualsIgnoreCase(args[i], word) && args.size() - i - 1 >= values;
    };
    if (is("asc", 0) || is("desc", 0) || is("alpha", 0)) continue;
    if (is("limit", 2)) {
      if (!ParseInteger(args[i + 1]) || !ParseInteger(args[i + 2])) return {};
      i += 2;
    } else if (stores && is("store", 1)) {
      ++i;
    } else if (is("by", 1)) {
      if (args[i + 1].find('*') != Bytes::npos) return {Denial::Reason::kSortBy, i + 1};
      ++i;
    } else if (is("get", 1)) {
      return {Denial::Reason::kSortGet, i + 1};
    } else {
      return {};
    }
  }
  return {};
}

}  // namespace

std::string Grants::Apply(Bytes rule, const RuleNames& names) {
  const auto is = [rule](Bytes a, Bytes b) {
    return EqualsIgnoreCase(rule, a) || EqualsIgnoreCase(rule, b);
  };
  if (is("allkeys", "~*") || EqualsIgnoreCase(rule, "resetkeys")) {
    all_keys_ = !EqualsIgnoreCase(rule, "resetkeys");
    keys_.clear();
  } else if (is("allchannels", "&*") || EqualsIgnoreCase(rule, "resetchannels")) {
    all_channels_ = !EqualsIgnoreCase(rule, "resetchannels");
    channels_.clear();
  } else if (is("allcommands", "+@all") || is("nocommands", "-@all")) {
    SetAll(is("allcommands", "+@all"));
  } else if (rule[0] == '~' || rule[0] == '%') {
    return AllowKeys(rule);
  } else if (rule[0] == '&') {
    return AllowChannels(rule.substr(1));
  } else if ((rule[0] == '+' || rule[0] == '-') && rule.size() > 1) {
    const bool allowed = rule[0] == '+';
    return rule[1] == '@' ? SetCategory(rule.substr(2), allowed)
                          : SetCommand(rule.substr(1), allowed, names);
  } else {
    return kWrongSyntax;
  }
  return "";
}

std::string Grants::AllowKeys(Bytes rule) {
  if (all_keys_) {
    return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not "
           "have any effect. Try 'resetkeys' to start with an empty list of patterns";
  }
  KeyRule added;
  size_t at = 1;
  if (rule[0] == '%') {
    added.read = added.write = false;
    for (; at < rule.size() && rule[at] != '~'; ++at) {
      bool& flag = ToUpper(rule[at]) == 'R' ? added.read : added.write;
      if ((ToUpper(rule[at]) != 'R' && ToUpper(rule[at]) != 'W') || flag) return kWrongSyntax;
      flag = true;
    }
    ++at;
    if (!added.read && !added.write) return kWrongSyntax;
  }
  added.pattern = at <= rule.size() ? rule.substr(at) : Bytes();
  if (HasSpaces(added.pattern)) return kWrongSyntax;
  for (KeyRule& known : keys_) {
    if (known.pattern != added.pattern) continue;
    known.read = known.read || added.read;
    known.write = known.write || added.write;
    return "";
  }
  keys_.push_back(std::move(added));
  return "";
}

std::string Grants::AllowChannels(Bytes pattern) {
  if (all_channels_) {
    return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does "
           "not have any effect. Try 'resetchannels' to start with an empty list of channels";
  }
  if (HasSpaces(pattern)) return kWrongSyntax;
  if (std::find(channels_.begin(), channels_.end(), pattern) == channels_.end()) {
    channels_.emplace_back(pattern);
  }
  return "";
}

void Grants::SetAll(bool allowed) {
  all_commands_ = from_all_ = allowed;
  std::fill(commands_.begin(), commands_.end(), allowed);
  first_words_.clear();
  rules_.clear();
}

// A container stands for its subcommands as well.
void Grants::Set(const Command& command, bool allowed) {
  commands_[command.id] = allowed;
  first_words_.erase(command.id);
  if (!allowed) all_commands_ = false;
  for (const Command* subcommand : command.subcommands) Set(*subcommand, allowed);
}

// What was said of the same name before is void.
void Grants::Remember(char sign, const std::string& name) {
  std::erase_if(rules_, [&name](const std::string& rule) {
    const Bytes known = Bytes(rule).substr(1);
    return known == name || (known.starts_with(name) && known[name.size()] == '|');
  });
  rules_.push_back(sign + name);
}

std::string Grants::SetCategory(Bytes category, bool allowed) {
  const uint32_t bit = CategoryBit(category);
  if (bit == 0) return kUnknown;
  for (const auto& command : table_->all()) {
    if ((command->categories & bit) != 0) Set(*command, allowed);
  }
  if (!allowed) all_commands_ = false;
  Remember(allowed ? '+' : '-', "@" + Lowercase(category));
  return "";
}

std::string Grants::SetCommand(Bytes name, bool allowed, const RuleNames& names) {
  if (const Command* command = table_->FindByName(name)) {
    Set(*command, allowed);
    Remember(allowed ? '+' : '-', command->full_name);
    return "";
  }
  if (table_->FindByName(name.substr(0, name.find('|'))) == nullptr) {
    return SetLearned(name, allowed, names);
  }
  const size_t bar = name.rfind('|');
  if (!allowed || bar == Bytes::npos) return kUnknown;
  return AllowFirstArgument(name.substr(0, bar), name.substr(bar + 1));
}

// Of a command that only shards know: what it means is found out when the command is called.
std::string Grants::SetLearned(Bytes name, bool allowed, const RuleNames& names) {
  const size_t bar = name.find('|');
  const Bytes top = name.substr(0, bar);
  const auto* command = names.learned == nullptr ? nullptr : names.learned->Known(top);
  const bool nameable = !top.empty() && !HasSpaces(name) && name.size() <= kLongestRule;
  if (command == nullptr && !(names.unknown && nameable)) return kUnknown;
  if (bar != Bytes::npos) {
    const Bytes word = name.substr(bar + 1);
    if (!allowed && (word.empty() || word.find('|') != Bytes::npos)) return kUnknown;
    if (word.find('|') != Bytes::npos) {
      return "Allowing first-arg of a subcommand is not supported";
    }
    if (word.empty()) return kWrongSyntax;
    const bool container = command != nullptr && !command->judged().subcommands.empty();
    if (container && names.learned->Known(name) == nullptr) return kUnknown;
    if (command != nullptr && !container && !allowed) return kUnknown;
  }
  if (!allowed) all_commands_ = false;
  Remember(allowed ? '+' : '-', Lowercase(name));
  return "";
}

std::string Grants::AllowFirstArgument(Bytes name, Bytes argument) {
  const Command* command = table_->FindByName(name);
  if (command == nullptr) return kUnknown;
  if (command->parent != nullptr) return "Allowing first-arg of a subcommand is not supported";
  if (argument.empty()) return kWrongSyntax;
  if (!command->subcommands.empty()) return kUnknown;
  std::vector<std::string>& words = first_words_[command->id];
  const bool known = std::any_of(words.begin(), words.end(), [argument](const std::string& word) {
    return EqualsIgnoreCase(word, argument);
  });
  if (!known) {
    words.emplace_back(argument);
    rules_.push_back("+" + command->full_name + "|" + words.back());
  }
  return "";
}

// Goes through the rules as they were given: the last that is about the command decides.
bool Grants::MayRunLearned(const Command& command, std::span<const Bytes> args) const {
  const Command* parent = command.parent;
  const uint32_t categories =
      command.categories | (parent != nullptr ? parent->categories : uint32_t{0});
  bool allowed = from_all_;
  bool by_word = false;
  for (const std::string& rule : rules_) {
    const bool allows = rule[0] == '+';
    const Bytes about = Bytes(rule).substr(1);
    const size_t bar = about.find('|');
    const bool category = about[0] == '@' && (categories & CategoryBit(about.substr(1))) != 0;
    if (category || about == command.full_name ||
        (parent != nullptr && about == parent->full_name)) {
      allowed = allows;
      by_word = false;
    } else if (allows && bar != Bytes::npos && command.subcommands.empty() && parent == nullptr &&
               about.substr(0, bar) == command.full_name && args.size() > 1) {
      by_word = by_word || EqualsIgnoreCase(args[1], about.substr(bar + 1));
    }
  }
  return allowed || by_word;
}

bool Grants::MayRun(const Command& command, std::span<const Bytes> args) const {
  if (command.learned) return all_commands_ || command.Is(kNoAuth) || MayRunLearned(command, args);
  if (all_commands_ || command.Is(kNoAuth) || commands_[command.id]) return true;
  const auto words = first_words_.find(command.id);
  if (words == first_words_.end() || args.size() < 2) return false;
  return std::any_of(words->second.begin(), words->second.end(),
                     [&](const std::string& word) { return EqualsIgnoreCase(args[1], word); });
}

// `access` is KeySpec's: reads have "access" in it, writes one of the other three.
bool Grants::MayTouch(Bytes key, Bytes access) const {
  const bool reads = HasWord(access, "access");
  const bool writes =
      HasWord(access, "update") || HasWord(access, "insert") || HasWord(access, "delete");
  return std::any_of(keys_.begin(), keys_.end(), [&](const KeyRule& rule) {
    return (!reads || rule.read) && (!writes || rule.write) && GlobMatch(rule.pattern, key);
  });
}

bool Grants::MayUse(Bytes channel, bool is_pattern) const {
  if (all_channels_) return true;
  return std::any_of(channels_.begin(), channels_.end(), [&](const std::string& allowed) {
    return is_pattern ? allowed == channel : GlobMatch(allowed, channel);
  });
}

bool Grants::reads_everything() const {
  return all_keys_ || std::any_of(keys_.begin(), keys_.end(), [](const KeyRule& rule) {
           return rule.read && rule.pattern == "*";
         });
}

Denial Grants::CheckKeys(const Command& command, std::span<const Bytes> args) const {
  const Row& row = *command.row;
  std::vector<uint32_t> positions;
  std::vector<const char*> access;
  FoundKeys found{positions, &access};
  ListKeys(row, args, found);
  // Redis 7.0 takes some options for others' values (a second STORE, a group named STREAMS); what
  // the command really uses has to be allowed as well.
  const size_t listed = positions.size();
  if (row.finder != nullptr) FindKeys(row, args, found);
  for (size_t i = 0; i < positions.size(); ++i) {
    const char* how = i >= listed && *access[i] == '\0' ? "RO access" : access[i];
    // What is done to the key only a shard could tell.
    if (command.keys_said_by_shard) how = "";
    if (!MayTouch(args[positions[i]], how)) return {Denial::Reason::kKey, positions[i]};
  }
  return {};
}

Denial Grants::CheckSaid(const SaidKeys& said, std::span<const Bytes> args) const {
  for (const auto& [key, access] : said) {
    if (MayTouch(key, access)) continue;
    const auto at = std::find(args.begin() + 1, args.end(), Bytes(key));
    return {Denial::Reason::kKey,
            at == args.end() ? size_t{0} : static_cast<size_t>(at - args.begin())};
  }
  return {};
}

Denial Grants::Check(const Command& called, std::span<const Bytes> args,
                     const SaidKeys* said) const {
  const Command& command = NeededFor(called.judged(), args);
  if (!MayRun(command, args)) return {Denial::Reason::kCommand, 0, &command};
  if (!all_keys_ && (said != nullptr || HasKeys(*command.row))) {
    const Denial denial = said != nullptr ? CheckSaid(*said, args) : CheckKeys(command, args);
    if (denial) return denial;
  }
  if (!all_channels_) {
    const ChannelArguments channels = ChannelsOf(command, args.size());
    for (size_t i = channels.begin; i < channels.end; ++i) {
      if (!MayUse(args[i], channels.patterns)) return {Denial::Reason::kChannel, i};
    }
  }
  return {};
}

std::string Grants::DescribeCommands() const {
  std::string text = from_all_ ? "+@all" : "-@all";
  for (const std::string& rule : rules_) text += " " + rule;
  return text;
}

std::string Grants::DescribeKeys() const {
  if (all_keys_) return "~*";
  std::string text;
  for (const KeyRule& rule : keys_) {
    if (!text.empty()) text += " ";
    if (rule.read && rule.write) {
      text += "~";
    } else {
      text += rule.read ? "%R~" : "%W~";
    }
    text += rule.pattern;
  }
  return text;
}

std::string Grants::DescribeChannels() const {
  if (all_channels_) return "&*";
  std::string text;
  for (const std::string& pattern : channels_) text += (text.empty() ? "&" : " &") + pattern;
  return text;
}

std::string Grants::Describe() const {
  std::string text = DescribeKeys();
  if (!text.empty()) text += " ";
  if (!all_channels_) text += "resetchannels ";
  const std::string channels = DescribeChannels();
  if (!channels.empty()) text += channels + " ";
  return text + DescribeCommands();
}

std::string AclUser::Apply(const CommandTable& table, Bytes rule, const RuleNames& names) {
  const auto is = [rule](Bytes word) { return EqualsIgnoreCase(rule, word); };
  if (rule.empty()) return "";
  if (is("on") || is("off")) {
    enabled = is("on");
  } else if (is("sanitize-payload") || is("skip-sanitize-payload")) {
    payload = Lowercase(rule);
  } else if (is("nopass") || is("resetpass")) {
    any_password = is("nopass");
    passwords.clear();
  } else if (rule[0] == '>' || rule[0] == '#' || rule[0] == '<' || rule[0] == '!') {
    const bool hashed = rule[0] == '#' || rule[0] == '!';
    if (hashed && !IsSha256Hex(rule.substr(1))) {
      return "The password hash must be exactly 64 characters and contain only lowercase "
             "hexadecimal characters";
    }
    const std::string digest = hashed ? std::string(rule.substr(1)) : Sha256Hex(rule.substr(1));
    const auto known = std::find(passwords.begin(), passwords.end(), digest);
    if (rule[0] == '>' || rule[0] == '#') {
      if (known == passwords.end()) passwords.push_back(digest);
      any_password = false;
    } else if (known == passwords.end()) {
      return "The password you are trying to remove from the user does not exist";
    } else {
      passwords.erase(known);
    }
  } else if (rule[0] == '(' && rule.back() == ')') {
    Grants added(table);
    Bytes rest = rule.substr(1, rule.size() - 2);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      std::string wrong = end == 0 ? "" : added.Apply(rest.substr(0, end), names);
      if (!wrong.empty()) return wrong;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    selectors.push_back(std::move(added));
  } else if (is("clearselectors")) {
    selectors.clear();
  } else if (is("reset")) {
    *this = AclUser(name, table);
  } else {
    return root.Apply(rule, names);
  }
  return "";
}

bool AclUser::Accepts(Bytes password) const {
  if (!enabled) return false;
  if (any_password) return true;
  const std::string digest = Sha256Hex(password);
  // Digests are compared: how long that takes tells nothing about a password.
  return std::find(passwords.begin(), passwords.end(), digest) != passwords.end();
}

// The reason of the set of permissions that got furthest, as Redis tells it.
Denial AclUser::Check(const Command& command, std::span<const Bytes> args,
                      const SaidKeys* said) const {
  Denial denial = root.Check(command, args, said);
  if (!denial) return denial;
  for (const Grants& grants : selectors) {
    const Denial other = grants.Check(command, args, said);
    if (!other) return other;
    if (other.reason > denial.reason ||
        (other.reason == denial.reason && other.position > denial.position)) {
      denial = other;
    }
  }
  return denial;
}

Denial AclUser::CheckRun(const Command& command, std::span<const Bytes> args) const {
  const KeyFinder finder = command.judged().row->finder;
  const Denial denial = finder == SortKeys || finder == SortRoKeys
                            ? FirstSortPattern(args, finder == SortKeys)
                            : Denial();
  if (!denial) return denial;
  const auto allows = [&](const Grants& grants) {
    return grants.reads_everything() && !grants.Check(command, args);
  };
  if (allows(root) || std::any_of(selectors.begin(), selectors.end(), allows)) return {};
  return denial;
}

bool AclUser::MayUse(Bytes channel, bool is_pattern) const {
  return root.MayUse(channel, is_pattern) ||
         std::any_of(selectors.begin(), selectors.end(),
                     [&](const Grants& grants) { return grants.MayUse(channel, is_pattern); });
}

std::string AclUser::Describe() const {
  std::string text = enabled ? "on" : "off";
  if (any_password) text += " nopass";
  if (!payload.empty()) text += " " + payload;
  for (const std::string& digest : passwords) text += " #" + digest;
  text += " " + root.Describe();
  for (const Grants& grants : selectors) text += " (" + grants.Describe() + ")";
  return text;
}

std::shared_ptr<const AclUser> MakeDefaultUser(const CommandTable& table) {
  auto user = std::make_shared<AclUser>("default", table);
  for (const Bytes rule : {"on", "nopass", "~*", "&*", "+@all"}) user->Apply(table, rule);
  return user;
}

std::vector<std::string> JoinSelectors(std::span<const Bytes> rules, std::string& error) {
  std::vector<std::string> joined;
  bool open = false;
  for (const Bytes rule : rules) {
    if (open) {
      joined.back().append(" ").append(rule);
    } else {
      joined.emplace_back(rule);
      open = rule.starts_with('(');
    }
    if (open && rule.ends_with(')')) open = false;
  }
  if (open) error = "Unmatched parenthesis in acl selector starting at '" + joined.back() + "'.";
  return joined;
}

std::string LateDenialReply(const Denial& denial) {
  const char* reason = "no permission";
  if (denial.reason == Denial::Reason::kCommand) {
    reason = "no permission to execute the command or subcommand";
  } else if (denial.reason == Denial::Reason::kKey) {
    reason = "no permission to touch the specified keys";
  } else if (denial.reason == Denial::Reason::kChannel) {
    reason = "no permission to access one of the channels used as arguments to the command";
  }
  return std::string(
             "-NOPERM ACLs rules changed between the moment the transaction was accumulated and "
             "the EXEC call. This command is no longer allowed for the following reason: ") +
         reason + "\r\n";
}

std::string ScriptRefusal(const AclUser& user, const std::string& why) {
  return "-NOPERM scripts of user '" + Printable(user.name, 64) +
         "' are refused here, for they would run with the proxy's own rights: " + why +
         ". 'scripts: unchecked' beside the user in the proxy's configuration allows them all the "
         "same\r\n";
}

std::string DenialReply(const Denial& denial, const Command& command) {
  switch (denial.reason) {
    case Denial::Reason::kCommand:
      return "-NOPERM this user has no permissions to run the '" +
             (denial.needed != nullptr ? denial.needed : &command)->full_name + "' command\r\n";
    case Denial::Reason::kKey:
      return "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
    case Denial::Reason::kSortBy:
      return "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n";
    case Denial::Reason::kSortGet:
      return "-ERR GET option of SORT denied due to insufficient ACL permissions.\r\n";
    default:
      return "-NOPERM this user has no permissions to access one of the channels used as "
             "arguments\r\n";
  }
}

}  // namespace ringmaster
