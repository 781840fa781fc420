#include "command/access/access_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/sha.h"
#include "command/access/describe_client.h"
#include "command/call/proxy.h"
#include "command/call/push_client.h"
#include "command/call/transaction.h"

namespace ringmaster {
namespace {

constexpr size_t kMaxUsers = 10'000;
// Alike entries within a minute are one.
// Of a name or a client's description in the log.
constexpr size_t kLoggedBytes = 1024;
constexpr Duration kSameEntry = std::chrono::seconds(60);

std::string NewPassword() {
  std::random_device random;
  std::string seed;
  for (int i = 0; i < 8; ++i) seed += std::to_string(random()) + " ";
  return Sha256Hex(seed);
}

}  // namespace

AccessControl::AccessControl(const CommandTable& table, const ModuleCommands* learned)
    : table_(table), learned_(learned), script_password_(NewPassword()) {
  users_.emplace("default", MakeDefaultUser(table));
}

AccessControl::UserPtr AccessControl::Find(Bytes name) const {
  const MutexLock lock(mutex_);
  const auto user = users_.find(name);
  return user == users_.end() ? nullptr : user->second;
}

std::vector<AccessControl::UserPtr> AccessControl::All() const {
  const MutexLock lock(mutex_);
  std::vector<UserPtr> all;
  for (const auto& [name, user] : users_) all.push_back(user);
  return all;
}

std::string AccessControl::Set(Bytes name, std::span<const Bytes> rules) {
  std::string error;
  const std::vector<std::string> joined = JoinSelectors(rules, error);
  if (!error.empty()) return error;
  const MutexLock lock(mutex_);
  const auto known = users_.find(name);
  if (known == users_.end() && users_.size() >= kMaxUsers) {
    return "There are " + std::to_string(kMaxUsers) +
           " users already: delete some with ACL DELUSER";
  }
  auto user = known != users_.end() ? std::make_shared<AclUser>(*known->second)
                                    : std::make_shared<AclUser>(std::string(name), table_);
  for (const std::string& rule : joined) {
    error = user->Apply(table_, rule, {.learned = learned_});
    if (!error.empty()) {
      return fmt::format("Error in ACL SETUSER modifier '{}': {}", rule, error);
    }
  }
  users_[std::string(name)] = std::move(user);
  return "";
}

bool AccessControl::Delete(Bytes name) {
  const MutexLock lock(mutex_);
  const auto user = users_.find(name);
  if (user == users_.end()) return false;
  users_.erase(user);
  return true;
}

void AccessControl::Replace(std::vector<UserPtr> users) {
  const MutexLock lock(mutex_);
  users_.clear();
  users_.emplace("default", MakeDefaultUser(table_));
  for (UserPtr& user : users) users_[user->name] = std::move(user);
}

void AccessControl::SetDefaultPassword(Bytes password) {
  const MutexLock lock(mutex_);
  UserPtr& place = users_["default"];
  auto user = std::make_shared<AclUser>(*place);
  user->Apply(table_, "resetpass");
  user->Apply(table_, password.empty() ? std::string("nopass") : ">" + std::string(password));
  place = std::move(user);
  default_password_ = password;
}

std::string AccessControl::default_password() const {
  const MutexLock lock(mutex_);
  const AclUser& user = *users_.find("default")->second;
  const std::string digest = Sha256Hex(default_password_);
  const bool holds =
      std::find(user.passwords.begin(), user.passwords.end(), digest) != user.passwords.end();
  return holds && !user.any_password ? default_password_ : "";
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
  for (std::string* text : {&entry.object, &entry.user, &entry.client}) {
    if (text->size() <= kLoggedBytes) continue;
    text->resize(kLoggedBytes - 3);
    text->append("...");
    text->shrink_to_fit();
  }
  const MutexLock lock(mutex_);
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
  if (log_.size() > log_length_) log_.resize(log_length_);
}

std::vector<AclLogEntry> AccessControl::log() const {
  const MutexLock lock(mutex_);
  return {log_.begin(), log_.end()};
}

void AccessControl::ClearLog() {
  const MutexLock lock(mutex_);
  log_.clear();
}

void LogDenial(Proxy& proxy, ClientView& client, const Denial& denial, const Command& command,
               std::span<const Bytes> args) {
  AclLogEntry entry;
  entry.reason = denial.reason;
  entry.object =
      denial.position == 0 ? command.full_name : Printable(args[denial.position], kLoggedArgument);
  entry.user = UserName(client.state());
  const Transaction* transaction = client.state().transaction.get();
  if (transaction != nullptr && transaction->open) entry.context = "multi";
  entry.at = proxy.Now();
  DescribeClient(client, entry.at, {}, 0, entry.client);
  entry.client.pop_back();  // the line's end
  proxy.access().Log(std::move(entry));
}

uint64_t AccessControl::log_length() const {
  const MutexLock lock(mutex_);
  return log_length_;
}

void AccessControl::SetLogLength(uint64_t entries) {
  const MutexLock lock(mutex_);
  log_length_ = entries;
  if (log_.size() > entries) log_.resize(entries);
}

void LogIn(ClientState& client, std::shared_ptr<const AclUser> user) {
  client.limits = user->may_everything() ? nullptr : user.get();
  client.user = std::move(user);
  client.authenticated = true;
}

namespace {

bool MayListen(const AclUser& user, const PushClient& push) {
  for (size_t kind = 0; kind < kPushKinds; ++kind) {
    const bool patterns = kind == static_cast<size_t>(PushKind::kPattern);
    for (const std::string& name : push.subscribed[kind]) {
      if (!user.MayUse(name, patterns)) return false;
    }
  }
  if (push.monitor == nullptr) return true;
  const Bytes name = push.monitor->full_name;
  return !user.Check(*push.monitor, std::span(&name, 1));
}

}  // namespace

void RenewUser(const AccessControl& access, ClientView& client, bool after_reply) {
  ClientState& state = client.state();
  if (state.user == nullptr) return;
  std::shared_ptr<const AclUser> user = access.Find(state.user->name);
  if (user == state.user) return;
  if (user == nullptr) return client.Kill(after_reply);
  const bool listens = state.push == nullptr || MayListen(*user, *state.push);
  const bool was = state.authenticated;
  LogIn(state, std::move(user));
  state.authenticated = was;
  if (!listens) client.Kill(after_reply);
}

std::string UserName(const ClientState& client) {
  return client.user == nullptr ? "default" : client.user->name;
}

}  // namespace ringmaster
