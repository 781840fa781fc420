#include "command/gate/lock_gate.h"

#include <algorithm>
#include <utility>

#include "command/call/transaction.h"
#include "command/gate/move_gate.h"
#include "command/table/keys.h"
#include "resp/errors.h"
#include "saga/saga_set.h"

namespace ringmaster {
namespace {

std::string Late(Bytes shard) {
  return errors::NotApplied(shard,
                            "its key is locked by a write over several shards that takes long; "
                            "try again, and look at PROXY SAGAS LIST");
}

}  // namespace

// False: it touches no key by name.
bool LockGate::FindTouched(const Call& call) {
  reads_only_ = true;
  std::vector<uint32_t>& positions = context_.key_positions;
  const auto look = [&](const Command& command, std::span<const Bytes> args) {
    if (!HasKeys(*command.row)) return;
    positions.clear();
    // Without sense there is nothing that could be changed.
    if (!FindKeys(*command.row, args, positions)) return;
    reads_only_ = reads_only_ && command.Is(kReadOnly);
    for (const uint32_t key : positions) touched_.push_back({call.client.database, args[key]});
  };
  const Transaction* transaction = call.client.transaction.get();
  if (transaction == nullptr || !transaction->open) {
    look(call.command, call.args);
    return !touched_.empty();
  }
  // Whatever gets here is EXEC, or harms nobody by waiting.
  for (const Transaction::Queued& queued : transaction->queue) {
    look(*queued.command, queued.views());
  }
  return !touched_.empty();
}

bool LockGate::TouchesEveryKey(const Call& call) const {
  const Transaction* transaction = call.client.transaction.get();
  if (transaction == nullptr || !transaction->open) return call.command.Is(kEveryKey);
  return std::any_of(transaction->queue.begin(), transaction->queue.end(),
                     [](const auto& queued) { return queued.command->Is(kEveryKey); });
}

bool LockGate::TouchesOnlyFree() const {
  return std::all_of(touched_.begin(), touched_.end(), [this](const LockedKeys::Key& key) {
    return locked_.IsFree(key.database, key.key, reads_only_);
  });
}

bool LockGate::Hold(Call& call) {
  const bool everything = TouchesEveryKey(call);
  touched_.clear();
  if (!everything && !FindTouched(call)) return false;
  if (!held_bytes_.HasRoomFor(call)) [[unlikely]] {
    if (!everything && TouchesOnlyFree()) return false;
    const std::string reply =
        errors::NotApplied(ShardOfTouched(), "too many commands wait for locked keys; try again");
    RefuseCall(call.command, &call.client, call.exchange, reply);
    return true;
  }
  const LockedKeys::Token token = ++last_token_;
  if (!everything && locked_.Touch(token, touched_, reads_only_)) return false;
  auto held = std::make_unique<HeldCall>(call, held_bytes_, ShardOfTouched(), context_.proxy.Now());
  if (everything) {
    everything_.push_back(std::move(held));
  } else {
    // If it turns out to need locks of its own, what its client sends next must not pass it.
    if (touched_.size() > 1) call.client.goes_alone = true;
    held_.emplace(token, std::move(held));
  }
  touched_.clear();
  return true;
}

bool LockGate::HoldUntilSwept(Call& call) {
  const TimePoint now = context_.proxy.Now();
  if (context_.sagas == nullptr || !context_.sagas->unswept()) return false;
  if (!held_bytes_.HasRoomFor(call) || context_.sagas->SweptUpTo(now)) return false;
  unswept_.push_back(
      std::make_unique<HeldCall>(call, held_bytes_, context_.router.shard_name(0), now));
  return true;
}

void LockGate::RunSwept(TimePoint now) {
  while (!unswept_.empty()) {
    const TimePoint since = unswept_.front()->since;
    if (!context_.sagas->SweptUpTo(since) && now - since < kLockWait) return;
    const std::unique_ptr<HeldCall> held = std::move(unswept_.front());
    unswept_.erase(unswept_.begin());
    held->Run(context_, serving_.now);
  }
}

std::unique_ptr<HeldCall> LockGate::Take(LockedKeys::Token token) {
  const auto at = held_.find(token);
  std::unique_ptr<HeldCall> held = std::move(at->second);
  held_.erase(at);
  return held;
}

void LockGate::Lock(LockTicket ticket, const LockKeys& keys) {
  ++generation_;
  to_drain_.emplace(ticket, keys);
  locked_.Lock(ticket, *keys, actions_);
  StateChanged();
  CarryOut();
}

void LockGate::Unlock(LockTicket ticket, const std::vector<LockKey>& keys) {
  to_drain_.erase(ticket);
  std::erase_if(draining_, [&](const Draining& drain) { return drain.ticket == ticket; });
  locked_.Unlock(ticket, keys, actions_);
  StateChanged();
  CarryOut();
}

// Running a command may lead back here; what it adds is carried out by the outermost call.
void LockGate::CarryOut() {
  if (carrying_out_) return;
  carrying_out_ = true;
  while (!actions_.empty()) {
    const LockedKeys::Actions now = std::exchange(actions_, {});
    // First what goes, so that whoever is first in line now waits for it.
    for (const LockedKeys::Token token : now.run) Take(token)->Run(context_, serving_.after_lock);
    for (const LockTicket ticket : now.first) StartDrain(ticket);
  }
  carrying_out_ = false;
}

void LockGate::StartDrain(LockTicket ticket) {
  const auto at = to_drain_.find(ticket);
  if (at == to_drain_.end()) return;
  Draining drain{ticket,      at->second, context_.proxy.Now(),
                 generation_, {},         context_.router.version()};
  for (const LockKey& key : *drain.keys) {
    if (drain.shards.size() == context_.router.shard_count()) break;
    const uint32_t shard = context_.router.ShardOf(key.key);
    if (std::find(drain.shards.begin(), drain.shards.end(), shard) == drain.shards.end()) {
      drain.shards.push_back(shard);
    }
  }
  to_drain_.erase(at);
  if (Drained(drain)) return service_.OnAck(ticket, worker_);
  draining_.push_back(std::move(drain));
}

// A command came before the lock and waits for one of the keys to arrive on its new owner. During a
// freeze nobody counts: it lasts until the locks are given back.
bool LockGate::IsAwaited(const LockKeys& keys) const {
  if (!context_.moving || context_.moves == nullptr) return false;
  return std::any_of(keys->begin(), keys->end(), [this](const LockKey& key) {
    return context_.moves->IsAwaited(key.database, key.key);
  });
}

// Everything that was sent to the keys' shards before is answered: a connection's FIFO is in the
// order of sending. What a recipe would still send counts as under way; who waits at a shard for
// data does not.
bool LockGate::Drained(Draining& drain) {
  if (IsAwaited(drain.keys)) {
    drain.awaited = true;
    return false;
  }
  if (std::exchange(drain.awaited, false)) {
    // What was sent, or begun, when the key was there is still to be waited for.
    drain.since = context_.proxy.Now();
    drain.generation = ++generation_;
  }
  if (!recipes_.empty() && recipes_.begin()->first < drain.generation) return false;
  Router& router = context_.router;
  const auto answered = [&](uint32_t shard) {
    return router.backend(shard).AnsweredUpTo(drain.since, Backend::Waits::kIgnored);
  };
  if (drain.routes == router.version()) {
    return std::all_of(drain.shards.begin(), drain.shards.end(), answered);
  }
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    if (!answered(shard)) return false;
  }
  return true;
}

