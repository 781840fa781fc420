#include "command/access_control.h"

#include <algorithm>

#include "command/handlers.h"
#include "command/proxy.h"

namespace ringmaster {
namespace {

constexpr size_t kMaxUsers = 10'000;
// Redis's acllog-max-len.
constexpr size_t kLogEntries = 128;
// Bytes of an argument that it keeps.
constexpr size_t kLoggedArgument = 256;
// Alike entries within a minute are one.
constexpr Duration kSameEntry = std::chrono::seconds(60);

}  // namespace

AccessControl::AccessControl(const CommandTable& table, const ModuleCommands* learned)
    : table_(table), learned_(learned) {
  users_.emplace("default", MakeDefaultUser(table));
}

AccessControl::UserPtr AccessControl::Find(Bytes name) const {
  const std::lock_guard lock(mutex_);
  const auto user = users_.find(name);
  return user == users_.end() ? nullptr : user->second;
}

std::vector<AccessControl::UserPtr> AccessControl::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<UserPtr> all;
  for (const auto& [name, user] : users_) all.push_back(user);
  return all;
}

std::string AccessControl::Set(Bytes name, std::span<const Bytes> rules) {
  std::string error;
  const std::vector<std::string> joined = JoinSelectors(rules, error);
  if (!error.empty()) return error;
  const std::lock_guard lock(mutex_);
  const auto known = users_.find(name);
  if (known == users_.end() && users_.size() >= kMaxUsers) {
    return "There are " + std::to_string(kMaxUsers) +
           " users already: delete some with ACL DELUSER";
  }
  auto user = known != users_.end() ? std::make_shared<AclUser>(*known->second)
                                    : std::make_shared<AclUser>(std::string(name), table_);
  for (const std::string& rule : joined) {
    error = user->Apply(table_, rule, {.learned = learned_});
    if (!error.empty()) return "Error in ACL SETUSER modifier '" + rule + "': " + error;
  }
  users_[std::string(name)] = std::move(user);
  return "";
}

bool AccessControl::Delete(Bytes name) {
  const std::lock_guard lock(mutex_);
  const auto user = users_.find(name);
  if (user == users_.end()) return false;
  users_.erase(user);
  return true;
}

void AccessControl::Replace(std::vector<UserPtr> users) {
  const std::lock_guard lock(mutex_);
  users_.clear();
  users_.emplace("default", MakeDefaultUser(table_));
  for (UserPtr& user : users) users_[user->name] = std::move(user);
}

AccessControl::UserPtr AccessControl::Login(Bytes name, Bytes password) const {
  UserPtr user = Find(name);
  return user != nullptr && user->Accepts(password) ? user : nullptr;
}

void AccessControl::Welcome(ClientState& client) const {
  UserPtr user = Find("default");
  const bool open = user->enabled && user->any_password;
  LogIn(client, std::move(user));
  client.authenticated = open;
}

void AccessControl::Log(AclLogEntry entry) {
  const std::lock_guard lock(mutex_);
  const auto same = std::find_if(log_.begin(), log_.end(), [&entry](const AclLogEntry& known) {
    return known.reason == entry.reason && known.object == entry.object &&
           known.user == entry.user && Bytes(known.context) == entry.context &&
           entry.at - known.at < kSameEntry;
  });
  if (same != log_.end()) {
    entry.count = same->count + 1;
    log_.erase(same);
  }
  log_.push_front(std::move(entry));
  if (log_.size() > kLogEntries) log_.pop_back();
}

std::vector<AclLogEntry> AccessControl::log() const {
  const std::lock_guard lock(mutex_);
  return {log_.begin(), log_.end()};
}

void AccessControl::ClearLog() {
  const std::lock_guard lock(mutex_);
  log_.clear();
}

void LogDenial(Proxy& proxy, ClientView& client, const Denial& denial, const Command& command,
               std::span<const Bytes> args) {
  AclLogEntry entry;
  entry.reason = denial.reason;
  entry.object =
      denial.position == 0 ? command.full_name : Printable(args[denial.position], kLoggedArgument);
  entry.user = UserName(client.state());
  entry.at = proxy.Now();
  DescribeClient(client, entry.at, entry.client);
  entry.client.pop_back();  // the line's end
  proxy.access().Log(std::move(entry));
}

void LogIn(ClientState& client, std::shared_ptr<const AclUser> user) {
  client.limits = user->may_everything() ? nullptr : user.get();
  client.user = std::move(user);
  client.authenticated = true;
}

std::string UserName(const ClientState& client) {
  return client.user == nullptr ? "default" : client.user->name;
}

}  // namespace ringmaster
