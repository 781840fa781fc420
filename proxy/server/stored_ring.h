// A ring as the state database keeps it: a JSON object of a format that has a version, so that what
// a later version adds or the configuration calls otherwise by then cannot keep a proxy from
// starting.
//
//   {"format": 1, "hash": "xxh3", "distribution": "ring", "virtual_nodes": 1024, "hash_tag": "{}",
//    "shards": [{"name": "a", "address": "127.0.0.1:7001", "weight": 1, "tls": false}, ...]}
//
// With rules of ring.together the format is 2, and they are there as "together".
// Texts may hold any bytes: each byte is one character (U+0000 to U+00FF). Unknown keys are
// ignored; a higher "format" is refused. How to log in at a shard is what the configuration says;
// only of a shard that the configuration does not have any more, "login" and all of "tls" are
// there, as its keys still have to leave it.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "config/config.h"

namespace ringmaster {

// Of `ring` its `ring` and `shards` count. `wanted` is what the configuration says.
std::string WriteStoredRing(const PoolConfig& ring, const PoolConfig& wanted);
// Those of WriteStoredRing; before format 1, a configuration in YAML. Logins and TLS are those of
// `wanted`: of the shard with the same name; for one that left, what was stored, or else what its
// shards have in common.
Result<PoolConfig> ReadStoredRing(const std::string& text, const PoolConfig& wanted);

// Shards of `ring` get address, login and TLS of those of the same name; what they own may not
// change.
void RefreshShards(PoolConfig& ring, const PoolConfig& from);

}  // namespace ringmaster
