// Users and what they may do, in the words of Redis's ACL. A user is immutable: a change makes a
// new one, and clients that are logged in get it from the recipe that changed it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "command/table/table.h"

namespace ringmaster {

class ModuleCommands;

// Why a call is denied.
struct Denial {
  enum class Reason : uint8_t { kNone, kCommand, kKey, kChannel, kAuth, kSortBy, kSortGet };
  Reason reason = Reason::kNone;
  size_t position = 0;              // of the argument; kCommand: 0
  const Command* needed = nullptr;  // kCommand: what the user would have to be allowed
  explicit operator bool() const { return reason != Reason::kNone; }
};

// The keys of a call and what it does to each, as in KeySpec::access, where a shard had to say it.
using SaidKeys = std::vector<std::pair<std::string, std::string>>;

// What names rules may use besides those of the table.
struct RuleNames {
  const ModuleCommands* learned = nullptr;
  // Names, too, that nobody knows yet: they hold from when a shard knows them.
  bool unknown = false;
};

// A set of permissions: a call is allowed when its command, all of its keys and all of its channels
// are (Redis: a selector).
class Grants {
 public:
  // Nothing is allowed.
  explicit Grants(const CommandTable& table) : table_(&table), commands_(table.size()) {}

  // One rule, as behind ACL SETUSER. Returns what is wrong with it; empty: nothing.
  std::string Apply(Bytes rule, const RuleNames& names = {});

  // `said`: the keys, where only a shard can tell them.
  Denial Check(const Command& command, std::span<const Bytes> args,
               const SaidKeys* said = nullptr) const;
  // Every key may be read.
  bool reads_everything() const;
  // Whether a channel may be listened to; a pattern has to be allowed literally.
  bool MayUse(Bytes channel, bool is_pattern) const;
  // Nothing at all is denied.
  bool everything() const { return all_commands_ && all_keys_ && all_channels_; }
  // "~*", which is more than a pattern of one star: that matches no key without a name.
  bool all_keys() const { return all_keys_; }

  // As ACL GETUSER shows them.
  std::string DescribeCommands() const;
  std::string DescribeKeys() const;
  std::string DescribeChannels() const;
  std::string Describe() const;  // all of it, as ACL LIST

 private:
  struct KeyRule {
    std::string pattern;
    bool read = true;
    bool write = true;
  };

  std::string AllowKeys(Bytes rule);
  std::string AllowChannels(Bytes pattern);
  std::string AllowFirstArgument(Bytes name, Bytes argument);
  void SetAll(bool allowed);
  void Set(const Command& command, bool allowed);
  std::string SetCategory(Bytes category, bool allowed);
  std::string SetCommand(Bytes name, bool allowed, const RuleNames& names);
  std::string SetLearned(Bytes name, bool allowed, const RuleNames& names);
  void Remember(char sign, const std::string& name);
  bool MayRun(const Command& command, std::span<const Bytes> args) const;
  bool MayRunLearned(const Command& command, std::span<const Bytes> args) const;
  Denial CheckKeys(const Command& command, std::span<const Bytes> args) const;
  Denial CheckSaid(const SaidKeys& said, std::span<const Bytes> args) const;
  bool MayTouch(Bytes key, Bytes access) const;

  const CommandTable* table_;
  bool all_commands_ = false;  // also those that a module adds later
  bool from_all_ = false;      // what the rules start from
  bool all_keys_ = false;
  bool all_channels_ = false;
  std::vector<bool> commands_;                                // by Command::id
  std::map<uint32_t, std::vector<std::string>> first_words_;  // of commands that are denied else
  std::vector<std::string> rules_;  // behind the first, +@all or -@all; learned ones ask them
  std::vector<KeyRule> keys_;
  std::vector<std::string> channels_;
};

struct AclUser {
  AclUser(std::string user_name, const CommandTable& table)
      : name(std::move(user_name)), root(table) {}

  // One rule of ACL SETUSER. Returns what is wrong with it, in Redis's words; empty: nothing.
  std::string Apply(const CommandTable& table, Bytes rule, const RuleNames& names = {});
  bool Accepts(Bytes password) const;
  Denial Check(const Command& command, std::span<const Bytes> args,
               const SaidKeys* said = nullptr) const;
  // What is denied only when the call runs, not when it is queued: SORT's patterns, which may name
  // any key. As Redis, only where SORT gets to look at them.
  Denial CheckRun(const Command& command, std::span<const Bytes> args) const;
  // A script of somebody else may do more at its shard than its user
  // (command/script/script_rights.h).
  bool MayRunScripts() const { return may_everything() || scripts_unchecked; }
  // As the sets of permissions allow it together.
  bool MayUse(Bytes channel, bool is_pattern) const;
  bool may_everything() const { return root.everything(); }
  std::string Describe() const;  // as a line of ACL LIST without "user" and the name

  std::string name;
  bool enabled = false;
  bool any_password = false;
  std::string payload;                 // sanitize-payload or skip-sanitize-payload; only shown
  std::vector<std::string> passwords;  // SHA-256
  bool scripts_unchecked = false;      // the configuration lets scripts do what the user may not
  Grants root;
  std::vector<Grants> selectors;
};

// The default user as Redis starts with: no password, everything allowed.
std::shared_ptr<const AclUser> MakeDefaultUser(const CommandTable& table);

// Rules that contain spaces only between parentheses, joined: "(+get", "~a)" becomes one rule.
// Empty with `error` set when a parenthesis is not closed.
std::vector<std::string> JoinSelectors(std::span<const Bytes> rules, std::string& error);

// Bytes of an argument that ACL LOG keeps.
inline constexpr size_t kLoggedArgument = 256;
// What EXEC answers for a command that was queued while it was allowed.
std::string LateDenialReply(const Denial& denial);
// The reply to a script that is refused because its user may not do everything, and `why` there is
// no other way: with the one to allow it.
std::string ScriptRefusal(const AclUser& user, const std::string& why);
// The reply to a call that is denied.
std::string DenialReply(const Denial& denial, const Command& command);

}  // namespace ringmaster
