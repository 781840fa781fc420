// What a shard's server said of itself when it was last asked without anybody's command.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace ringmaster {

struct ShardHealth {
  Duration at{};             // since 1970; zero: nobody asks it
  std::string trouble = {};  // why it takes no writes; empty: it does
  Duration round_trip{};     // of a PING
  uint32_t replicas = 0;     // that are up
  int64_t lag_bytes = 0;     // of the one of them that is furthest behind
};

}  // namespace ringmaster
