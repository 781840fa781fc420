// The locks of one recipe: given back when it ends, unless somebody took them over.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "command/gate/lock_gate.h"
#include "coro/task.h"

namespace ringmaster {

class RecipeCall;

class HeldLocks {
 public:
  explicit HeldLocks(LockGate* gate) : gate_(gate) {}
  ~HeldLocks() { Release(); }
  HeldLocks(const HeldLocks&) = delete;
  HeldLocks& operator=(const HeldLocks&) = delete;

  // False: they were not to be had in time (LockGate::Acquire). Once. Without a gate nothing is
  // locked.
  Task<bool> Acquire(std::vector<LockKey> keys, std::optional<Duration> patience = {});
  void Release() {
    if (const LockTicket ticket = Give()) gate_->service().Release(ticket);
  }
  // Whoever takes the ticket releases it. 0: there is none.
  LockTicket Give() { return std::exchange(ticket_, 0); }
  // Back from whoever took it. REQUIRES: none is held.
  void Take(LockTicket ticket) { ticket_ = ticket; }

 private:
  LockGate* const gate_;
  LockTicket ticket_ = 0;
};

}  // namespace ringmaster
