// Whether two replies say the same, where Redis leaves an order open.
#pragma once

#include <string>

#include "base/bytes.h"
#include "sizes/commands.h"

namespace ringmaster::sizes {

// A reply that is a value of PFADD.
bool IsHyperLogLog(Bytes reply);
// REQUIRES: both are whole replies.
bool SameReply(const Command& command, Bytes expected, Bytes actual);

// A reply for people: its beginning, its length, and for an error all of it.
std::string ShortReply(Bytes reply);

}  // namespace ringmaster::sizes
