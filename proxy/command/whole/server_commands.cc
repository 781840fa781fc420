// What the proxy answers in the name of the server as a whole.
#include <chrono>

#include "command/call/call.h"
#include "command/call/slow_log.h"
#include "command/whole/handlers.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

constexpr size_t kSlowlogDefault = 10;

}  // namespace

void Time(Call&, ReplyWriter& out) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  out.Array(2);
  out.Bulk(std::to_string(micros / 1000000));
  out.Bulk(std::to_string(micros % 1000000));
}

// The shards' replicas are not the proxy's: to a client it is a master without any.
void Role(Call&, ReplyWriter& out) {
  out.Array(3);
  out.Bulk("master");
  out.Integer(0);
  out.Array(0);
}

// The proxy's own log: what its clients waited for.
void SlowlogGet(Call& call, ReplyWriter& out) {
  size_t count = kSlowlogDefault;
  if (call.args.size() > 2) {
    const auto asked = ParseInteger(call.args[2]);
    if (!asked || *asked < -1) {
      return out.Error("ERR count should be greater than or equal to -1");
    }
    count = *asked == -1 ? SIZE_MAX : static_cast<size_t>(*asked);
  }
  const std::vector<SlowEntry> entries = call.context.proxy.slow_log().Latest(count);
  out.Array(entries.size());
  for (const SlowEntry& entry : entries) {
    out.Array(6);
    out.Integer(static_cast<int64_t>(entry.id));
    out.Integer(entry.at_unix);
    out.Integer(entry.micros);
    out.Array(entry.args.size());
    for (const std::string& arg : entry.args) out.Bulk(arg);
    out.Bulk(entry.address);
    out.Bulk(entry.name);
  }
}

void SlowlogLen(Call& call, ReplyWriter& out) {
  out.Integer(static_cast<int64_t>(call.context.proxy.slow_log().size()));
}

void SlowlogReset(Call& call, ReplyWriter& out) {
  const bool in_exec = call.client.in_exec;
  call.context.proxy.slow_log().Clear(in_exec ? call.client.exec_log_id : UINT64_MAX);
  out.Ok();
}

void ClusterDisabled(Call&, ReplyWriter& out) {
  out.Error("ERR This instance has cluster support disabled");
}

}  // namespace ringmaster
