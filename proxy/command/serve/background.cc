#include "command/serve/background.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "command/access/access.h"
#include "coro/completion.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

// Those that change the connection or wait by themselves are served at once or not at all.
bool MayWait(const Command& command) {
  const PlanKind plan = command.row->plan.kind;
  const bool steps = plan == PlanKind::kForward || plan == PlanKind::kScatter ||
                     plan == PlanKind::kEveryShard || plan == PlanKind::kRecipe;
  return steps && command.subcommands.empty() && !command.Is(kAlone) && !command.Is(kBlocking) &&
         !command.Is(kPubSub) && !command.Is(kHidden);
}

}  // namespace

Result<std::shared_ptr<const BackgroundClass>> MakeBackgroundClass(
    const CommandTable& table, const std::vector<std::string>& names) {
  if (names.empty()) return std::shared_ptr<const BackgroundClass>();
  auto made = std::make_shared<BackgroundClass>(table.size());
  for (const std::string& name : names) {
    const Command* command = table.FindByName(name);
    if (command == nullptr) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("schedule.background: there is no command '{}'", name)};
    }
    if (!MayWait(*command)) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("schedule.background: '{}' cannot wait in the background; name "
                               "commands that read or write keys, such as keys or scan",
                               name)};
    }
    (*made)[command->id] = true;
  }
  return std::shared_ptr<const BackgroundClass>(std::move(made));
}

Task<std::string> RunInBackground(RecipeCall& call) {
  auto turn = std::make_shared<Completion<Result<Proxy::TurnOver>>>();
  std::string name = fmt::format("{} of client {}", call.command().full_name, call.client_id());
  Proxy::Turn begin = [turn](Result<Proxy::TurnOver> over) { turn->Complete(std::move(over)); };
  call.context().proxy.AwaitTurn(std::move(name), std::move(begin));
  const Result<Proxy::TurnOver> over = co_await *turn;
  if (!over) co_return "-ERR " + over.error().text + "\r\n";
  std::string reply;
  // It may have waited for long.
  const ClientState* client = call.client();
  Denial denial;
  if (client != nullptr && client->limits != nullptr) {
    denial = client->limits->Check(call.command(), call.args());
  }
  if (denial) {
    reply = DenialReply(denial, call.command());
  } else if (!call.client_gone()) {
    const Answer answer = co_await call.ServeByPlan();
    reply = answer.reply;
  }
  (*over)();
  co_return reply;
}

}  // namespace ringmaster
