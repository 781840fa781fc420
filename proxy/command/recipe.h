// A command that takes several steps, written as a coroutine that reads in the order things happen.
// It owns copies of what it needs, so a client that hangs up cannot cut it short.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/exchange.h"
#include "base/object_pool.h"
#include "command/call.h"
#include "coro/event.h"
#include "coro/task.h"

namespace ringmaster {

// A shard's answer to a step.
struct Answer {
  Outcome outcome = Outcome::kReplied;
  std::string reply;  // one complete RESP reply

  bool is_error() const { return !reply.empty() && (reply[0] == '-' || reply[0] == '!'); }
};

class RecipeCall {
 public:
  explicit RecipeCall(const Call& call);
  RecipeCall(const RecipeCall&) = delete;
  RecipeCall& operator=(const RecipeCall&) = delete;

  std::span<const Bytes> args() const { return args_; }
  const Command& command() const { return command_; }
  CommandContext& context() { return context_; }
  Router& router() { return context_.router; }
  // The client as it was when the command came.
  uint64_t client_id() const { return client_id_; }
  int database() const { return database_; }
  int resp() const { return resp_; }

  // One request to one shard over the shared connection. Always answers, with an error reply of
  // ours when the shard does not.
  Task<Answer> Ask(uint32_t shard, std::string request, bool read_only);
  // The same to every shard at once, answers in shard order.
  Task<std::vector<Answer>> AskAll(std::string request, bool read_only);
  Task<void> Sleep(Duration delay);
  // What `visit` writes on each worker, in worker order.
  Task<std::vector<std::string>> VisitWorkers(Proxy::Visit visit);
  Task<Result<std::string>> Reload();

 private:
  CommandContext& context_;
  const Command& command_;
  std::string bytes_;
  std::vector<Bytes> args_;
  uint64_t client_id_;
  int database_;
  int resp_;
};

// The recipes under way on one worker. Owner: the worker; must outlive nothing that is under way,
// so the worker drains it before it goes.
class RecipeSet {
 public:
  RecipeSet() = default;
  ~RecipeSet();
  RecipeSet(const RecipeSet&) = delete;
  RecipeSet& operator=(const RecipeSet&) = delete;

  // Starts the call's recipe; its reply goes to call.exchange.
  void Start(Call& call);
  size_t running() const { return running_.size(); }

 private:
  struct Running;
  Task<void> Run(Running& running);
  std::vector<std::unique_ptr<Running>> running_;
  std::vector<std::unique_ptr<Running>> finished_;  // freed at the next Start
};

}  // namespace ringmaster
