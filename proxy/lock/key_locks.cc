#include "lock/key_locks.h"

#include <algorithm>

#include "base/check.h"

namespace ringmaster {
namespace {

// Each key once, in a fixed order.
void Normalize(std::vector<LockKey>& keys) {
  std::sort(keys.begin(), keys.end(), [](const LockKey& a, const LockKey& b) {
    return std::tie(a.database, a.key, a.shared) < std::tie(b.database, b.key, b.shared);
  });
  // Exclusive sorts before shared, and stays.
  const auto same = [](const LockKey& a, const LockKey& b) {
    return a.database == b.database && a.key == b.key;
  };
  keys.erase(std::unique(keys.begin(), keys.end(), same), keys.end());
}

}  // namespace

void AssignLockName(std::string& name, int database, Bytes key) {
  constexpr int kLong = 255;  // a byte does for nearly all, and a short name takes no memory
  if (database < kLong) {
    name.assign(1, static_cast<char>(database));
  } else {
    name.assign(1, static_cast<char>(kLong));
    name.append(reinterpret_cast<const char*>(&database), sizeof(database));
  }
  name.append(key);
}

const std::string& KeyLocks::Name(const LockKey& key) const {
  AssignLockName(name_, key.database, key.key);
  return name_;
}

LockTicket KeyLocks::Request(std::vector<LockKey> keys, std::vector<LockAction>& out) {
  const LockTicket id = last_ + 1;
  Ticket ticket;
  switch (Enter(id, keys, ticket.blocked)) {
    case Entered::kAll:
      break;
    case Entered::kTwice:
      Normalize(keys);
      ticket.blocked = 0;
      if (Enter(id, keys, ticket.blocked) == Entered::kAll) break;
      [[fallthrough]];
    case Entered::kFull:
      return 0;
  }
  last_ = id;
  ticket.keys = std::make_shared<const std::vector<LockKey>>(std::move(keys));
  Ticket& placed = tickets_.emplace(id, std::move(ticket)).first->second;
  if (placed.blocked == 0) Lock(id, placed, out);
  return id;
}

// Enters the queues of all keys, or of none. `blocked` counts those in which somebody is in the
// way.
KeyLocks::Entered KeyLocks::Enter(LockTicket id, const std::vector<LockKey>& keys,
                                  size_t& blocked) {
  for (size_t i = 0; i < keys.size(); ++i) {
    Queue& queue = queues_[Name(keys[i])];
    const bool twice = !queue.empty() && queue.back().ticket == id;
    if (twice || queue.size() >= max_waiting_) {
      for (size_t back = 0; back < i; ++back) {
        const auto entered = queues_.find(Name(keys[back]));
        entered->second.pop_back();
        if (entered->second.empty()) queues_.erase(entered);
      }
      return twice ? Entered::kTwice : Entered::kFull;
    }
    const bool free = std::all_of(queue.begin(), queue.end(), [&](const Waiter& waiter) {
      return waiter.shared && keys[i].shared;
    });
    if (!free) ++blocked;
    queue.push_back({id, keys[i].shared});
  }
  return Entered::kAll;
}

void KeyLocks::Lock(LockTicket id, Ticket& ticket, std::vector<LockAction>& out) {
  ticket.state = State::kDraining;
  ticket.acked.assign(workers_, false);
  ticket.missing = workers_;
  out.push_back({LockAction::Kind::kLockWorkers, id, ticket.keys});
  if (workers_ > 0) return;
  ticket.state = State::kGranted;
  out.push_back({LockAction::Kind::kGranted, id, {}});
}

void KeyLocks::OnAck(LockTicket id, size_t worker, std::vector<LockAction>& out) {
  const auto found = tickets_.find(id);
  if (found == tickets_.end() || found->second.state != State::kDraining) return;
  Ticket& ticket = found->second;
  if (worker >= ticket.acked.size() || ticket.acked[worker]) return;
  ticket.acked[worker] = true;
  if (--ticket.missing > 0) return;
  ticket.state = State::kGranted;
  out.push_back({LockAction::Kind::kGranted, id, {}});
}

void KeyLocks::Leave(const LockKey& key, LockTicket id, std::vector<LockTicket>& freed) {
  const auto found = queues_.find(Name(key));
  RM_CHECK(found != queues_.end());
  Queue& queue = found->second;
  // Whom it stood in the way of: those behind it that nobody else before them blocks.
  bool exclusive_before = false, anyone_before = false, passed = false;
  for (auto each = queue.begin(); each != queue.end();) {
    if (each->ticket == id) {
      passed = true;
      const bool was_shared = each->shared;
      each = queue.erase(each);
      // What stands first changes nothing for what was blocked by others as well.
      if (was_shared && exclusive_before) return;
      for (auto behind = each; behind != queue.end(); ++behind) {
        const bool blocked_now = exclusive_before || (!behind->shared && anyone_before);
        const bool blocked_then = blocked_now || !behind->shared || !was_shared;
        if (blocked_then && !blocked_now) freed.push_back(behind->ticket);
        anyone_before = true;
        exclusive_before |= !behind->shared;
      }
      break;
    }
    anyone_before = true;
    exclusive_before |= !each->shared;
    ++each;
  }
  RM_CHECK(passed);
  if (queue.empty()) queues_.erase(found);
}

void KeyLocks::Start(const std::vector<LockTicket>& freed, std::vector<LockAction>& out) {
  for (LockTicket id : freed) {
    Ticket& ticket = tickets_.at(id);
    RM_CHECK(ticket.blocked > 0);
    if (--ticket.blocked == 0) Lock(id, ticket, out);
  }
}

void KeyLocks::Release(LockTicket id, std::vector<LockAction>& out) {
  const auto found = tickets_.find(id);
  if (found == tickets_.end()) return;
  Ticket ticket = std::move(found->second);
  tickets_.erase(found);
  std::vector<LockTicket> freed;
  for (const LockKey& key : *ticket.keys) Leave(key, id, freed);
  // The workers hear of the end first, so that what waits on them goes before the next in line.
  if (ticket.state != State::kWaiting) {
    out.push_back({LockAction::Kind::kUnlockWorkers, id, std::move(ticket.keys)});
  }
  Start(freed, out);
}

void KeyLocks::ReleaseOthers(LockTicket id, const std::vector<LockKey>& kept_keys,
                             std::vector<LockAction>& out) {
  const auto found = tickets_.find(id);
  if (found == tickets_.end()) return;
  Ticket& ticket = found->second;
  RM_CHECK(ticket.state == State::kGranted);
  std::vector<LockKey> gone, kept;
  for (const LockKey& held : *ticket.keys) {
    const bool stays = std::any_of(kept_keys.begin(), kept_keys.end(), [&](const LockKey& key) {
      return key.database == held.database && key.key == held.key;
    });
    (stays ? kept : gone).push_back(held);
  }
  if (gone.empty()) return;
  std::vector<LockTicket> freed;
  for (const LockKey& key : gone) Leave(key, id, freed);
  out.push_back({LockAction::Kind::kUnlockWorkers, id,
                 std::make_shared<const std::vector<LockKey>>(std::move(gone))});
  if (kept.empty()) {
    tickets_.erase(found);
  } else {
    ticket.keys = std::make_shared<const std::vector<LockKey>>(std::move(kept));
  }
  Start(freed, out);
}

bool KeyLocks::granted(LockTicket id) const {
  const auto found = tickets_.find(id);
  return found != tickets_.end() && found->second.state == State::kGranted;
}

void KeyLocks::SetStuck(LockTicket id) {
  const auto found = tickets_.find(id);
  if (found != tickets_.end()) found->second.stuck = found->second.state == State::kDraining;
}

bool KeyLocks::Drains(LockTicket id) const {
  const auto found = tickets_.find(id);
  return found != tickets_.end() && found->second.state == State::kDraining && !found->second.stuck;
}

bool KeyLocks::WaitsForDrain(LockTicket id) const {
  const auto found = tickets_.find(id);
  if (found == tickets_.end()) return false;
  if (found->second.state != State::kWaiting) return Drains(id);
  const std::vector<LockKey>& keys = *found->second.keys;
  return std::any_of(keys.begin(), keys.end(), [&](const LockKey& key) {
    const Queue& queue = queues_.at(Name(key));
    const auto self = std::find_if(queue.begin(), queue.end(),
                                   [id](const Waiter& waiter) { return waiter.ticket == id; });
    return std::any_of(queue.begin(), self, [&](const Waiter& before) {
      return !(before.shared && self->shared) && Drains(before.ticket);
    });
  });
}

bool KeyLocks::AnyDrains() const {
  return std::any_of(tickets_.begin(), tickets_.end(),
                     [&](const auto& each) { return Drains(each.first); });
}

bool KeyLocks::InUse(int database, const std::string& key) const {
  return queues_.contains(Name({database, key}));
}

}  // namespace ringmaster
