#include "command/parked.h"

#include "command/push_client.h"
#include "command/tracking.h"
#include "command/transaction.h"
#include "resp/errors.h"

namespace ringmaster {

namespace {

void Answer(Exchange& exchange, Bytes reply) {
  exchange.state = Exchange::State::kDone;
  exchange.outcome = Outcome::kNotApplied;
  exchange.sink->OnReply(exchange, Slice{reply, {}});
}

}  // namespace

void RefuseCall(const Command& command, ClientState& client, Exchange& exchange, Bytes reply) {
  const Bytes name = command.row->name;
  if (name == "exec" || name == "discard") client.transaction.reset();
  Answer(exchange, reply);
}

Parked::Parked(const Call& call)
    : command(&call.command),
      client(&call.client),
      exchange(&call.exchange),
      sink(call.exchange.sink) {
  exchange->parked = true;
  size_t total = 0;
  for (const Bytes arg : call.args) total += arg.size();
  bytes.reserve(total);
  for (const Bytes arg : call.args) {
    args.emplace_back(bytes.data() + bytes.size(), arg.size());
    bytes.append(arg);
  }
}

void Parked::Run(CommandContext& context, void (*dispatch)(Call& call)) {
  if (forsaken()) return Refuse(errors::ShuttingDown());
  Call call{args, Slice(), *command, *client, context, *exchange};
  const PushClient* push = client->push.get();
  const LaneScope scope(context.router.context(), push == nullptr ? nullptr : push->tracking.get());
  dispatch(call);
  // Its session has seen to that when the command came.
  call.client.goes_alone = false;
}

void Parked::Refuse(Bytes reply) {
  if (forsaken()) return Answer(*exchange, reply);
  RefuseCall(*command, *client, *exchange, reply);
}

}  // namespace ringmaster
