// Which of the keys that a shard holds a client may see: those that the ring places there, without
// the proxy's own. A key on another shard is a left-over of a ring that changed, or a copy.
#pragma once

#include "base/bytes.h"
#include "route/router.h"

namespace ringmaster {

// Names under it belong to the proxy.
inline constexpr Bytes kReservedPrefix = "__rm:";

inline bool ShowsKey(const Router& router, uint32_t shard, Bytes key) {
  return router.ShardOf(key) == shard && !key.starts_with(kReservedPrefix);
}

}  // namespace ringmaster
