#include "control/discovery/discovery.h"

#include <utility>

namespace ringmaster {

Discovery::Discovery(Accepted accepted) : accepted_(std::move(accepted)), mailbox_(loop_) {}

Discovery::~Discovery() {
  if (!thread_.joinable()) return;
  mailbox_.Post([this] {
    watchers_.clear();
    loop_.Stop();
  });
  thread_.join();
}

// Without anybody to ask there is no thread.
void Discovery::Use(std::vector<SentinelOptions> pools) {
  {
    const MutexLock lock(mutex_);
    wanted_.clear();
    for (const SentinelOptions& pool : pools) {
      for (const FollowedShard& shard : pool.shards) {
        wanted_.emplace_back(pool.pool, shard.master);
      }
    }
  }
  if (pools.empty() && !thread_.joinable()) return;
  mailbox_.Post([this, pools = std::move(pools)] {
    watchers_.clear();
    for (const SentinelOptions& pool : pools) {
      SentinelWatcher::Known known;
      {
        const MutexLock lock(mutex_);
        known = known_[pool.pool];
      }
      watchers_.push_back(std::make_unique<SentinelWatcher>(
          loop_, pool, known,
          [this, name = pool.pool](const FollowedShard& shard,
                                   const SentinelVotes::Primary& primary) {
            Take(name, shard, primary);
          }));
    }
  });
  if (!thread_.joinable()) thread_ = std::thread([this] { loop_.Run(); });
}

void Discovery::Take(const std::string& pool, const FollowedShard& shard,
                     const SentinelVotes::Primary& primary) {
  {
    const MutexLock lock(mutex_);
    known_[pool][shard.master] = primary;
    came_.notify_all();
  }
  accepted_(pool, shard, primary);
}

bool Discovery::AwaitAll(Duration patience) {
  const TimePoint until = MonotonicNow() + patience;
  MutexLock lock(mutex_);
  while (!HasAll() && MonotonicNow() < until) came_.wait_until(lock.native(), until);
  return HasAll();
}

bool Discovery::HasAll() const {
  for (const auto& [pool, master] : wanted_) {
    const auto known = known_.find(pool);
    if (known == known_.end() || !known->second.contains(master)) return false;
  }
  return true;
}

std::optional<SentinelVotes::Primary> Discovery::Find(const std::string& pool,
                                                      const std::string& master) {
  const MutexLock lock(mutex_);
  const auto known = known_.find(pool);
  if (known == known_.end()) return std::nullopt;
  const auto at = known->second.find(master);
  if (at == known->second.end()) return std::nullopt;
  return at->second;
}

}  // namespace ringmaster
