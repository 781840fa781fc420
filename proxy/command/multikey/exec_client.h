// Whom an EXEC's commands are served for.
#pragma once

#include <string>

#include "command/call/client_state.h"
#include "command/call/transaction.h"
#include "coro/task.h"

namespace ringmaster {

class RecipeCall;

// The client while it is there, then one like it. Lives in the recipe's frame.
class ExecClient {
 public:
  explicit ExecClient(RecipeCall& call);
  ExecClient(const ExecClient&) = delete;
  ExecClient& operator=(const ExecClient&) = delete;

  // Until the next suspension.
  ClientState& state();
  // Serves one of the queue by itself, as the proxy does outside of EXEC; its reply.
  Task<std::string> Run(const Transaction::Queued& queued);

 private:
  RecipeCall& call_;
  ClientState like_it_;
};

}  // namespace ringmaster