void LockGate::OnRecipeEnded(uint64_t generation) {
  const auto at = recipes_.find(generation);
  if (at != recipes_.end() && --at->second == 0) recipes_.erase(at);
}

void LockGate::Poll() {
  for (size_t i = 0; i < draining_.size();) {
    if (!Drained(draining_[i])) {
      ++i;
      continue;
    }
    const LockTicket ticket = draining_[i].ticket;
    draining_.erase(draining_.begin() + static_cast<ptrdiff_t>(i));
    service_.OnAck(ticket, worker_);
  }
  if (!unswept_.empty()) RunSwept(context_.proxy.Now());
  if (everything_.empty() || !locked_.empty()) return;
  for (const auto& held : std::exchange(everything_, {})) held->Run(context_, serving_.by_plan);
}

const std::string& LockGate::ShardOfTouched() const {
  Router& router = context_.router;
  return router.shard_name(touched_.empty() ? 0 : router.ShardOf(touched_[0].key));
}

void LockGate::Acquire(std::vector<LockKey> keys, Done done, std::optional<Duration> patience) {
  const uint64_t number = ++last_wanted_;
  wanted_.emplace(number, Wanted{context_.proxy.Now(), 0, std::move(done), patience});
  const LockTicket ticket =
      service_.Request(worker_, std::move(keys), [this, number](LockTicket granted) {
        auto wanted = wanted_.extract(number);
        // Too late: it was given up.
        if (wanted.empty()) return service_.Release(granted);
        wanted.mapped().done(granted);
      });
  const auto at = wanted_.find(number);
  if (at == wanted_.end()) return;
  at->second.ticket = ticket;
  if (ticket == 0) wanted_.extract(at).mapped().done(0);
}

