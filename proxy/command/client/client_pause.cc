// CLIENT PAUSE and UNPAUSE: of the clients of this proxy, on all of its workers. The shards go on.
#include "command/client/handlers.h"
#include "command/gate/pause.h"
#include "command/serve/recipe.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

// Ten years: longer is as good as for ever, and no sum overflows.
constexpr int64_t kLongest = int64_t{10} * 365 * 24 * 3600 * 1000;

}  // namespace

Task<std::string> ClientPauseRecipe(RecipeCall& call) {
  const std::span<const Bytes> args = call.args();
  if (args.size() > 4) co_return errors::WrongArity("client|pause");
  Pause::What what = Pause::What::kEverything;
  if (args.size() == 4) {
    if (EqualsIgnoreCase(args[3], "write")) {
      what = Pause::What::kWrites;
    } else if (!EqualsIgnoreCase(args[3], "all")) {
      co_return "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n";
    }
  }
  const auto timeout = ParseInteger(args[2]);
  if (!timeout || *timeout > kLongest) {
    co_return "-ERR timeout is not an integer or out of range\r\n";
  }
  if (*timeout < 0) co_return "-ERR timeout is negative\r\n";
  Proxy& proxy = call.context().proxy;
  proxy.pause().Start(what, proxy.Now() + std::chrono::milliseconds(*timeout));
  co_return "+OK\r\n";
}

Task<std::string> ClientUnpauseRecipe(RecipeCall& call) {
  call.context().proxy.pause().End();
  const Proxy::Visit wake = [](WorkerView& worker, std::string&) { worker.EndPause(); };
  co_await call.VisitWorkers(wake);
  co_return "+OK\r\n";
}

}  // namespace ringmaster
