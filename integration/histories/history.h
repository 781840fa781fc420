// One history from its beginning to its verdict.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "histories/world.h"

namespace ringmaster::histories {

struct Verdict {
  uint64_t operations = 0;
  uint64_t failed = 0;
  uint64_t unknown = 0;
  uint64_t scans = 0;
  uint64_t moves = 0;
  uint64_t faults = 0;
  std::vector<std::string> anomalies;
  std::string log;  // the proxy's
};
// REQUIRES: on the main thread.
Verdict RunHistory(uint64_t seed, Fault fault, Duration how_long, int clients);

}  // namespace ringmaster::histories
