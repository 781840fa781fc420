// What the proxy answers in the name of the server as a whole.
#include <chrono>

#include "command/call.h"
#include "command/handlers.h"
#include "resp/reply_writer.h"

namespace ringmaster {

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

void AclWhoAmI(Call& call, ReplyWriter& out) { out.Bulk(call.client.user); }

void AclList(Call&, ReplyWriter& out) {
  out.Array(1);
  out.Bulk("user default on nopass ~* &* +@all");
}

void AclUsers(Call&, ReplyWriter& out) {
  out.Array(1);
  out.Bulk("default");
}

void AclGetUser(Call& call, ReplyWriter& out) {
  if (call.args[2] != "default") return out.Null();
  out.Map(6);
  out.Bulk("flags");
  out.Set(2);
  out.Bulk("on");
  out.Bulk("nopass");
  out.Bulk("passwords");
  out.Array(0);
  out.Bulk("commands");
  out.Bulk("+@all");
  out.Bulk("keys");
  out.Bulk("~*");
  out.Bulk("channels");
  out.Bulk("&*");
  out.Bulk("selectors");
  out.Array(0);
}

void ClusterDisabled(Call&, ReplyWriter& out) {
  out.Error("ERR This instance has cluster support disabled");
}

}  // namespace ringmaster
