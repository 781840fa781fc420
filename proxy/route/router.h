// One worker's view of one pool: the topology in force and a Backend for each of its shards.
//
// Owner: a worker, used on its thread. The topology is an immutable snapshot that a reload
// replaces: a shard's number means something within one of them only. Whoever suspends holds the
// Routes that its numbers are of.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/mutex.h"
#include "ring/ring_move.h"
#include "ring/topology.h"

namespace ringmaster {

// What a reload hands to every worker. Immutable, shared by all of them.
struct RouteSnapshot {
  std::shared_ptr<const Topology> topology;
  std::vector<std::shared_ptr<ShardLink>> links;  // by shard index of the topology
  // While keys move: the way from the topology before; the topology is its new side. Otherwise
  // empty.
  std::shared_ptr<const RingMove> move;
};

// One topology and its backends on one worker. Immutable; its backends stay as long as somebody
// holds it, also those that have left since.
class Routes {
 public:
  Routes(std::shared_ptr<const RouteSnapshot> snapshot,
         std::vector<std::shared_ptr<Backend>> backends, uint64_t version)
      : snapshot_(std::move(snapshot)), backends_(std::move(backends)), version_(version) {}
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  const Topology& topology() const { return *snapshot_->topology; }
  // nullptr: every key is where ShardOf says.
  const RingMove* move() const { return snapshot_->move.get(); }
  uint32_t ShardOf(Bytes key) const { return snapshot_->topology->ShardOf(key); }
  uint32_t shard_count() const { return static_cast<uint32_t>(backends_.size()); }
  Backend& backend(uint32_t shard) const { return *backends_[shard]; }
  const std::shared_ptr<ShardLink>& link(uint32_t shard) const { return snapshot_->links[shard]; }
  const std::string& shard_name(uint32_t shard) const { return snapshot_->links[shard]->name(); }
  // Of the router when it took this topology.
  uint64_t version() const { return version_; }

 private:
  friend class Router;
  const std::shared_ptr<const RouteSnapshot> snapshot_;
  const std::vector<std::shared_ptr<Backend>> backends_;
  const uint64_t version_;
};

class Router {
 public:
  Router(BackendContext& context, int databases) : context_(context), databases_(databases) {}

  // Takes a new topology. Backends whose link stays are kept with their connections; a backend that
  // left serves what it has under way and is closed when that is done.
  void Use(std::shared_ptr<const RouteSnapshot> snapshot);

  BackendContext& context() { return context_; }
  // Those in force, to be held.
  const std::shared_ptr<const Routes>& routes() const { return routes_; }
  operator const Routes&() const { return *routes_; }  // NOLINT(google-explicit-constructor)
  // Of those in force; true until the next Use, that is, within a turn of the loop.
  const Topology& topology() const { return *topology_; }
  const RingMove* move() const { return routes_->move(); }
  uint32_t ShardOf(Bytes key) const { return topology_->ShardOf(key); }
  uint32_t shard_count() const { return static_cast<uint32_t>(backends_.size()); }
  Backend& backend(uint32_t shard) { return *backends_[shard]; }
  const std::shared_ptr<ShardLink>& link(uint32_t shard) const { return routes_->link(shard); }
  const std::string& shard_name(uint32_t shard) const { return routes_->shard_name(shard); }
  // Also those of shards that left the ring.
  template <typename Visit>
  void EachConnection(Visit&& visit) const {
    for (const auto& backend : backends_) backend->EachConnection(visit);
    for (const auto& backend : leaving_) backend->EachConnection(visit);
  }
  // Counts the topologies taken so far: what was computed under an older one is stale.
  uint64_t version() const { return version_; }

  void Tick(TimePoint now);
  // Connects to shards that have not said yet which server they are (ShardLink::facts), and asks
  // those anew that may have become replicas. One worker does, several times a second.
  void Greet();
  bool idle() const;
  // For good: answers everything, and whatever is asked from then on is refused.
  void Close(const std::string& why);
  // Figures of all backends that ever were, by shard name, for this worker. Any thread.
  void EachMetrics(
      const std::function<void(const std::string& shard, const ShardMetrics&)>& visit) const;

 private:
  struct NamedMetrics {
    std::string name;
    std::unique_ptr<ShardMetrics> metrics;
  };

  ShardMetrics& MetricsOf(const std::string& name);

  BackendContext& context_;
  const int databases_;
  const Topology* topology_ = nullptr;  // of routes_
  uint64_t version_ = 0;
  uint64_t greeted_ = 0;  // the version whose shards are all known
  mutable Mutex metrics_mutex_;
  // Before the backends, which count until their very end.
  std::vector<NamedMetrics> metrics_ RM_GUARDED_BY(metrics_mutex_);
  std::shared_ptr<const Routes> routes_;
  std::vector<Backend*> backends_;  // of routes_, at hand
  std::vector<std::shared_ptr<Backend>> leaving_;
};

}  // namespace ringmaster
