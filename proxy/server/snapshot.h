// From the configuration of a pool to what its workers route by.
#pragma once

#include <memory>

#include "config/config.h"
#include "move/shard_client.h"
#include "route/router.h"
#include "server/shard_places.h"
#include "server/shard_tls.h"

namespace ringmaster {

// What a pool's ring is made of.
TopologySpec SpecOf(const PoolConfig& pool);

// Shards that stay as they are keep their link, and with it their connections. `previous` may be
// empty.
Result<std::shared_ptr<const RouteSnapshot>> MakeSnapshot(
    const PoolConfig& pool, const Config& config, const ShardTls& tls,
    const std::shared_ptr<const RouteSnapshot>& previous, uint64_t epoch);
// What is the same for all links of a pool.
struct LinkOptions {
  std::string pool = {};
  std::string client_name = {};              // how connections to the shards are called there
  std::shared_ptr<ShardPlaces> places = {};  // empty: nobody is followed
};
// The same for a topology that is there already, `shards` at its indexes; `move` may be empty.
Result<std::shared_ptr<const RouteSnapshot>> MakeSnapshot(
    const std::vector<ShardConfig>& shards, const Config& config, const ShardTls& tls,
    const std::shared_ptr<const RouteSnapshot>& previous, std::shared_ptr<const Topology> topology,
    std::shared_ptr<const RingMove> move, const LinkOptions& options);

// How blocking clients reach it, where it is by then. `place`: ShardPlaces::Of.
ShardTarget MakeTarget(const ShardConfig& shard, std::shared_ptr<ShardPlace> place);

}  // namespace ringmaster
