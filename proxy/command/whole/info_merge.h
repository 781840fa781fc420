// Puts the INFO texts of several shards together into that of one big Redis.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "resp/reply_reader.h"

namespace ringmaster {

struct InfoField {
  std::string name;
  std::string value;
};

struct InfoSection {
  std::string title;  // "Server"
  std::vector<InfoField> fields;
};

// Sections and fields in the order of the first text, what only others have behind them. Numbers
// are summed, except where a sum would lie: of flags, times and high-water marks it is the largest
// or the smallest; a status is the worst; averages, ratios, percentages and readable sizes are
// worked out anew; facts about the server (version, machine) are the first shard's.
// `own` is what the proxy says of itself: it replaces fields of the same section and name. Without
// any text of a shard it is all there is.
// `finish` sees each section last.
std::string MergeInfo(std::span<const std::string> infos, std::span<const InfoSection> own,
                      const std::function<void(InfoSection&)>& finish = {});

// The text of an INFO reply, a bulk or a verbatim string.
Bytes InfoText(const ReplyElement& reply);

}  // namespace ringmaster
