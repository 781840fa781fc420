// Merges of single commands (MergeFunction): what none of the general rules says.
#pragma once

#include <span>
#include <string>

#include "base/bytes.h"

namespace ringmaster {

// LATENCY LATEST: of an event that several shards saw, the latest time with its latency and the
// largest maximum.
void MergeLatencyLatest(std::span<const Bytes> replies, int resp, std::string& out);

// MEMORY STATS: amounts are summed, of shares and ratios it is the largest, databases are merged
// one by one.
void MergeMemoryStats(std::span<const Bytes> replies, int resp, std::string& out);

}  // namespace ringmaster
