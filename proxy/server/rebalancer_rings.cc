// The rings of a pool: as text and in the epoch log, on the shards as marks, for the workers as
// snapshots.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/planted.h"
#include "config/dump.h"
#include "server/pool_worker.h"
#include "server/rebalancer.h"
#include "server/server.h"
#include "server/snapshot.h"

namespace ringmaster {

void Rebalancer::Refresh(PoolConfig& pool, const PoolConfig& from) {
  for (ShardConfig& shard : pool.shards) {
    for (const ShardConfig& known : from.shards) {
      if (known.name != shard.name) continue;
      const uint32_t weight = shard.weight;
      shard = known;
      shard.weight = weight;
    }
  }
}

ShardClientName Rebalancer::NameOf(const std::string& what) const {
  const std::string family = "rm:" + identity_ + ":";
  const uint64_t life = database_ != nullptr ? database_->incarnation() : 1;
  const std::string own = family + std::to_string(life) + ":";
  return {own + what, family, own};
}

const PoolConfig& Rebalancer::Wanted() const { return config_.pools[pool_]; }

// As a configuration of its own, so that it is read by the same rules.
std::string Rebalancer::Write(const PoolConfig& pool) const {
  Config kept;
  PoolConfig ring;
  ring.name = pool.name;
  ring.listen = {ListenConfig{Address{Address::kTcp, "127.0.0.1", 6380, ""}, {}}};  // never opened
  ring.ring = pool.ring;
  ring.shards = pool.shards;
  kept.pools.push_back(std::move(ring));
  return DumpConfig(kept, Secrets::kShown);
}

Result<PoolConfig> Rebalancer::Read(const std::string& text) {
  Result<Config> config = ParseConfig(text, "the state database");
  if (!config) return config.error();
  return config->pools.front();
}

bool Rebalancer::SameRing(const PoolConfig& a, const PoolConfig& b) const {
  return Write(a) == Write(b);
}

std::vector<ShardConfig> Rebalancer::ShardsOf(const RingMove& move, const PoolConfig& from,
                                              const PoolConfig& to) {
  std::vector<ShardConfig> shards;
  for (const ShardSpec& spec : move.shards()) {
    for (const PoolConfig* side : {&to, &from}) {
      const auto at = std::find_if(side->shards.begin(), side->shards.end(),
                                   [&](const ShardConfig& each) { return each.name == spec.name; });
      if (at == side->shards.end()) continue;
      shards.push_back(*at);
      break;
    }
  }
  return shards;
}

Status Rebalancer::MakeCurrent() {
  if (move_ != nullptr) {
    auto made = MakeSnapshot(ShardsOf(*move_, ring_.pool, next_.pool), config_, snapshot_,
                             move_->to(), move_, WorkersName());
    if (!made) return made.error();
    snapshot_ = *made;
    return Done();
  }
  auto topology = Topology::Build(SpecOf(ring_.pool), ring_.epoch);
  if (!topology) return topology.error();
  auto made =
      MakeSnapshot(ring_.pool.shards, config_, snapshot_, *topology, nullptr, WorkersName());
  if (!made) return made.error();
  snapshot_ = *made;
  return Done();
}

void Rebalancer::PostSnapshot() {
  server_.PostToPool(pool_, [snapshot = snapshot_](PoolWorker& worker) { worker.Use(snapshot); });
}

Status Rebalancer::Begin(const Config& config) {
  config_ = config;
  ring_ = {1, Wanted()};
  identity_ = server_.run_id().substr(0, 16);
  if (database_ == nullptr) return MakeCurrent();
  log_ = std::make_unique<EpochLog>(*database_, Wanted().name);
  const Result<std::string> identity = log_->Identity();
  if (!identity) return identity.error();
  identity_ = *identity;
  const Result<EpochLog::Loaded> loaded = log_->Load();
  if (!loaded) return loaded.error();
  bool known = loaded->settled.has_value();
  if (known) {
    const Result<PoolConfig> before = Read(loaded->settled->ring);
    if (!before) return before.error();
    known = std::any_of(before->shards.begin(), before->shards.end(), [&](const auto& shard) {
      return std::any_of(Wanted().shards.begin(), Wanted().shards.end(), [&](const auto& now) {
        return now.address == shard.address || now.name == shard.name;
      });
    });
    if (known) {
      ring_ = {loaded->settled->epoch, *before};
    } else {
      LogWarning(
          "pool {}: the ring in {} has no shard in common with the configuration and is "
          "forgotten",
          Wanted().name, database_->path());
      ring_.epoch = loaded->settled->epoch + 1;
      if (loaded->moving) ring_.epoch = loaded->moving->epoch + 1;
    }
  }
  if (!known) {
    log_->Write(EpochLog::State::kSettled, {ring_.epoch, Write(ring_.pool)}, [](bool) {});
    return MakeCurrent();
  }
  Refresh(ring_.pool, Wanted());
  TellOfMissing();
  if (!loaded->moving || Planted("barrier-forgotten")) return MakeCurrent();
  const Result<PoolConfig> target = Read(loaded->moving->ring);
  if (!target) return target.error();
  next_ = {loaded->moving->epoch, *target};
  Refresh(next_.pool, Wanted());
  auto move = RingMove::Plan(SpecOf(ring_.pool), SpecOf(next_.pool), next_.epoch);
  if (!move) return move.error();
  move_ = *move;
  LogInfo("pool {}: the move to epoch {} goes on", Wanted().name, next_.epoch);
  if (const Status made = MakeCurrent(); !made) return made;
  Actions actions;
  coordinator_.Resume(move_->donors().size(), actions);
  CarryOut(actions);
  return Done();
}

// Shards that left the configuration while the proxy was down still own their keys.
void Rebalancer::TellOfMissing() const {
  for (const ShardConfig& shard : ring_.pool.shards) {
    const auto& wanted = Wanted().shards;
    if (std::any_of(wanted.begin(), wanted.end(),
                    [&](const ShardConfig& each) { return each.name == shard.name; })) {
      continue;
    }
    LogWarning(
        "pool {}: shard {} ({}) owns keys by the ring in {} and is not in the configuration: they "
        "are to move off it, and until then it is needed; if it is gone for good, PROXY REBALANCE "
        "ABANDON {} gives them up",
        Wanted().name, shard.name, shard.address.ToString(), database_->path(), shard.name);
  }
}

std::string Rebalancer::WorkersName() const {
  return NameOf(std::string(RingMark::kWorker) + ConnectionWord(Wanted().name)).name;
}

// Who owns what: names, weights and how keys are placed.
std::string Rebalancer::DigestOf(const PoolConfig& pool) {
  const TopologySpec spec = SpecOf(pool);
  std::vector<std::string> shards;
  for (const ShardSpec& shard : spec.shards) {
    shards.push_back(fmt::format("{} {}", shard.weight, shard.name));
  }
  // For the remainder of a division the order counts.
  if (spec.distribution != DistributionKind::kModula) std::sort(shards.begin(), shards.end());
  std::string text = fmt::format("{}\n{}\n{}\n{}\n", pool.ring.hash, pool.ring.distribution,
                                 spec.virtual_nodes, spec.hash_tag);
  for (const std::string& shard : shards) text += shard + "\n";
  return RingDigest(text);
}

RingMark Rebalancer::MarkOf(const Ring& ring, const Ring* next) const {
  return {identity_, Wanted().name, ring.epoch, DigestOf(ring.pool),
          next != nullptr ? DigestOf(next->pool) : ""};
}

MoveCheckOptions Rebalancer::CheckOptions() const {
  MoveCheckOptions options;
  options.client_name = NameOf("check");
  options.databases = static_cast<int>(Wanted().databases);
  options.connect_timeout = config_.timeouts.connect;
  options.command_timeout = config_.timeouts.command;
  options.clients = server_.client_figures();
  options.background_share = config_.schedule.background_share;
  return options;
}

// Leaves the mark on the shards of the ring, or says who else works with them. Shards that this
// proxy never moved keys to or from stay without one.
void Rebalancer::MarkShards() {
  if (ring_.epoch <= 1 && move_ == nullptr) return;
  MoveCheckOptions options = CheckOptions();
  options.mark = MarkOf(ring_, move_ != nullptr ? &next_ : nullptr);
  // Whether it may was found out before the barrier.
  options.claim = move_ != nullptr;
  std::vector<ShardTarget> targets;
  for (const ShardConfig& shard : (move_ != nullptr ? next_ : ring_).pool.shards) {
    targets.push_back(MakeTarget(shard));
  }
  executor_.Run([this, options, targets] {
    const std::string wrong = LookAtMarks(targets, options);
    Post([this, wrong] {
      if (!wrong.empty() && wrong != other_proxy_) LogWarning("pool {}: {}", Wanted().name, wrong);
      other_proxy_ = wrong;
    });
  });
}

}  // namespace ringmaster
