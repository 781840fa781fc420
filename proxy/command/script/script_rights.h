// Scripts of users who may not do everything. A shard runs a script with the rights of whoever sent
// it, so these go over connections that are logged in there as a mirror: a user of the shard with
// the same rules, which the proxy makes. Mirrors never change: their name comes from the rules, so
// that other rules are another mirror, and users with the same rules share one.
//
// It fails closed: a script goes out only over a stream on which the shard has accepted the
// mirror's login, never over another one.
//
// Owner: the PoolWorker, on its thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "coro/task.h"

namespace ringmaster {

class CommandTable;
struct Command;
struct CommandContext;
struct ClientState;
class RecipeCall;
class Router;
struct AclUser;

class ScriptRights {
 public:
  explicit ScriptRights(Router& router) : router_(router) {}
  ScriptRights(const ScriptRights&) = delete;
  ScriptRights& operator=(const ScriptRights&) = delete;

  // Why a script that `client` sends now cannot run so; nullptr: it can.
  static const char* WhyNot(const CommandContext& context, const ClientState& client,
                            const Command& command);
  // Runs the call, a script whose keys live on `shard`, with the rights of `user`. The reply, or
  // why it cannot be done.
  Task<std::string> Run(RecipeCall& call, uint32_t shard, std::shared_ptr<const AclUser> user);
  // Gives connections back that were not used for long, or whose ring is another one.
  void Tick(TimePoint now);

 private:
  // A borrowed connection. Logged in as `mirror` while its generation is this one.
  struct Lane {
    Backend* backend = nullptr;
    Connection* connection = nullptr;
    std::string mirror;
    uint32_t generation = 0;
    uint64_t routes = 0;  // Router::version()
    TimePoint used{};
    bool LoggedIn() const { return connection->ready() && connection->generation() == generation; }
  };
  static constexpr size_t kMostIdle = 32;

  Task<std::string> Open(RecipeCall& call, Backend& backend, const AclUser& user,
                         const std::vector<std::string>& rules, Lane& lane);
  bool TakeIdle(const Backend& backend, const std::string& mirror, int database, int resp,
                Lane& lane);
  void PutBack(Lane lane, TimePoint now);

  Router& router_;
  std::vector<Lane> idle_;          // the one used last is at the end
  std::vector<std::string> swept_;  // shards whose orphans were looked for
};

// The rules of ACL SETUSER that give a user of a shard what a script of this one may do, and
// nothing more but to run one.
std::vector<std::string> MirrorRules(const CommandTable& table, const AclUser& user);
// `proxy`: the process's run id.
std::string MirrorName(Bytes proxy, const std::vector<std::string>& rules);

}  // namespace ringmaster
