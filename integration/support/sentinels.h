// Real Sentinels that watch primaries each test started, under the names "s0", "s1" and so on. They
// end with the object.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/child_process.h"
#include "support/client.h"
#include "support/port.h"
#include "support/redis_server.h"
#include "support/temp_folder.h"

namespace ringmaster::integration {

class Sentinels {
 public:
  // When the constructor returns they know each other and that many replicas of each primary;
  // otherwise the test has failed.
  Sentinels(const std::vector<const RedisServer*>& primaries, size_t count, int replicas = 1);
  Sentinels(const RedisServer& primary, size_t count, int replicas = 1)
      : Sentinels(std::vector<const RedisServer*>{&primary}, count, replicas) {}

  size_t size() const { return processes_.size(); }
  Address address(size_t i) const { return {Address::kTcp, "127.0.0.1", ports_[i]->number(), ""}; }
  std::string Command(size_t i, const std::vector<std::string>& words) const {
    return Client(address(i)).Command(words);
  }
  // "sentinels: {addresses: [...]}", a line of a pool.
  std::string Yaml() const;
  void Kill(size_t i) { processes_[i].Kill(); }
  // What it did, for the message of a test that failed.
  std::string Log(size_t i) const;

 private:
  TempFolder folder_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<ChildProcess> processes_;
};

}  // namespace ringmaster::integration
