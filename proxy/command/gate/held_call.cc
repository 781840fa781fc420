#include "command/gate/held_call.h"

#include "command/call/push_client.h"
#include "command/call/tracking.h"
#include "command/call/transaction.h"
#include "resp/errors.h"

namespace ringmaster {

namespace {

void Answer(Exchange& exchange, Bytes reply) {
  exchange.outcome = Outcome::kNotApplied;
  AnswerHere(exchange, reply);
}

size_t SizeOf(const Call& call) {
  size_t total = 0;
  for (const Bytes arg : call.args) total += arg.size();
  return total;
}

}  // namespace

bool HeldBytes::HasRoomFor(const Call& call) const {
  return value_ == 0 || value_ + SizeOf(call) <= kMost;
}

void RefuseCall(const Command& command, ClientState* client, Exchange& exchange, Bytes reply) {
  const Bytes name = command.row->name;
  if (client != nullptr && (name == "exec" || name == "discard")) client->transaction.reset();
  Answer(exchange, reply);
}

HeldCall::HeldCall(const Call& call, HeldBytes& total, Bytes shard, TimePoint now)
    : command(&call.command),
      exchange(&call.exchange),
      sink(call.exchange.sink),
      shard(shard),
      since(now),
      total_(total),
      client_(call.client, call.client.refs),
      client_id_(call.client.id),
      database_(call.client.database),
      resp_(call.client.resp),
      in_exec_(call.client.in_exec),
      limits_(call.client.limits != nullptr ? call.client.user : nullptr),
      push_(call.client.push) {
  exchange->held = true;
  bytes.reserve(SizeOf(call));
  for (const Bytes arg : call.args) {
    args.emplace_back(bytes.data() + bytes.size(), arg.size());
    bytes.append(arg);
  }
  total_.value_ += bytes.size();
}

HeldCall::~HeldCall() { total_.value_ -= bytes.size(); }

void HeldCall::Run(CommandContext& context, Serving::Serve serve) {
  if (forsaken()) return Refuse(errors::ShuttingDown());
  ClientState like_it;
  like_it.id = client_id_;
  like_it.database = database_;
  like_it.resp = resp_;
  like_it.in_exec = in_exec_;
  like_it.user = limits_;
  like_it.limits = limits_.get();
  ClientState* client = client_.get();
  Call call{args, Slice(), *command, client != nullptr ? *client : like_it, context, *exchange};
  {
    const LaneScope scope(context.router.context(),
                          push_ == nullptr ? nullptr : push_->tracking.get());
    serve(call);
  }
  // Its session has seen to that when the command came. The reply may have ended the client.
  if (ClientState* still = client_.get()) still->goes_alone = false;
}

void HeldCall::Refuse(Bytes reply) {
  if (forsaken()) return Answer(*exchange, reply);
  RefuseCall(*command, client_.get(), *exchange, reply);
}

}  // namespace ringmaster
