// INFO replication of one server, and what follows from it.
#pragma once

#include <string>

#include "backend/shard_health.h"
#include "base/bytes.h"
#include "control/discovery/role_choice.h"

namespace ringmaster {

struct ReplicationInfo {
  // Whether it is a primary and of which history; `answers` is true, the address whosever.
  RoleChoice::Member member = {};
  uint32_t replicas = 0;
  int64_t lag_bytes = 0;
  // So many of its replicas are as near as min-replicas-max-lag demands; -1: none is demanded.
  int64_t good_replicas = -1;
};

ReplicationInfo ReadReplicationInfo(Bytes info);

}  // namespace ringmaster
