// Follows the primaries of shards that are groups: those that Sentinels name, and where there are
// none the servers that say that they are primaries. A switch: nobody may connect to the shard any
// more, each worker closes what it has to the old server, and when all have, the shard is at the
// new one. What was sent is -UNCERTAIN then, what was not waits and runs there.
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
#include "server/shard_probes.h"
#include "server/status.h"

namespace ringmaster {

class WorkerGroup;

class Primaries {
 public:
  Primaries(Mailbox& mailbox, const ServerStatus& status, std::unique_ptr<WorkerGroup>& workers,
            const std::vector<std::unique_ptr<Rebalancer>>& rebalancers);

  // Before anybody connects to a shard: asks the Sentinels and waits a while for a majority, and
  // the servers of other groups. Shards without a primary are where the configuration says until
  // there is one.
  void Begin();
  // The workers serve: whoever moves from now on is followed.
  void Serve() {
    beginning_ = false;
    FollowRoles();
  }
  // The configuration has changed.
  void Follow();
  void Stop() {
    discovery_.reset();
    probes_.reset();
  }

 private:
  // One under way.
  struct Leaving {
    size_t left = 0;  // workers that have something to close
    Address to = {};
    std::optional<Address> next = {};  // where it went meanwhile
  };

  std::vector<SentinelOptions> Asked() const;
  std::vector<ProbedGroup> Groups() const;
  void FollowRoles();
  void Chosen(const ProbedGroup& group, const Address& to, const std::string& why);
  void OnAccepted(const std::string& pool, const FollowedShard& shard,
                  const SentinelVotes::Primary& primary);
  void Switch(const std::string& pool, const FollowedShard& shard, const Address& to,
              const std::string& why);
  void Leave(size_t pool, const FollowedShard& shard, const Address& to);
  void Arrive(size_t pool, const FollowedShard& shard);

  Mailbox& mailbox_;
  const ServerStatus& status_;
  std::unique_ptr<WorkerGroup>& workers_;
  const std::vector<std::unique_ptr<Rebalancer>>& rebalancers_;
  std::map<const ShardPlace*, Leaving> switches_;
  bool beginning_ = true;  // nobody is connected to a shard, and probes_ has no thread
  std::unique_ptr<Discovery> discovery_;  // from the first Sentinel on
  std::unique_ptr<ShardProbes> probes_;   // from the first group on
};

}  // namespace ringmaster
