// What movers carry, and who waits for it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "move/key_transfer.h"
#include "move/shard_client.h"

namespace ringmaster {

// Who waits for a key. Called on the mover's thread.
struct KeyAsker {
  // At the end. Empty: the key is here; otherwise why not.
  std::function<void(const std::string& error)> done;
  // Before, maybe: a large key is copied, and the donor serves reads of it until `end_reads`;
  // that calls `ended`, on any thread, when all are answered. Without them the asker does not
  // read.
  std::function<void()> read_old = nullptr;
  std::function<void(const std::function<void()>& ended)> end_reads = nullptr;
};

// One key on its way, by a donor's mover.
struct MoverItem {
  int database;
  std::string key;
  std::vector<KeyAsker> askers = {};  // who waited when it set out
  KeyTransfer transfer = {};
  uint32_t to = 0;
  ShardReply payload;
  Bytes view = {};  // the payload, while somebody keeps its reply
  int64_t ttl = -1;
  int64_t rank = -1;  // by which the donor would evict it; -1: it was not asked
  TimePoint dumped_at{};
  int64_t estimate = 0;  // of what the donor keeps for it, where it was asked
  uint64_t size = 0;     // of what was carried
  bool sent = false;     // its RESTORE
  bool moved = false;    // by this transfer
  bool later = false;    // too much for one batch
  bool broke = false;    // failed for a connection that was up, not for an answer
  std::string error;
};

}  // namespace ringmaster
