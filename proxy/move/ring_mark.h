// What a proxy leaves on the shards whose ring it has changed: a hidden key that says whose ring
// they follow and which epoch of it. Together with the names of connections it lets a proxy notice
// another one that would not follow its moves (docs/resharding.md).
//
// Asks shards and waits for them: for a thread of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "move/shard_client.h"

namespace ringmaster {

struct RingMark {
  static constexpr Bytes kKey = "__rm:proxy";  // in database 0
  // How a worker's connections are named behind the proxy's own part.
  static constexpr Bytes kWorker = "worker:";

  std::string identity;  // of the proxy, as in the names of its connections
  std::string pool;
  uint64_t epoch = 0;
  std::string ring;  // digest of the ring in force
  std::string next;  // of the one that its keys are on their way to; empty: none move
  // Which shard of the ring bears it, as a ConnectionWord; empty: an earlier version left it.
  std::string shard = {};

  std::string Text() const;
  static std::optional<RingMark> Parse(Bytes text);
};

// What two proxies compare: who owns which key, not where shards are or how to log in. `ring` is
// any text that says so.
std::string RingDigest(Bytes ring);
// Names of connections are words.
std::string ConnectionWord(Bytes text);

// Why `mine` must not change the ring that this shard follows; empty: it may. `claim`: what a proxy
// that is gone left there does not count. REQUIRES: connected, database 0.
std::string WhyNotOurs(ShardClient& shard, const RingMark& mine, bool claim);
// With the shard's name. False: it could not be written.
bool LeaveMark(ShardClient& shard, RingMark mine);
// What it bears; nothing: no mark, or none that can be read. REQUIRES: as above.
std::optional<RingMark> ReadMark(ShardClient& shard);
void RemoveMark(ShardClient& shard);

}  // namespace ringmaster
