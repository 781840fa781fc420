#include "command/gate/held_locks.h"

#include <memory>

#include "coro/completion.h"

namespace ringmaster {

Task<bool> HeldLocks::Acquire(std::vector<LockKey> keys, std::optional<Duration> patience) {
  if (gate_ == nullptr) co_return true;
  auto granted = std::make_shared<Completion<LockTicket>>();
  LockGate::Done done = [granted](LockTicket ticket) { granted->Complete(ticket); };
  gate_->Acquire(std::move(keys), std::move(done), patience);
  ticket_ = co_await *granted;
  co_return ticket_ != 0;
}

}  // namespace ringmaster
