// The users of one pool and the log of what they were denied. One object for all workers; any
// thread. Users come from the configuration; ACL SETUSER and DELUSER change them until the next
// start or until a reload brings other users.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "command/access/access.h"
#include "command/call/client_state.h"

namespace ringmaster {

class ClientView;
class Proxy;

struct AclLogEntry {
  uint64_t count = 1;
  Denial::Reason reason = Denial::Reason::kCommand;
  const char* context = "toplevel";
  std::string object;
  std::string user;
  std::string client;  // as CLIENT INFO
  TimePoint at{};
};

class AccessControl {
 public:
  using UserPtr = std::shared_ptr<const AclUser>;

  // Has the default user only. `learned`: what shards know besides the table; nullptr: nothing.
  explicit AccessControl(const CommandTable& table, const ModuleCommands* learned = nullptr);
  AccessControl(const AccessControl&) = delete;
  AccessControl& operator=(const AccessControl&) = delete;

  const CommandTable& table() const { return table_; }
  UserPtr Find(Bytes name) const;  // empty: there is none
  std::vector<UserPtr> All() const;
  // ACL SETUSER: all rules or none. Returns what is wrong, in Redis's words; empty: done.
  std::string Set(Bytes name, std::span<const Bytes> rules);
  bool Delete(Bytes name);
  // CONFIG SET requirepass: the default user's only password; empty: it needs none.
  void SetDefaultPassword(Bytes password);
  // As it was set that way, while it is the default user's; else empty.
  std::string default_password() const;
  // Takes users over in the place of all others; without a default user there is Redis's.
  void Replace(std::vector<UserPtr> users);

  // Empty: no such user, not enabled, or another password.
  UserPtr Login(Bytes name, Bytes password) const;
  // What a client has before it says who it is.
  void Welcome(ClientState& client) const;

  // Of the users that the proxy makes at its shards (command/script/script_rights.h).
  const std::string& script_password() const { return script_password_; }

  void Log(AclLogEntry entry);
  std::vector<AclLogEntry> log() const;  // the latest first
  void ClearLog();
  // CONFIG's acllog-max-len.
  uint64_t log_length() const;
  void SetLogLength(uint64_t entries);

 private:
  const CommandTable& table_;
  const ModuleCommands* const learned_;
  const std::string script_password_;
  mutable Mutex mutex_;
  std::map<std::string, UserPtr, std::less<>> users_ RM_GUARDED_BY(mutex_);
  std::string default_password_ RM_GUARDED_BY(mutex_);
  std::deque<AclLogEntry> log_ RM_GUARDED_BY(mutex_);
  uint64_t log_length_ RM_GUARDED_BY(mutex_) = 128;  // as Redis's
};

// Puts a denied call of the client into the log.
void LogDenial(Proxy& proxy, ClientView& client, const Denial& denial, const Command& command,
               std::span<const Bytes> args);

// Logs the client in as the user.
void LogIn(ClientState& client, std::shared_ptr<const AclUser> user);
std::string UserName(const ClientState& client);
// The client gets its user as that is now. It is closed, after a reply that is due to it if
// `after_reply`, when there is no such user any more and when it listens to what the user may not.
// On the client's worker.
void RenewUser(const AccessControl& access, ClientView& client, bool after_reply);

}  // namespace ringmaster
