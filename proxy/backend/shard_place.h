// Where a shard is now. Shared by all who connect to it, whatever their thread: the links of every
// snapshot, the movers. Whoever follows primaries (control/discovery) moves it in two steps, so
// that nobody talks to the old server once somebody talks to the new one.
//
// Any thread; the mutex is taken only when a connection comes up.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "backend/shard_health.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace ringmaster {

class ShardPlace {
 public:
  explicit ShardPlace(Address address) : address_(std::move(address)) {}

  Address address() const {
    const MutexLock lock(mutex_);
    return address_;
  }
  // A connection is good as long as this is what it was before it began to connect.
  uint32_t life() const { return life_.load(std::memory_order_acquire); }
  // Whoever is connected has to go and may come again.
  void Revoke() { life_.fetch_add(1, std::memory_order_acq_rel); }
  // New connections may be made.
  bool open() const { return open_.load(std::memory_order_acquire); }

  // Whoever is connected has to go, and nobody may connect until Arrive.
  void Leave() {
    open_.store(false, std::memory_order_release);
    Revoke();
  }
  // REQUIRES: nobody is connected any more.
  void Arrive(const Address& address) {
    {
      const MutexLock lock(mutex_);
      if (!(address == address_)) switches_.fetch_add(1, std::memory_order_relaxed);
      address_ = address;
      health_ = {};
    }
    withheld_.store(false, std::memory_order_release);
    open_.store(true, std::memory_order_release);
  }
  // A failover was announced: what reaches the server from now on may be lost with it, so what was
  // not sent yet waits until Arrive or Release. Whoever is connected stays connected.
  void Withhold() { withheld_.store(true, std::memory_order_release); }
  void Release() { withheld_.store(false, std::memory_order_release); }
  bool withheld() const { return withheld_.load(std::memory_order_relaxed); }
  // Before anybody connects: where it is, which is no switch.
  void Begin(const Address& address) {
    const MutexLock lock(mutex_);
    address_ = address;
  }
  uint64_t switches() const { return switches_.load(std::memory_order_relaxed); }

  // As the server said last; of one that is another by now nothing is known.
  ShardHealth health() const {
    const MutexLock lock(mutex_);
    return health_;
  }
  void SetHealth(ShardHealth health) {
    const MutexLock lock(mutex_);
    health_ = std::move(health);
  }

  // Something speaks against the server there: a lost connection, a refusal. Counts them.
  void Doubt() { doubts_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t doubts() const { return doubts_.load(std::memory_order_relaxed); }

 private:
  mutable Mutex mutex_;
  Address address_ RM_GUARDED_BY(mutex_);
  ShardHealth health_ RM_GUARDED_BY(mutex_);
  std::atomic<uint32_t> life_{0};
  std::atomic<bool> open_{true};
  std::atomic<bool> withheld_{false};
  std::atomic<uint64_t> switches_{0};
  std::atomic<uint64_t> doubts_{0};
};

}  // namespace ringmaster
