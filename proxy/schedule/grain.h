// How much of something fits into a span of a shard's time, learned from requests: keys, elements,
// bytes. Pure; one thread.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace ringmaster {

class Grain {
 public:
  // `each_nanos`: a guess at the shard's time for one, until it is known.
  explicit Grain(double each_nanos) : each_(each_nanos) {}

  // A request for so much took so long, of which `round_trip` one for nothing would have taken.
  void OnRequest(uint64_t amount, Duration took, Duration round_trip);
  // REQUIRES: least <= most.
  uint64_t Amount(Duration span, uint64_t least, uint64_t most) const;
  Duration Time(uint64_t amount) const {
    return Duration(static_cast<int64_t>(each_ * static_cast<double>(amount)));
  }

 private:
  double each_;  // nanoseconds
};

}  // namespace ringmaster
