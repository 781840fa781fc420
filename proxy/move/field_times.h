// When fields of a hash expire, each by itself (Redis 7.4, Valkey 9), for a hash that is carried
// without DUMP. Times are Unix milliseconds by the servers' clocks, as in a payload of DUMP.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "move/shard_client.h"

namespace ringmaster {

inline constexpr int64_t kFieldStays = -1;
inline constexpr int64_t kFieldGone = -2;  // since it was read
using FieldTimes = std::vector<int64_t>;

// Appends the time of each field of `page`, which are fields and values by turns as HSCAN and
// HGETALL give them. REQUIRES: the shard knows HPEXPIRETIME.
Status ReadFieldTimes(ShardClient& shard, Bytes key, const ShardReply& page, FieldTimes& times);

// Whether the hash `in` of `whole` has every field of `page`, which was read from `key` of `part`,
// with its value and its time; a field whose time has come at either need not be there.
Result<bool> HasFields(ShardClient& whole, Bytes in, ShardClient& part, Bytes key,
                       const ShardReply& page);

}  // namespace ringmaster
