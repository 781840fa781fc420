// SCAN's cursor as a client of the proxy sees it: where in the walk over all shards it stands. It
// holds all there is to know, so that any worker, and any proxy of the same configuration, can go
// on with it. From the lowest bit on:
//
//   11 bits: tag of the topology | as many as the number of shards takes | the shard's own cursor
//
// A shard's cursor is less than the size of its hash table, a power of two (Redis, dictScan), so
// cursors of usual shards are far below 2^48: a shard of four with 2^30 keys reaches 2^43. Never is
// one 2^53 or more, because some clients keep cursors in a double (node-redis before version 5).
// 0 starts and ends the walk, as with Redis: every other place has a shard or a shard's cursor
// above zero.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "ring/topology.h"

namespace ringmaster {

// What a cursor of this topology carries: 10 bits of a hash over all that places keys. It outlives
// the process, unlike a count of reloads.
uint32_t ScanTag(const Topology& topology);
// While keys move to `epoch`: never that of a topology, nor of the moves before and after.
uint32_t ScanTagOfMove(uint64_t epoch);

struct ScanCursor {
  static constexpr int kTagBits = 11;
  static constexpr int kBits = 53;

  uint32_t shard = 0;  // its place in the walk
  uint64_t inner = 0;  // at most MaxInner

  // The largest cursor of a shard that fits, where `shards` are walked over.
  static uint64_t MaxInner(size_t shards) {
    const int left = kBits - kTagBits - ShardBits(shards);
    return left <= 0 ? 0 : (uint64_t{1} << left) - 1;
  }
  // REQUIRES: shard < shards, inner <= MaxInner(shards).
  uint64_t Encode(uint32_t tag, size_t shards) const {
    return (((inner << ShardBits(shards)) | shard) << kTagBits) | tag;
  }
  // Where a walk of this tag goes on; at its start when the cursor is another walk's, or nobody's.
  static ScanCursor Decode(uint64_t cursor, uint32_t tag, size_t shards);
  // One that is of no walk: whoever comes back with it starts again.
  static constexpr uint64_t kRestart = (uint64_t{1} << kTagBits) - 1;

 private:
  static int ShardBits(size_t shards) { return shards < 2 ? 0 : std::bit_width(shards - 1); }
};

// A cursor as Redis reads it (parseScanCursorOrReply, that is, strtoul); nullopt: invalid.
std::optional<uint64_t> ParseScanCursor(Bytes text);

}  // namespace ringmaster
