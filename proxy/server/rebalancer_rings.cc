// The rings of a pool: as text and in the epoch log, on the shards as marks, for the workers as
// snapshots.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/planted.h"
#include "server/rebalancer.h"
#include "server/snapshot.h"
#include "server/status.h"
#include "server/stored_ring.h"
#include "worker/worker_group.h"

namespace ringmaster {

ShardClientName Rebalancer::NameOf(const std::string& what) const {
  const std::string family = "rm:" + identity_ + ":";
  const uint64_t life = database_ != nullptr ? database_->incarnation() : 1;
  const std::string own = family + std::to_string(life) + ":";
  return {own + what, family, own};
}

std::string Rebalancer::Write(const PoolConfig& pool) const {
  return WriteStoredRing(pool, Wanted());
}

// The files that were stored for TLS with a shard that left may be gone by now; then those of
// another shard may do.
Result<PoolConfig> Rebalancer::Read(const std::string& text) const {
  Result<PoolConfig> pool = ReadStoredRing(text, Wanted());
  if (!pool) return pool;
  for (ShardConfig& shard : pool->shards) {
    if (!shard.tls.enabled || compiled_->shard_tls.For(shard.tls)) continue;
    const auto other = std::find_if(Wanted().shards.begin(), Wanted().shards.end(),
                                    [](const ShardConfig& each) { return each.tls.enabled; });
    LogWarning(
        "pool {}: the files for TLS with shard {}, which is not in the configuration, cannot "
        "be read any more: {}",
        Wanted().name, shard.name,
        other == Wanted().shards.end() ? "only the system's authorities are trusted"
                                       : "those of shard " + other->name + " are used");
    TlsConfig tls;
    tls.enabled = true;
    tls.verify = shard.tls.verify;
    if (other != Wanted().shards.end()) tls = other->tls;
    tls.server_name = shard.tls.server_name;
    shard.tls = std::move(tls);
  }
  return pool;
}

// A shard that is not in the configuration any more is needed until its keys are gone, also after a
// restart.
void Rebalancer::KeepLoginsOfLeaving() {
  using Phase = MoveCoordinator::Phase;
  // A ring that is being settled is written as it is to stay.
  if (log_ == nullptr || coordinator_.phase() == Phase::kSettling) return;
  log_->Write(EpochLog::State::kSettled, {ring_.epoch, Write(ring_.pool)}, [](bool) {});
  if (move_ == nullptr) return;
  log_->Write(EpochLog::State::kAlone, {next_.epoch, Write(next_.pool)}, [](bool) {});
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

// While keys move, `ring` is where they come from and `next` where they go.
Result<std::shared_ptr<const RouteSnapshot>> Rebalancer::SnapshotOf(
    const Ring& ring, const Ring& next, const CompiledConfig& compiled) const {
  if (move_ != nullptr) {
    return MakeSnapshot(ShardsOf(*move_, ring.pool, next.pool), compiled.config(),
                        compiled.shard_tls, snapshot_, move_->to(), move_, Links());
  }
  auto topology = Topology::Build(SpecOf(ring.pool), ring.epoch);
  if (!topology) return topology.error();
  return MakeSnapshot(ring.pool.shards, compiled.config(), compiled.shard_tls, snapshot_, *topology,
                      nullptr, Links());
}

Status Rebalancer::MakeCurrent() {
  auto made = SnapshotOf(ring_, next_, *compiled_);
  if (!made) return made.error();
  snapshot_ = std::move(*made);
  return Done();
}

void Rebalancer::PostSnapshot() {
  workers_.Post(pool_, [snapshot = snapshot_](PoolWorker& worker) { worker.Use(snapshot); });
}

Status Rebalancer::Begin(std::shared_ptr<const CompiledConfig> compiled) {
  compiled_ = std::move(compiled);
  ring_ = {1, Wanted()};
  identity_ = status_.run_id.substr(0, 16);
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
  TellOfMissing();
  if (!loaded->moving || Planted("barrier-forgotten")) {
    KeepLoginsOfLeaving();
    return MakeCurrent();
  }
  const Result<PoolConfig> target = Read(loaded->moving->ring);
  if (!target) return target.error();
  next_ = {loaded->moving->epoch, *target};
  auto move = RingMove::Plan(SpecOf(ring_.pool), SpecOf(next_.pool), next_.epoch);
  if (!move) return move.error();
  move_ = *move;
  LogInfo("pool {}: the move to epoch {} goes on", Wanted().name, next_.epoch);
  if (Status made = MakeCurrent(); !made) return made;
  KeepLoginsOfLeaving();
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

LinkOptions Rebalancer::Links() const { return {Wanted().name, WorkersName(), status_.places}; }

ShardTarget Rebalancer::TargetOf(const ShardConfig& shard) const {
  return MakeTarget(shard, status_.places->Of(Wanted().name, shard));
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
  for (const std::string& rule : spec.together) text += "together " + rule + "\n";
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
  options.connect_timeout = config().timeouts.connect;
  options.command_timeout = config().timeouts.command;
  options.clients = Clients();
  options.background_share = config().schedule.background_share;
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
    targets.push_back(TargetOf(shard));
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
