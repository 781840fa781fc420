// Where the shards are that Sentinels know: a thread that asks the Sentinels of all pools, and the
// primaries that were accepted so far.
//
// Owner: the server, on the main thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "control/discovery/sentinel_watcher.h"
#include "net/loop.h"
#include "net/mailbox.h"

namespace ringmaster {

class Discovery {
 public:
  // A shard of a pool has a primary, another one or the first. On the thread of its own.
  using Accepted = std::function<void(const std::string& pool, const FollowedShard&,
                                      const SentinelVotes::Primary&)>;

  explicit Discovery(Accepted accepted);
  ~Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // Asks these from now on, in place of those before; what was accepted is kept.
  void Use(std::vector<SentinelOptions> pools);
  // Waits until each of the shards has a primary. False: it did not come to that in time.
  bool AwaitAll(Duration patience);
  // The one that was accepted last.
  std::optional<SentinelVotes::Primary> Find(const std::string& pool, const std::string& master);

 private:
  bool HasAll() const RM_THREAD_SAFETY(requires_capability(mutex_));
  void Take(const std::string& pool, const FollowedShard& shard,
            const SentinelVotes::Primary& primary);

  const Accepted accepted_;
  Loop loop_;
  Mailbox mailbox_;
  std::vector<std::unique_ptr<SentinelWatcher>> watchers_;  // its thread's, while it runs
  Mutex mutex_;
  std::condition_variable came_;
  std::map<std::string, SentinelWatcher::Known> known_ RM_GUARDED_BY(mutex_);  // by pool
  // Used last: pool and master.
  std::vector<std::pair<std::string, std::string>> wanted_ RM_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace ringmaster
