#include "control/discovery/replication_info.h"

#include <algorithm>
#include <limits>

#include "resp/info_text.h"

namespace ringmaster {
namespace {

// Behind "name=" in "ip=10.0.0.1,port=6379,state=online,offset=12,lag=0".
Bytes FieldOfReplica(Bytes line, Bytes name) {
  while (!line.empty()) {
    const size_t end = std::min(line.find(','), line.size());
    const Bytes field = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    const size_t equals = field.find('=');
    if (field.substr(0, equals) == name && equals != Bytes::npos) return field.substr(equals + 1);
  }
  return {};
}

}  // namespace

ReplicationInfo ReadReplicationInfo(Bytes info) {
  ReplicationInfo read;
  read.member.answers = true;
  read.member.primary = FieldOfInfo(info, "role") == "master";
  read.member.history = std::string(FieldOfInfo(info, "master_replid"));
  read.member.former = std::string(FieldOfInfo(info, "master_replid2"));
  read.member.offset = ParseInteger(FieldOfInfo(info, "master_repl_offset")).value_or(0);
  read.good_replicas = ParseInteger(FieldOfInfo(info, "min_slaves_good_slaves")).value_or(-1);
  const int64_t listed = ParseInteger(FieldOfInfo(info, "connected_slaves")).value_or(0);
  int64_t behind = read.member.offset;
  for (int64_t i = 0; i < listed; ++i) {
    const Bytes line = FieldOfInfo(info, "slave" + std::to_string(i));
    if (FieldOfReplica(line, "state") != "online") continue;
    ++read.replicas;
    behind = std::min(behind, ParseInteger(FieldOfReplica(line, "offset")).value_or(0));
  }
  if (read.replicas > 0) read.lag_bytes = read.member.offset - behind;
  return read;
}

}  // namespace ringmaster
