#include "server/primaries.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "server/shard_places.h"
#include "server/snapshot.h"
#include "worker/worker_group.h"

namespace ringmaster {
namespace {

constexpr Duration kPatience = std::chrono::seconds(3);

}  // namespace

Primaries::Primaries(Mailbox& mailbox, const ServerStatus& status,
                     std::unique_ptr<WorkerGroup>& workers,
                     const std::vector<std::unique_ptr<Rebalancer>>& rebalancers)
    : mailbox_(mailbox), status_(status), workers_(workers), rebalancers_(rebalancers) {}

// Those of the configuration, and those that left it and still have keys.
std::vector<SentinelOptions> Primaries::Asked() const {
  std::vector<SentinelOptions> all;
  for (size_t i = 0; i < status_.config().pools.size(); ++i) {
    const PoolConfig& pool = status_.config().pools[i];
    if (pool.sentinels.addresses.empty()) continue;
    SentinelOptions options{
        pool.name, pool.sentinels.addresses, pool.sentinels.username, pool.sentinels.password, {}};
    const auto add = [&options](const std::string& name, const std::string& master,
                                std::shared_ptr<ShardPlace> place) {
      const auto same = [&](const FollowedShard& each) { return each.master == master; };
      if (master.empty() || std::any_of(options.shards.begin(), options.shards.end(), same)) return;
      options.shards.push_back({name, master, std::move(place)});
    };
    for (const ShardConfig& shard : pool.shards) {
      add(shard.name, shard.master, status_.places->Of(pool.name, shard));
    }
    if (i < rebalancers_.size()) {
      for (const auto& link : rebalancers_[i]->snapshot()->links) {
        add(link->name(), link->shard().master, link->place());
      }
    }
    all.push_back(std::move(options));
  }
  return all;
}

// The same. What moves keys knows how to log in to those that left.
std::vector<ProbedGroup> Primaries::Groups() const {
  std::vector<ProbedGroup> all;
  for (size_t i = 0; i < status_.config().pools.size(); ++i) {
    const PoolConfig& pool = status_.config().pools[i];
    std::vector<ShardConfig> shards = pool.shards;
    if (i < rebalancers_.size()) {
      for (const ShardConfig& shard : rebalancers_[i]->shards()) {
        const bool known = std::any_of(shards.begin(), shards.end(), [&](const ShardConfig& each) {
          return each.name == shard.name;
        });
        if (!known) shards.push_back(shard);
      }
    }
    for (const ShardConfig& shard : shards) {
      const std::shared_ptr<ShardPlace> place = status_.places->Of(pool.name, shard);
      if (place == nullptr) continue;
      ProbedGroup group{pool.name, shard.name, place, MakeTarget(shard, place), shard.replicas};
      if (!shard.replicas.empty()) group.members.insert(group.members.begin(), shard.address);
      all.push_back(std::move(group));
    }
  }
  return all;
}

void Primaries::Chosen(const ProbedGroup& group, const Address& to, const std::string& why) {
  if (beginning_) {
    LogInfo("pool {}: shard {} is at {}, by the roles of its servers: at {} {}", group.pool,
            group.name, to.ToString(), group.place->address().ToString(), why);
    return group.place->Begin(to);
  }
  mailbox_.Post([this, pool = group.pool, shard = FollowedShard{group.name, "", group.place}, to,
                 why] { Switch(pool, shard, to, why); });
}

void Primaries::FollowRoles() {
  std::vector<ProbedGroup> groups = Groups();
  // Where others are their Sentinels say later.
  if (beginning_) std::erase_if(groups, [](const auto& each) { return each.members.empty(); });
  if (groups.empty() && probes_ == nullptr) return;
  if (probes_ == nullptr) {
    probes_ =
        std::make_unique<ShardProbes>([this](const ProbedGroup& group, const Address& to,
                                             const std::string& why) { Chosen(group, to, why); });
  }
  if (beginning_) return probes_->Begin(groups);
  probes_->Use(groups);
}

// Without Sentinels there is no thread that asks them.
void Primaries::Follow() {
  FollowRoles();
  const std::vector<SentinelOptions> asked = Asked();
  if (asked.empty() && discovery_ == nullptr) return;
  const auto accepted = [this](const std::string& pool, const FollowedShard& shard,
                               const SentinelVotes::Primary& primary) {
    mailbox_.Post([this, pool, shard, primary] { OnAccepted(pool, shard, primary); });
  };
  if (discovery_ == nullptr) discovery_ = std::make_unique<Discovery>(accepted);
  discovery_->Use(asked);
  // What is known already is no news to it.
  for (const SentinelOptions& pool : asked) {
    for (const FollowedShard& shard : pool.shards) {
      const auto known = discovery_->Find(pool.pool, shard.master);
      if (known) OnAccepted(pool.pool, shard, *known);
    }
  }
}

void Primaries::Begin() {
  Follow();
  if (discovery_ == nullptr) return;
  if (!discovery_->AwaitAll(kPatience)) {
    LogWarning(
        "not every shard has a primary by a majority of its Sentinels; until it has, it is looked "
        "for where the configuration says");
  }
  for (const SentinelOptions& pool : Asked()) {
    for (const FollowedShard& shard : pool.shards) {
      const auto primary = discovery_->Find(pool.pool, shard.master);
      if (!primary) continue;
      LogInfo("pool {}: shard {} is at {}, by its Sentinels (config-epoch {})", pool.pool,
              shard.name, primary->address.ToString(), primary->config_epoch);
      shard.place->Begin(primary->address);
    }
  }
}

void Primaries::OnAccepted(const std::string& pool, const FollowedShard& shard,
                           const SentinelVotes::Primary& primary) {
  Switch(
      pool, shard, primary.address,
      fmt::format("a majority of its Sentinels says so (config-epoch {})", primary.config_epoch));
}

void Primaries::Switch(const std::string& pool, const FollowedShard& shard, const Address& to,
                       const std::string& why) {
  if (status_.stopping || workers_ == nullptr) return;
  const auto& pools = status_.config().pools;
  const auto at = std::find_if(pools.begin(), pools.end(),
                               [&](const PoolConfig& each) { return each.name == pool; });
  if (at == pools.end()) return;
  const auto under_way = switches_.find(shard.place.get());
  if (under_way != switches_.end()) {
    under_way->second.next = to;
    return;
  }
  const Address before = shard.place->address();
  if (before == to) return;
  LogWarning("pool {}: shard {} switches from {} to {}: {}", pool, shard.name, before.ToString(),
             to.ToString(), why);
  Leave(static_cast<size_t>(at - pools.begin()), shard, to);
}

void Primaries::Leave(size_t pool, const FollowedShard& shard, const Address& to) {
  shard.place->Leave();
  switches_[shard.place.get()] = {workers_->size(), to, std::nullopt};
  workers_->Post(pool, [this, pool, shard](PoolWorker& worker) {
    worker.CloseRevoked();
    mailbox_.Post([this, pool, shard] {
      if (--switches_[shard.place.get()].left == 0) Arrive(pool, shard);
    });
  });
}

void Primaries::Arrive(size_t pool, const FollowedShard& shard) {
  const Leaving done = switches_[shard.place.get()];
  switches_.erase(shard.place.get());
  if (status_.stopping) return;
  if (done.next && !(*done.next == done.to)) return Leave(pool, shard, *done.next);
  for (const auto& link : rebalancers_[pool]->snapshot()->links) {
    if (link->place() == shard.place) link->OnSwitched();
  }
  shard.place->Arrive(done.to);
  // What waits goes out now and not with the next tick.
  workers_->Post(pool, [](PoolWorker& worker) { worker.CloseRevoked(); });
  LogInfo("pool {}: shard {} is at {} now", status_.config().pools[pool].name, shard.name,
          done.to.ToString());
}

}  // namespace ringmaster
