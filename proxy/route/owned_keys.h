// Which of the keys that a shard holds a client may see: those that the ring places there, without
// the proxy's own. A key on another shard is a left-over of a ring that changed, or a copy.
#pragma once

#include "base/bytes.h"
#include "base/reserved_keys.h"
#include "route/router.h"

namespace ringmaster {

inline bool ShowsKey(const Routes& routes, uint32_t shard, Bytes key) {
  if (IsReserved(key)) return false;
  if (const RingMove* move = routes.move()) {
    // On its way it is with the old owner or the new one.
    const RingMove::Place place = move->Locate(key);
    return place.owner == shard || place.old_owner == shard;
  }
  return routes.ShardOf(key) == shard;
}

}  // namespace ringmaster
