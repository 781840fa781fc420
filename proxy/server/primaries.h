// Follows the primaries that Sentinels name. A switch: nobody may connect to the shard any more,
// each worker closes what it has to the old server, and when all have, the shard is at the new one.
// What was sent is -UNCERTAIN then, what was not waits and runs there.
//
// Owner: the server, on the main thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/discovery/discovery.h"
#include "net/mailbox.h"
#include "server/rebalancer.h"
#include "server/status.h"

namespace ringmaster {

class WorkerGroup;

class Primaries {
 public:
  Primaries(Mailbox& mailbox, const ServerStatus& status, std::unique_ptr<WorkerGroup>& workers,
            const std::vector<std::unique_ptr<Rebalancer>>& rebalancers);

  // Before anybody connects to a shard: asks the Sentinels and waits a while for a majority. Shards
  // without one are where the configuration says until there is.
  void Begin();
  // The configuration has changed.
  void Follow();
  void Stop() { discovery_.reset(); }

 private:
  // One under way.
  struct Switch {
    size_t left = 0;  // workers that have something to close
    Address to = {};
    std::optional<Address> next = {};  // where it went meanwhile
  };

  std::vector<SentinelOptions> Asked() const;
  void OnAccepted(const std::string& pool, const FollowedShard& shard,
                  const SentinelVotes::Primary& primary);
  void Leave(size_t pool, const FollowedShard& shard, const Address& to);
  void Arrive(size_t pool, const FollowedShard& shard);

  Mailbox& mailbox_;
  const ServerStatus& status_;
  std::unique_ptr<WorkerGroup>& workers_;
  const std::vector<std::unique_ptr<Rebalancer>>& rebalancers_;
  std::map<const ShardPlace*, Switch> switches_;
  std::unique_ptr<Discovery> discovery_;  // from the first Sentinel on
};

}  // namespace ringmaster
