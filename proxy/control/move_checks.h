// What must hold before keys move (PROTOCOLS.md 4.2). Asks the shards and waits for them: for a
// thread of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "control/shard_client.h"
#include "ring/ring_move.h"

namespace ringmaster {

struct MoveCheckOptions {
  std::shared_ptr<const RingMove> move;
  std::vector<ShardTarget> targets;  // by index of the move
  ShardClientName client_name;
  int databases = 16;
  Duration connect_timeout{};
  Duration command_timeout{};
  // Back where the keys came from: what is found on the way is left of the move before.
  bool reversal = false;
  // Names this proxy and its ring on the shards, so that another proxy with another ring is
  // noticed.
  std::string identity;
};

// Every reason why not, one a line; each says what to do.
Status CheckMove(const MoveCheckOptions& options);

}  // namespace ringmaster
