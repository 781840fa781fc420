// By what a server chooses keys to evict, and how that is carried along: a key that moves keeps its
// rank among the others, so that a move of cold keys does not drive out the hot ones.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "resp/info_text.h"

namespace ringmaster {

struct Eviction {
  // What OBJECT tells of its keys, and RESTORE takes.
  enum class Rank : uint8_t { kIdleTime, kFrequency };
  Rank rank = Rank::kIdleTime;
  bool evicts = false;

  // Of INFO's section on memory.
  static Eviction FromInfo(Bytes info) {
    const Bytes policy = FieldOfInfo(info, "maxmemory_policy");
    const bool by_frequency = policy.find("lfu") != Bytes::npos;
    const bool by_rank = by_frequency || policy.find("lru") != Bytes::npos;
    const bool bounded = ParseInteger(FieldOfInfo(info, "maxmemory")).value_or(0) > 0;
    return {by_frequency ? Rank::kFrequency : Rank::kIdleTime, by_rank && bounded};
  }
  // The word for it, of OBJECT and of RESTORE.
  Bytes word() const { return rank == Rank::kFrequency ? "FREQ" : "IDLETIME"; }
  // Whether a key that comes from there should keep its rank here.
  bool Keeps(const Eviction& donor) const { return evicts && rank == donor.rank; }
};

}  // namespace ringmaster
