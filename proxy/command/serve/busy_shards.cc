#include "command/serve/busy_shards.h"

#include "command/call/call.h"
#include "command/serve/recipe.h"
#include "resp/request_writer.h"

namespace ringmaster {

bool SomeShardRunsScript(const CommandContext& context) {
  Router& router = context.router;
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    if (router.backend(shard).link().runs_script()) return true;
  }
  return false;
}

Task<std::string> BusyReply(RecipeCall& call) {
  for (uint32_t shard = 0; shard < call.routes().shard_count(); ++shard) {
    if (!call.routes().backend(shard).link().runs_script()) continue;
    std::string request = MakeRequest({"PING"});
    const Answer answer = co_await call.Ask(shard, std::move(request), true);
    if (answer.reply.starts_with("-BUSY")) co_return answer.reply;
  }
  co_return std::string();
}

}  // namespace ringmaster
