// Whose a parameter of CONFIG is. One table says it for every name that a server of Redis 7.0 has,
// and for those of newer ones that would matter to the proxy; a test goes through CONFIG GET *.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace ringmaster {

enum class ConfigOwner : uint8_t {
  kShards,     // every shard has the same value
  kShares,     // the value is the pool's, and each shard has a share of it
  kBoth,       // the proxy's, and every shard has the same
  kProxy,      // the proxy's own, set until the next start or until a reload brings another
  kFixed,      // the proxy's own, and stands in its configuration
  kLinks,      // the proxy's connections to its shards depend on it: never set through the proxy
  kOneServer,  // means another thing on each server: never set through the proxy
  kSecret,     // as kOneServer, and not shown either
};

struct ConfigName {
  const char* name = "";
  ConfigOwner owner = ConfigOwner::kShards;
  // Not to be set: a clause behind "CONFIG SET failed (...) - ", what it is or where it stands.
  const char* why = "";
};

// By name, in alphabetical order.
std::span<const ConfigName> ConfigNames();
// Of a name in any case. One that is not in the table is the shards', who know what it is, unless
// it belongs to a family that is not (tls-...).
const ConfigName& FindConfigName(Bytes name);
// It can be set, as far as the proxy has a say in it.
bool IsSettable(const ConfigName& name);

}  // namespace ringmaster
