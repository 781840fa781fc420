// Asks the servers of shards that are groups what they are, once a second and more often while
// something speaks against one: over connections of its own, on a thread of its own. Shows how a
// group is (ShardPlace::health), and of those without Sentinels says which server is its primary.
//
// Owner: Primaries, on the main thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backend/shard_place.h"
#include "base/mutex.h"
#include "control/discovery/role_choice.h"
#include "move/shard_client.h"

namespace ringmaster {

// A shard that is a group.
struct ProbedGroup {
  std::string pool;
  std::string name;
  std::shared_ptr<ShardPlace> place;
  ShardTarget target;            // how to log in; the address whosever
  std::vector<Address> members;  // empty: Sentinels know them, and only the primary is asked
};

// Of one server, asked once: how it is, and whether it takes writes.
ShardHealth AskHealth(const ShardTarget& target, Duration patience);

class ShardProbes {
 public:
  // The group is to be at another address, and why. On the thread of its own, or in Begin.
  using Chosen =
      std::function<void(const ProbedGroup&, const Address& primary, const std::string& why)>;

  explicit ShardProbes(Chosen chosen);
  ~ShardProbes();
  ShardProbes(const ShardProbes&) = delete;
  ShardProbes& operator=(const ShardProbes&) = delete;

  // Asks these from now on, in place of those before; what is known of one that stays is kept.
  void Use(const std::vector<ProbedGroup>& groups);
  // Asks all of them once, before there is a thread. REQUIRES: Use was not called.
  void Begin(const std::vector<ProbedGroup>& groups);

 private:
  struct Group;  // one of them, and the connections to it
  using Groups = std::vector<std::shared_ptr<Group>>;

  Groups Take(const std::vector<ProbedGroup>& groups) RM_THREAD_SAFETY(requires_capability(mutex_));
  void Run();
  void Round(const Groups& groups);
  void Judge(Group& group);
  bool Doubted(const Groups& groups);

  const Chosen chosen_;
  Mutex mutex_;
  std::condition_variable wake_;
  bool stop_ RM_GUARDED_BY(mutex_) = false;
  Groups groups_ RM_GUARDED_BY(mutex_);
  std::thread thread_;  // from the first group on
};

}  // namespace ringmaster
