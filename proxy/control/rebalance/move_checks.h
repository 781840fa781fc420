// What must hold before keys move (docs/resharding.md). Asks the shards and waits for them: for a
// thread of its own.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "move/move_pacer.h"
#include "move/ring_mark.h"
#include "move/shard_client.h"
#include "ring/ring_move.h"

namespace ringmaster {

struct MoveCheckOptions {
  std::shared_ptr<const RingMove> move;
  std::vector<ShardTarget> targets;  // by index of the move
  ShardClientName client_name;
  int databases = 16;
  Duration connect_timeout{};
  Duration command_timeout{};
  ClientFigures clients = {};
  double background_share = 0.05;  // as MovePacer's floor
  // Back where the keys came from: what is found on the way is left of the move before.
  bool reversal = false;
  // This proxy and its ring.
  RingMark mark;
  std::set<std::string> given_up;  // shards that are gone for good, with their keys
  bool claim = false;              // what a proxy that is gone left there does not count
};

// Every reason why not; each says what to do.
Status CheckMove(const MoveCheckOptions& options);

// Whether the shards that answer follow options.mark: what is wrong, or empty; then it leaves the
// mark on them anew. Of the options only those of connections count.
std::string LookAtMarks(const std::vector<ShardTarget>& targets, const MoveCheckOptions& options);

}  // namespace ringmaster
