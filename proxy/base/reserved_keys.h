// Keys on the shards that belong to the proxy: clients neither see nor name them.
#pragma once

#include "base/bytes.h"

namespace ringmaster {

inline constexpr Bytes kReservedPrefix = "__rm:";

inline bool IsReserved(Bytes key) { return key.starts_with(kReservedPrefix); }

}  // namespace ringmaster
