// Where the shards are that are groups: one place for each, by pool and name, as long as the
// process lives. Any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "backend/shard_place.h"
#include "base/mutex.h"
#include "config/config.h"

namespace ringmaster {

class ShardPlaces {
 public:
  // The first time it is where it is configured. Empty: the shard stays there.
  std::shared_ptr<ShardPlace> Of(const std::string& pool, const ShardConfig& shard) {
    if (!shard.followed()) return nullptr;
    const MutexLock lock(mutex_);
    std::shared_ptr<ShardPlace>& place = places_[{pool, shard.name, shard.master}];
    if (place == nullptr) place = std::make_shared<ShardPlace>(shard.address);
    return place;
  }

 private:
  Mutex mutex_;
  // By pool, name and master, which is empty where the servers' roles count: another group of a
  // Sentinel's is another place.
  std::map<std::tuple<std::string, std::string, std::string>, std::shared_ptr<ShardPlace>> places_
      RM_GUARDED_BY(mutex_);
};

}  // namespace ringmaster
