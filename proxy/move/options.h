// What must have the new copy of a key that moves before its old copy goes (docs/resharding.md).
#pragma once

#include <cstdint>

namespace ringmaster {

enum class DurableMove : uint8_t {
  kOff,
  kAof,      // the new owner's disk, where it has an append-only file that is ever synchronized and
             // knows WAITAOF (Redis 7.2); elsewhere as kOff
  kReplica,  // a replica of the new owner
};

}  // namespace ringmaster
