// What an operator may choose about workers.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace ringmaster {

// How clients spread over the workers.
struct BalanceOptions {
  bool push = true;  // loads are evened out every `interval`
  bool pull = true;  // a worker about to sleep may ask for a client of another
  Duration interval = std::chrono::milliseconds(100);
  double threshold = 0.15;  // of the mean: who is busier by that has too much
  uint32_t gather = 8;      // clients that share one worker while it has time; 0: never
};

// How the clients of one worker take turns.
struct TurnOptions {
  uint32_t quantum = 32;  // commands of one client in a turn
  uint32_t window = 512;  // and under way
};

}  // namespace ringmaster
