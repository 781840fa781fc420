// Which server a pool is, as HELLO and INFO tell clients, who choose commands by it: the earliest
// of its shards' versions, because what the earliest lacks does not work on all keys.
#pragma once

#include <string>

namespace ringmaster {

class Routes;

struct PoolVersion {
  std::string redis_version;   // that clients may count on
  std::string valkey_version;  // where all shards are Valkey; otherwise empty

  // As a server calls itself in HELLO.
  const char* server() const { return valkey_version.empty() ? "redis" : "valkey"; }
  const std::string& version() const {
    return valkey_version.empty() ? redis_version : valkey_version;
  }
};

// Shards that nobody has reached yet do not count; without any it is the Redis that our rows
// follow.
PoolVersion VersionOf(const Routes& routes);

}  // namespace ringmaster
