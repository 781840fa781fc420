// A client that wants little while others want much: PING, SET and GET in turn, each with a
// deadline.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/address.h"
#include "base/clock.h"
#include "sizes/round.h"

namespace ringmaster::sizes {

// Asks `address` until `stop`, or until a reply is wrong or does not come within `patience`, which
// is a finding. `worst_us`: the longest that a reply took. Every tenth time over a new connection.
void StandBy(const Address& address, const std::string& name, Duration patience,
             const std::atomic<bool>& stop, std::atomic<int64_t>& worst_us, Findings& findings);

}  // namespace ringmaster::sizes
