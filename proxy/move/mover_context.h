// What goes into the movers of one move, and what can be seen of each.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "move/move_pacer.h"
#include "move/options.h"
#include "move/shard_client.h"
#include "ring/ring_move.h"

namespace ringmaster {

// What the movers of one move share. Lives longer than they do.
struct MoverContext {
  std::shared_ptr<const RingMove> move;
  std::vector<ShardTarget> targets;  // by index of the move
  ShardClientName client_name;
  int databases = 16;
  Duration connect_timeout{};
  Duration command_timeout{};
  uint32_t batch = 64;
  std::atomic<DurableMove> durable_move{DurableMove::kOff};
  std::atomic<uint64_t> max_keys_per_second{0};  // of each donor; 0: no bound
  std::shared_ptr<MovePacer> pacer;              // of all movers together
  std::atomic<bool> paused{false};
};

struct SlowKey {
  std::string key;  // at most its first 100 bytes
  Duration took{};
};

// One that is copied in pieces now.
struct LargeKey {
  std::string key;    // at most its first 100 bytes
  std::string type;   // empty: there is none
  uint64_t size = 0;  // in elements; a string: in bytes
  uint64_t done = 0;
  uint64_t bytes = 0;  // of all, by the donor's own estimate
};

struct MoverFigures {
  uint64_t keys = 0;             // moved
  uint64_t bytes = 0;            // their payloads
  uint64_t pulls = 0;            // of which clients waited for
  uint64_t scanned = 0;          // keys of the donor looked at in this pass
  uint64_t passes = 0;           // over the whole donor, begun
  uint64_t expected = 0;         // keys to move, as estimated when the sweep began
  uint64_t largest = 0;          // payload
  uint64_t old_copies = 0;       // of moved keys, kept until the new ones are durable
  std::vector<SlowKey> slowest;  // the slowest first, a few
  LargeKey in_hand;
  std::string trouble;  // what holds it up; empty: nothing
  bool swept = false;

  uint64_t keys_left() const { return swept || expected < keys ? 0 : expected - keys; }
  uint64_t bytes_left() const { return keys == 0 ? 0 : keys_left() * (bytes / keys); }
};

}  // namespace ringmaster
