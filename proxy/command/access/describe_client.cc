#include "command/access/describe_client.h"

#include "base/bytes.h"
#include "command/access/access_control.h"
#include "command/call/push_client.h"
#include "command/call/transaction.h"

namespace ringmaster {
namespace {

int64_t Seconds(Duration d) { return Milliseconds(d) / 1000; }

}  // namespace

std::string FlagsOf(const ClientState& state) {
  std::string flags;
  const PushClient* push = state.push.get();
  if (push != nullptr && push->monitor) flags += 'O';
  if (push != nullptr && push->subscriber()) flags += 'P';
  if (state.transaction != nullptr && state.transaction->open) flags += 'x';
  if (state.blocked != nullptr) flags += 'b';
  const Tracking* tracking = push == nullptr ? nullptr : push->tracking.get();
  if (tracking != nullptr) {
    flags += 't';
    if (tracking->broken_redirect) flags += 'R';
    if (tracking->options().bcast) flags += 'B';
  }
  if (state.no_evict) flags += 'e';
  if (state.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

std::string CapabilitiesOf(const ClientState& state) { return state.takes_redirects ? "r" : ""; }

int64_t RedirectionOf(const ClientState& state) {
  const bool tracks = state.push != nullptr && state.push->tracking != nullptr;
  return tracks ? static_cast<int64_t>(state.push->tracking->options().redirect) : -1;
}

void DescribeClient(ClientView& client, TimePoint now, const ClientFields& fields,
                    size_t own_request, std::string& out) {
  const ClientState& state = client.state();
  const auto field = [&out](const char* name, int64_t value) {
    out.append(name);
    AppendInteger(out, value);
  };
  field("id=", static_cast<int64_t>(state.id));
  out += " addr=" + client.address() + " laddr=" + client.local_address();
  field(" fd=", client.fd());
  out += " name=" + state.name();
  field(" age=", Seconds(now - state.connected_at));
  field(" idle=", Seconds(now - state.last_active_at));
  out += " flags=" + FlagsOf(state);
  if (fields.valkey) out += " capa=" + CapabilitiesOf(state);
  field(" db=", state.database);
  const PushClient* push = state.push.get();
  const auto subscribed = [push](PushKind kind) {
    return push == nullptr ? int64_t{0} : static_cast<int64_t>(push->count(kind));
  };
  field(" sub=", subscribed(PushKind::kChannel));
  field(" psub=", subscribed(PushKind::kPattern));
  field(" ssub=", subscribed(PushKind::kShardChannel));
  const bool open = state.transaction != nullptr && state.transaction->open;
  field(" multi=", open ? static_cast<int64_t>(state.transaction->queue.size()) : -1);
  const size_t watched = state.transaction == nullptr ? 0 : state.transaction->watched.size();
  if (fields.watch) field(" watch=", static_cast<int64_t>(watched));
  field(" qbuf=", static_cast<int64_t>(client.query_buffer() + own_request));
  out += " qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0";
  const size_t output = client.output_buffer();
  field(" oll=", output > 0 ? 1 : 0);
  field(" omem=", static_cast<int64_t>(output));
  field(" tot-mem=", static_cast<int64_t>(client.memory()));
  out += " events=r cmd=";
  out += state.last_command == nullptr ? "NULL" : state.last_command->full_name;
  out += " user=" + UserName(state);
  field(" redir=", RedirectionOf(state));
  field(" resp=", state.resp);
  if (fields.library) {
    const ClientState::Details* const details = state.details.get();
    out += " lib-name=" + (details == nullptr ? std::string() : details->lib_name);
    out += " lib-ver=" + (details == nullptr ? std::string() : details->lib_version);
  }
  if (fields.thread) field(" io-thread=", fields.worker);
  if (fields.valkey) {
    field(" tot-net-in=", static_cast<int64_t>(state.bytes_in));
    field(" tot-net-out=", static_cast<int64_t>(state.bytes_out));
    field(" tot-cmds=", static_cast<int64_t>(state.requests));
  }
  out += "\n";
}

}  // namespace ringmaster
