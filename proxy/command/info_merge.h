// Puts the INFO texts of several shards together into that of one big Redis.
#pragma once

#include <map>
#include <span>
#include <string>

#include "base/bytes.h"
#include "resp/reply_reader.h"

namespace ringmaster {

// Sections and fields in the order of the first text. By name: counters and amounts are summed,
// maxima and minima where a sum would lie, lines of the form a=1,b=2 (keyspace, commandstats) are
// summed field by field, readable sizes are written anew, ratios and everything else is the first
// shard's. `own` replaces fields wherever they stand.
std::string MergeInfo(std::span<const std::string> infos,
                      const std::map<std::string, std::string>& own);

// The text of an INFO reply, a bulk or a verbatim string.
Bytes InfoText(const ReplyElement& reply);

}  // namespace ringmaster
