// SCAN's cursor as a client of the proxy sees it: where in the walk over all shards it stands. It
// holds all there is to know, so that any worker, and any proxy of the same configuration, can go
// on with it.
//
//   bit 63: 0 | 62..52: tag of the topology | 51..40: shard | 39..0: the shard's own cursor
//
// A shard's cursor is less than the size of its hash table, a power of two (Redis, dictScan), so 40
// bits suffice for 1e12 keys on one shard. 0 starts and ends the walk, as with Redis: every other
// place has a shard or a shard's cursor above zero.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "ring/topology.h"

namespace ringmaster {

struct ScanCursor {
  static constexpr int kInnerBits = 40;
  static constexpr int kShardBits = 12;
  static constexpr uint64_t kMaxInner = (uint64_t{1} << kInnerBits) - 1;
  static constexpr uint32_t kMaxShard = (1U << kShardBits) - 1;

  uint32_t tag = 0;    // 11 bits; 12 when read from a cursor that was never ours
  uint32_t shard = 0;  // at most kMaxShard
  uint64_t inner = 0;  // at most kMaxInner

  uint64_t Encode() const {
    return (uint64_t{tag} << (kInnerBits + kShardBits)) | (uint64_t{shard} << kInnerBits) | inner;
  }
  static ScanCursor Decode(uint64_t cursor) {
    return {.tag = static_cast<uint32_t>(cursor >> (kInnerBits + kShardBits)),
            .shard = static_cast<uint32_t>(cursor >> kInnerBits) & kMaxShard,
            .inner = cursor & kMaxInner};
  }
};

// What a cursor of this topology carries: 10 bits of a hash over all that places keys. It outlives
// the process, unlike a count of reloads.
uint32_t ScanTag(const Topology& topology);
// While keys move to `epoch`: never that of a topology, nor of the moves before and after.
uint32_t ScanTagOfMove(uint64_t epoch);

// A cursor as Redis reads it (parseScanCursorOrReply, that is, strtoul); nullopt: invalid.
std::optional<uint64_t> ParseScanCursor(Bytes text);

}  // namespace ringmaster
