// What a gate calls when it lets a call go: given to it as values, so that gates stand below
// dispatch and can be tested without it.
#pragma once

#include <cstdint>

namespace ringmaster {

struct Call;

struct Serving {
  using Serve = void (*)(Call& call);
  using ServeAt = void (*)(Call& call, uint32_t shard);

  // Serves it whatever is locked or moves.
  Serve now = nullptr;
  // The same for what waited for locks: the gate of moves comes next.
  Serve after_lock = nullptr;
  // The same for what waited for a move: a flush then waits until nothing is carried.
  Serve after_move = nullptr;
  // By its command's plan: gates are asked anew.
  Serve by_plan = nullptr;
  // At this shard. REQUIRES: it is passed on as it is, and has one key.
  ServeAt at_shard = nullptr;
};

}  // namespace ringmaster
