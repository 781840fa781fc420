// Who may touch which keys: the manager's core (docs/sagas.md). One for each pool; thread-free:
// the owner calls it from one thread and carries out the actions in their order.
//
// A request enters the queues of all its keys at once and is first in line when nothing before it
// in any of them stands in its way (two shared ones do not). So nobody holds one key and waits for
// another: no deadlock; and the order is first come, first served: no starvation. First in line,
// the workers are told to lock the keys: later commands on them wait there, and each worker
// acknowledges when what it had under way on them is answered. The grant follows the last
// acknowledgement.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"

namespace ringmaster {

struct LockKey {
  int database = 0;
  std::string key;
  bool shared = false;  // readers of one key go together

  bool operator==(const LockKey&) const = default;
};

// What a key is filed under: unlike for keys of unlike databases.
void AssignLockName(std::string& name, int database, Bytes key);

using LockTicket = uint64_t;
// Shared by all who carry a lock out.
using LockKeys = std::shared_ptr<const std::vector<LockKey>>;

struct LockAction {
  enum class Kind : uint8_t {
    kLockWorkers,    // every worker: lock `keys` for this ticket, answer with OnAck when drained
    kGranted,        // the requester may go on
    kUnlockWorkers,  // every worker: `keys` of this ticket are free again; no answer needed
  };
  Kind kind;
  LockTicket ticket;
  LockKeys keys;  // nullptr: kGranted
};

class KeyLocks {
 public:
  // `workers` acknowledge each lock. `max_waiting`: requests in line for one key, beyond which new
  // ones are refused.
  explicit KeyLocks(size_t workers, size_t max_waiting = 1024)
      : workers_(workers), max_waiting_(max_waiting) {}
  KeyLocks(const KeyLocks&) = delete;
  KeyLocks& operator=(const KeyLocks&) = delete;

  // A key named twice counts once, exclusive if one of them is. 0: a queue is full, nothing
  // changed.
  LockTicket Request(std::vector<LockKey> keys, std::vector<LockAction>& out);
  // From worker number `worker`; unknown tickets and repeated ones are ignored.
  void OnAck(LockTicket ticket, size_t worker, std::vector<LockAction>& out);
  // Gives everything back, granted or still waiting. Unknown tickets are ignored.
  void Release(LockTicket ticket, std::vector<LockAction>& out);
  // Keeps these keys and gives back the others: what a dead shard holds stays locked.
  // REQUIRES: granted.
  void ReleaseOthers(LockTicket ticket, const std::vector<LockKey>& kept,
                     std::vector<LockAction>& out);

  // What its workers wait for does not get on. Unknown tickets, and those granted, are ignored.
  void SetStuck(LockTicket ticket);

  bool granted(LockTicket ticket) const;
  // The workers wait for what was under way on its keys, and that gets on.
  bool Drains(LockTicket ticket) const;
  // It does, or somebody who stands in its way.
  bool WaitsForDrain(LockTicket ticket) const;
  bool AnyDrains() const;
  size_t tickets() const { return tickets_.size(); }
  size_t locked_keys() const { return queues_.size(); }  // held or waited for
  // Is anybody holding or waiting for it? For what must not start on a key of an open saga.
  bool InUse(int database, const std::string& key) const;

 private:
  struct Waiter {
    LockTicket ticket;
    bool shared;
  };
  using Queue = std::vector<Waiter>;  // hardly ever more than one
  enum class State : uint8_t { kWaiting, kDraining, kGranted };
  struct Ticket {
    LockKeys keys;
    State state = State::kWaiting;
    bool stuck = false;  // kDraining
    size_t blocked = 0;  // keys with somebody in the way
    std::vector<bool> acked;
    size_t missing = 0;
  };

  enum class Entered : uint8_t {
    kAll,
    kTwice,  // a key is named twice; nothing changed
    kFull,   // a queue is; nothing changed
  };

  const std::string& Name(const LockKey& key) const;
  Entered Enter(LockTicket id, const std::vector<LockKey>& keys, size_t& blocked);
  void Lock(LockTicket id, Ticket& ticket, std::vector<LockAction>& out);
  void Leave(const LockKey& key, LockTicket ticket, std::vector<LockTicket>& freed);
  void Start(const std::vector<LockTicket>& freed, std::vector<LockAction>& out);

  const size_t workers_;
  const size_t max_waiting_;
  LockTicket last_ = 0;
  std::unordered_map<LockTicket, Ticket> tickets_;
  std::unordered_map<std::string, Queue> queues_;
  mutable std::string name_;  // what Name gave last
};

}  // namespace ringmaster
