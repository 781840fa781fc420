#include "server/snapshot.h"

#include <utility>

namespace ringmaster {
namespace {

// Whose name the shard's certificate must bear; empty: nobody looks.
std::string ExpectedName(const ShardConfig& shard) {
  if (!shard.tls.enabled || !shard.tls.verify) return "";
  if (!shard.tls.server_name.empty()) return shard.tls.server_name;
  return shard.address.kind == Address::kTcp ? shard.address.host : "";
}

// Of one that is followed the host changes.
bool NameIsHost(const ShardConfig& shard) {
  return shard.followed() && shard.tls.enabled && shard.tls.verify && shard.tls.server_name.empty();
}

bool SameLimits(const BackendLimits& a, const BackendLimits& b) {
  return a.connect_timeout == b.connect_timeout && a.command_timeout == b.command_timeout &&
         a.nesting == b.nesting;
}

// A link of before that does the same. Certificates may have changed on disk: `tls` of another
// reload is another one.
std::shared_ptr<ShardLink> Known(const std::shared_ptr<const RouteSnapshot>& previous,
                                 const ShardConfig& shard, const std::shared_ptr<TlsContext>& tls,
                                 const BackendLimits& limits) {
  if (previous == nullptr) return nullptr;
  for (const std::shared_ptr<ShardLink>& link : previous->links) {
    const ShardAddress& at = link->shard();
    const bool here = shard.followed() || at.address == shard.address;
    if (at.name == shard.name && at.master == shard.master && at.followed == shard.followed() &&
        here && at.username == shard.username && at.password == shard.password && at.tls == tls &&
        at.tls_server_name == ExpectedName(shard) && SameLimits(link->limits(), limits)) {
      return link;
    }
  }
  return nullptr;
}

}  // namespace

TopologySpec SpecOf(const PoolConfig& pool) {
  TopologySpec spec;
  spec.hash = ParseHashKind(pool.ring.hash).value_or(HashKind::kXxh3);
  spec.distribution =
      ParseDistributionKind(pool.ring.distribution).value_or(DistributionKind::kRing);
  spec.virtual_nodes = pool.ring.virtual_nodes;
  spec.hash_tag = pool.ring.hash_tag;
  spec.together = pool.ring.together;
  for (const ShardConfig& shard : pool.shards) {
    spec.shards.push_back({shard.name, shard.address.ToString(), shard.weight});
  }
  return spec;
}

Result<std::shared_ptr<const RouteSnapshot>> MakeSnapshot(
    const PoolConfig& pool, const Config& config, const ShardTls& tls,
    const std::shared_ptr<const RouteSnapshot>& previous, uint64_t epoch) {
  auto topology = Topology::Build(SpecOf(pool), epoch);
  if (!topology) return topology.error();
  return MakeSnapshot(pool.shards, config, tls, previous, *topology, nullptr, {});
}

Result<std::shared_ptr<const RouteSnapshot>> MakeSnapshot(
    const std::vector<ShardConfig>& shards, const Config& config, const ShardTls& shard_tls,
    const std::shared_ptr<const RouteSnapshot>& previous, std::shared_ptr<const Topology> topology,
    std::shared_ptr<const RingMove> move, const LinkOptions& options) {
  auto snapshot = std::make_shared<RouteSnapshot>();
  const uint64_t epoch = topology->epoch();
  snapshot->topology = std::move(topology);
  snapshot->move = std::move(move);
  BackendLimits limits;
  limits.connect_timeout = config.timeouts.connect;
  limits.command_timeout = config.timeouts.command;
  limits.nesting = config.limits.nesting;
  for (const ShardConfig& shard : shards) {
    Result<std::shared_ptr<TlsContext>> tls = shard_tls.For(shard.tls);
    if (!tls) return Error{tls.error().code, "shard " + shard.name + ": " + tls.error().text};
    std::shared_ptr<ShardLink> link = Known(previous, shard, *tls, limits);
    if (link == nullptr) {
      ShardAddress at;
      at.name = shard.name;
      at.address = shard.address;
      at.master = shard.master;
      at.followed = shard.followed();
      at.username = shard.username;
      at.password = shard.password;
      at.tls = *tls;
      at.tls_server_name = ExpectedName(shard);
      at.tls_name_is_host = NameIsHost(shard);
      at.client_name = options.client_name;
      link = std::make_shared<ShardLink>(
          std::move(at), limits, std::hash<std::string>()(shard.name) ^ epoch,
          options.places == nullptr ? nullptr : options.places->Of(options.pool, shard));
    }
    snapshot->links.push_back(std::move(link));
  }
  return std::shared_ptr<const RouteSnapshot>(std::move(snapshot));
}

ShardTarget MakeTarget(const ShardConfig& shard, std::shared_ptr<ShardPlace> place) {
  ShardTarget target{shard.name, shard.address, shard.username, shard.password, {}, ""};
  target.place = std::move(place);
  target.tls_name_is_host = NameIsHost(shard);
  if (shard.tls.enabled) {
    target.tls = OptionsOf(shard.tls);
    target.tls_server_name = ExpectedName(shard);
  }
  return target;
}

}  // namespace ringmaster
