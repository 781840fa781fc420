#include "lock/lock_service.h"

#include <utility>

namespace ringmaster {

LockTicket LockService::Request(size_t worker, std::vector<LockKey> keys, Granted granted) {
  const RecursiveMutexLock lock(mutex_);
  std::vector<LockAction> actions;
  const LockTicket ticket = locks_.Request(std::move(keys), actions);
  if (ticket == 0) return 0;
  waiting_.emplace(ticket, Waiting{worker, std::move(granted)});
  Carry(std::move(actions));
  return ticket;
}

void LockService::OnAck(LockTicket ticket, size_t worker) {
  const RecursiveMutexLock lock(mutex_);
  std::vector<LockAction> actions;
  locks_.OnAck(ticket, worker, actions);
  Carry(std::move(actions));
}

void LockService::Release(LockTicket ticket) {
  const RecursiveMutexLock lock(mutex_);
  std::vector<LockAction> actions;
  waiting_.erase(ticket);
  locks_.Release(ticket, actions);
  Carry(std::move(actions));
}

void LockService::ReleaseOthers(LockTicket ticket, const std::vector<LockKey>& kept) {
  const RecursiveMutexLock lock(mutex_);
  std::vector<LockAction> actions;
  locks_.ReleaseOthers(ticket, kept, actions);
  Carry(std::move(actions));
}

void LockService::Stop() {
  const RecursiveMutexLock lock(mutex_);
  stopped_ = true;
}

size_t LockService::locked_keys() const {
  const RecursiveMutexLock lock(mutex_);
  return locks_.locked_keys();
}

void LockService::SetStuck(LockTicket ticket) {
  const RecursiveMutexLock lock(mutex_);
  locks_.SetStuck(ticket);
}

bool LockService::WaitsForDrain(LockTicket ticket) const {
  const RecursiveMutexLock lock(mutex_);
  return locks_.WaitsForDrain(ticket);
}

bool LockService::AnyDrainsOf(const std::vector<LockTicket>& tickets) const {
  const RecursiveMutexLock lock(mutex_);
  for (const LockTicket ticket : tickets) {
    if (locks_.Drains(ticket)) return true;
  }
  return false;
}

bool LockService::AnyDrains() const {
  const RecursiveMutexLock lock(mutex_);
  return locks_.AnyDrains();
}

// What a message that runs at once adds is carried out behind what was there.
void LockService::Carry(std::vector<LockAction> actions) {
  if (stopped_) return;
  for (LockAction& action : actions) actions_.push_back(std::move(action));
  if (carrying_) return;
  carrying_ = true;
  while (!actions_.empty()) {
    LockAction action = std::move(actions_.front());
    actions_.pop_front();
    Do(action);
  }
  carrying_ = false;
}

void LockService::Do(LockAction& action) {
  const LockTicket ticket = action.ticket;
  if (action.kind == LockAction::Kind::kGranted) {
    auto found = waiting_.extract(ticket);
    if (found.empty()) return;
    Waiting& waiting = found.mapped();
    post_(waiting.worker,
          [ticket, granted = std::move(waiting.granted)](LockParticipant&) { granted(ticket); });
    return;
  }
  const bool lock = action.kind == LockAction::Kind::kLockWorkers;
  for (size_t worker = 0; worker < workers_; ++worker) {
    post_(worker, [ticket, lock, keys = action.keys](LockParticipant& at) {
      lock ? at.Lock(ticket, keys) : at.Unlock(ticket, *keys);
    });
  }
}

}  // namespace ringmaster
