#include "command/whole/pool_version.h"

#include <memory>

#include "route/router.h"

namespace ringmaster {
namespace {

constexpr char kVersionOfRows[] = "7.0.15";

void TakeEarlier(const std::string& version, std::string& earliest) {
  if (version.empty()) return;
  if (earliest.empty() || IsEarlier(version, earliest)) earliest = version;
}

}  // namespace

PoolVersion VersionOf(const Routes& routes) {
  PoolVersion pool;
  bool all_valkey = true;
  for (uint32_t shard = 0; shard < routes.shard_count(); ++shard) {
    const std::shared_ptr<const ServerFacts> facts = routes.backend(shard).link().facts();
    if (facts == nullptr) continue;
    TakeEarlier(facts->redis_version, pool.redis_version);
    TakeEarlier(facts->valkey_version, pool.valkey_version);
    all_valkey = all_valkey && !facts->valkey_version.empty();
  }
  if (!all_valkey) pool.valkey_version.clear();
  if (pool.redis_version.empty()) pool.redis_version = kVersionOfRows;
  return pool;
}

}  // namespace ringmaster
