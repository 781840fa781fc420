// A command that takes several steps, written as a coroutine that reads in the order things happen.
// It owns copies of what it needs, so a client that hangs up cannot cut it short.
//
// No recipe keeps the loop from turning, however it loops: what is answered at once (by a shard
// that is down, say) is counted, and after kAtOnce such answers in one turn the recipe goes on in
// the next.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/ask.h"
#include "backend/exchange.h"
#include "base/object_pool.h"
#include "command/call/call.h"
#include "coro/completion.h"
#include "coro/task.h"
#include "coro/task_set.h"

namespace ringmaster {

class RecipeCall {
 public:
  // `touches_keys`: a freeze waits for its end.
  RecipeCall(const Call& call, bool touches_keys);
  ~RecipeCall();
  RecipeCall(const RecipeCall&) = delete;
  RecipeCall& operator=(const RecipeCall&) = delete;

  std::span<const Bytes> args() const { return args_; }
  // The request as a shard would see it.
  const std::string& wire() const { return bytes_; }
  const Command& command() const { return command_; }
  CommandContext& context() { return context_; }
  // The pool as it was when the call came, or at the last of TakeNewRoutes, EnterAgain and Bring:
  // all numbers of shards are of it, whatever is reloaded meanwhile. A shard that left since still
  // answers.
  const Routes& routes() const { return *routes_; }
  // For whoever looks up anew where keys are: after waiting for locks, say.
  void TakeNewRoutes() { routes_ = context_.router.routes(); }
  // There are newer ones.
  bool routes_changed() const { return routes_ != context_.router.routes(); }
  // The client as it was when the command came.
  uint64_t client_id() const { return client_id_; }
  int database() const { return database_; }
  int resp() const { return resp_; }
  bool in_exec() const { return in_exec_; }
  // The client's user when the command came, if there is anything that it may not do; else nullptr.
  const AclUser* limits() const { return limits_.get(); }
  const std::shared_ptr<const AclUser>& limited_user() const { return limits_; }
  // One like it, to Run() commands in its place.
  ClientState StandIn() const;

  // A lock on keys waits for the recipe's end, unless it asks for locks itself, or only waits.
  void LeaveLocks();
  void JoinLocks();

  // A freeze waits for the recipe's end, unless it only waits. False: one does already, so it may
  // not begin to wait; it gives way, and enters again.
  bool LeaveMoves();
  bool FreezeWaits() const;  // LeaveMoves would say no
  // Waits until the keys are where commands go, as a command that comes now would. What is wrong,
  // as a reply, or empty.
  Task<std::string> EnterAgain(const std::vector<Bytes>& keys);

  // Waits until keys that the call did not name are where commands go. What is wrong, as a reply,
  // or empty. A freeze that begins meanwhile comes to nothing.
  Task<std::string> Bring(const std::vector<Bytes>& keys);

  // One request to one shard over the shared connection. Always answers, with an error reply of
  // ours when the shard does not.
  Task<Answer> Ask(uint32_t shard, std::string request, bool read_only);
  // The same to every shard at once, answers in shard order.
  Task<std::vector<Answer>> AskAll(std::string request, bool read_only);
  // What Ask sends over: the shared connection, or one of the client's own that tracks keys.
  Connection& Shared(uint32_t shard, int database);
  // Over a connection that the caller borrowed from the backend. Never sent a second time.
  Task<Answer> AskOver(Connection& connection, std::string request);
  Task<Answer> AskOver(Connection& connection, std::string request, AskOptions options);
  // Dispatches another command, `client` being who asks; it stays until the answer. `locked`: its
  // keys are ours, so that whoever waits for them must not come first.
  Task<std::string> Run(const Command& command, std::vector<Bytes> args, ClientState& client,
                        bool locked = false);
  // Serves the call itself by its row's plan, and gives back its reply.
  Task<Answer> ServeByPlan();
  // The same, whatever moves or is locked: its keys came when the call did.
  Task<Answer> ServeNow();
  Task<Result<Proxy::TransferHold>> HoldTransfers();
  // At least so long, and into a later turn of the loop, unless it is the first Sleep of this one.
  Task<void> Sleep(Duration delay);
  // What `visit` writes on each worker, in worker order.
  Task<std::vector<std::string>> VisitWorkers(Proxy::Visit visit);
  Task<Result<std::string>> Reload();
  Task<Result<std::string>> Journal(bool verify);
  Task<Result<std::string>> Rebalance(std::vector<std::string> words);
  Task<Result<std::vector<JobFigures>>> Jobs(JobOrder order);
  // A shard has the first of it now: until here it waited in the proxy. For the slow log.
  void NoteHandedOn(TimePoint at);
  // The client has left. For recipes that wait long.
  bool client_gone() const { return client_.get() == nullptr; }
  // The client while it is there, else nullptr. It starts nothing while a recipe of its own runs.
  ClientState* client() const { return client_.get(); }
  ClientView* view() const { return client_gone() ? nullptr : view_; }

 private:
  // Answers in one turn that nobody had to wait for.
  static constexpr int kAtOnce = 64;

  ConnectionLane* lane() const;
  Task<Answer> Serve(void (*dispatch)(Call& call));
  Task<Answer> AnswerTo(Question& question);
  Task<void> AnsweredAtOnce();

  CommandContext& context_;
  const Command& command_;
  Exchange& exchange_;  // there until the reply
  const ClientRef client_;
  ClientView* const view_;  // while the client is there
  const std::shared_ptr<const AclUser> limits_;
  std::string bytes_;        // the request as a shard would see it
  std::vector<Bytes> args_;  // point into it
  bool in_exec_;
  MoveGate* gate_;  // told of the end; nullptr: nobody
  uint64_t gate_generation_ = 0;
  LockGate* locks_;  // nullptr: no lock waits for it
  uint64_t locks_generation_ = 0;
  uint64_t client_id_;
  int database_;
  int resp_;
  std::shared_ptr<const Routes> routes_;
  std::shared_ptr<PushClient> push_;  // its connections, if it has some of its own
  TimePoint turn_{};                  // of the last answer that came at once
  int at_once_ = 0;                   // such answers in that turn
  bool handed_on_ = false;            // NoteHandedOn came
};

// The recipes under way on one worker. Owner: the worker, which outlives none of them: it waits
// until running() is zero, or destroys them with the set when it gives up.
class RecipeSet {
 public:
  RecipeSet() = default;
  RecipeSet(const RecipeSet&) = delete;
  RecipeSet& operator=(const RecipeSet&) = delete;

  // Starts a recipe for the call; its reply goes to call.exchange.
  void Start(Call& call, RecipeFunction recipe);
  // One that no client asked for: nobody gets what it returns.
  void StartUnasked(CommandContext& context, const Command& command, RecipeFunction recipe);
  size_t running() const { return tasks_.count(); }
  // Gives up what is under way: while the gates and the router are still there.
  void Clear() { tasks_.Clear(); }

 private:
  TaskSet tasks_;
};

}  // namespace ringmaster
