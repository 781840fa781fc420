// The servers and the proxy of one history: changes their ring again and again, and does to them
// what the kind of fault at hand is. All methods on the main thread, to which the processes are
// tied.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "support/child_process.h"
#include "support/fault_proxy.h"
#include "support/port.h"
#include "support/redis_server.h"
#include "support/temp_folder.h"

namespace ringmaster::histories {

using namespace integration;

enum class Fault : uint8_t {
  kNone,
  kKillProxy,
  kKillDonor,
  kKillRecipient,
  kStopProxy,
  kStopDonor,
  kStopRecipient,
  kKillConnections,
  kRecipientFull,
  kReloadStorm,
  kCutLinks,
  kHoldLinks,
};
inline constexpr int kFaults = 12;
const char* FaultName(Fault fault);

class World {
 public:
  World(uint64_t seed, Fault fault);
  ~World();

  bool serving();
  const Address& proxy() const { return address_; }
  // `restarts` counts starts of shards.
  void Run(Duration how_long, std::atomic<uint64_t>& restarts);
  // Ends all faults and waits until every key has arrived. What is wrong, or empty.
  std::string Heal();
  uint64_t epoch() const { return epoch_; }
  uint64_t faults() const { return faults_; }
  std::string Log() const;
  std::string Status() const;
  std::string folder() const { return folder_.path().string(); }

 private:
  struct Shard {
    std::string name;
    std::unique_ptr<RedisServer> server;
    std::unique_ptr<FaultProxy> link;  // only where links are at fault
    int weight = 0;                    // 0: not in the ring
  };
  static constexpr int kShards = 5;
  static constexpr int kFirst = 3;  // in the ring from the beginning

  std::string Yaml() const;
  void StartProxy();
  void Reload();
  std::string Field(const std::string& status, const std::string& name) const;
  void ChangeRing();
  void LookAtRing();
  void StepFault();
  void BeginFault();
  void EndFault();
  Shard& Victim(bool recipient);
  Duration Between(int from_ms, int to_ms);

  Random random_;
  const Fault fault_;
  TempFolder folder_;
  Port port_;
  Port admin_;
  const Address address_;
  std::vector<Shard> shards_;
  ChildProcess process_;
  int starts_ = 0;
  int step_ = 0;
  bool grows_ = true;  // the ring by `changed_`
  size_t changed_ = 0;
  uint64_t epoch_ = 0;
  uint64_t faults_ = 0;
  TimePoint ring_changed_{};
  TimePoint reverse_at_{};  // none: zero
  TimePoint next_look_{};
  TimePoint fault_until_{};  // while one is at work
  TimePoint next_fault_{};
  Shard* victim_ = nullptr;
  std::atomic<uint64_t>* restarts_ = nullptr;
};

}  // namespace ringmaster::histories