bool LockGate::IsLate(const Wanted& wanted, TimePoint now) const {
  if (wanted.patience) return now - wanted.since > *wanted.patience;
  if (now - wanted.since <= kLockWait) return false;
  return now - wanted.since > kLongestLockWait || !service_.WaitsForDrain(wanted.ticket);
}

bool LockGate::IsLate(LockedKeys::Token token, TimePoint now) const {
  const Duration waited = now - held_.at(token)->since;
  if (waited <= kLockWait) return false;
  if (waited > kLongestLockWait) return true;
  return !service_.AnyDrainsOf(locked_.TicketsBefore(token));
}

// However new the lock is: of many that wait in line for a shard that stands still, each would be
// given its time anew.
bool LockGate::Progresses(const Draining& drain, TimePoint now) const {
  Router& router = context_.router;
  if (drain.routes != router.version()) return false;
  return std::any_of(drain.shards.begin(), drain.shards.end(), [&](uint32_t shard) {
    return router.backend(shard).ProgressedSince(now - kLockWait);
  });
}

void LockGate::Tick(TimePoint now) {
  // At two ticks: after a pause of the machine the first one comes before what has arrived is read.
  for (Draining& drain : draining_) {
    const bool stood = std::exchange(drain.stands, !Progresses(drain, now));
    if (stood && drain.stands) service_.SetStuck(drain.ticket);
  }
  // Whoever is told may ask again, or let others go.
  std::vector<uint64_t> late_numbers;
  for (const auto& [number, wanted] : wanted_) {
    if (IsLate(wanted, now)) late_numbers.push_back(number);
  }
  for (const uint64_t number : late_numbers) {
    auto late = wanted_.extract(number);
    if (late.empty()) continue;
    service_.Release(late.mapped().ticket);
    late.mapped().done(0);
  }
  std::vector<LockedKeys::Token> late_tokens;
  for (const auto& [token, held] : held_) {
    if (now - held->since <= kLockWait) break;
    if (IsLate(token, now)) late_tokens.push_back(token);
  }
  for (const LockedKeys::Token token : late_tokens) {
    if (!held_.contains(token)) continue;
    const std::unique_ptr<HeldCall> held = Take(token);
    locked_.Forget(token, actions_);
    held->Refuse(Late(held->shard));
    CarryOut();  // whom it stood in the way of, before that one is late as well
  }
  while (!everything_.empty() && now - everything_.front()->since > kLockWait) {
    if (now - everything_.front()->since <= kLongestLockWait && service_.AnyDrains()) break;
    const std::unique_ptr<HeldCall> held = std::move(everything_.front());
    everything_.erase(everything_.begin());
    held->Refuse(Late(held->shard));
  }
  StateChanged();
  CarryOut();
}

}  // namespace ringmaster
