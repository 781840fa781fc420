#include "lock/locked_keys.h"

#include <algorithm>
#include <utility>

namespace ringmaster {

const std::string& LockedKeys::NameOf(int database, Bytes key) const {
  AssignLockName(name_, database, key);
  return name_;
}

void LockedKeys::Line::Remove(size_t index) {
  if (index > 0) {
    entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(first_ + index));
  } else if (++first_ * 2 >= entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(first_));
    first_ = 0;
  }
}

// Whether it is clear.
bool LockedKeys::Enter(Line& line, Entry entry) {
  const std::span<const Entry> before = line.entries();
  entry.clear = std::all_of(before.begin(), before.end(),
                            [&](const Entry& each) { return each.shared && entry.shared; });
  line.Add(entry);
  return entry.clear;
}

void LockedKeys::Lock(LockTicket ticket, const std::vector<LockKey>& keys, Actions& out) {
  size_t blocked = 0;
  for (const LockKey& key : keys) {
    Line& line = lines_[NameOf(key.database, key.key)];
    if (!Enter(line, {ticket, true, key.shared, false})) ++blocked;
  }
  if (blocked == 0) {
    out.first.push_back(ticket);
  } else {
    tickets_.emplace(ticket, blocked);
  }
}

void LockedKeys::Unlock(LockTicket ticket, const std::vector<LockKey>& keys, Actions& out) {
  for (const LockKey& key : keys) Leave(NameOf(key.database, key.key), ticket, true, out);
  RunReady(out);
  // Given back before it was first.
  tickets_.erase(ticket);
}

bool LockedKeys::Touch(Token token, const std::vector<Key>& keys, bool reads_only) {
  const bool free = std::all_of(keys.begin(), keys.end(), [&](const Key& key) {
    return IsFree(key.database, key.key, reads_only);
  });
  if (free) return true;
  Waiter waiter;
  for (const Key& key : keys) {
    const std::string& name = NameOf(key.database, key.key);
    if (std::find(waiter.names.begin(), waiter.names.end(), name) != waiter.names.end()) continue;
    if (!Enter(lines_[name], {token, false, reads_only, false})) ++waiter.blocked;
    waiter.names.push_back(name);
  }
  tokens_.emplace(token, std::move(waiter));
  return false;
}

void LockedKeys::Forget(Token token, Actions& out) {
  const auto at = tokens_.find(token);
  if (at == tokens_.end()) return;
  const Waiter waiter = std::move(at->second);
  tokens_.erase(at);
  for (const std::string& name : waiter.names) Leave(name, token, false, out);
  RunReady(out);
}

std::vector<LockTicket> LockedKeys::TicketsBefore(Token token) const {
  std::vector<LockTicket> tickets;
  const auto at = tokens_.find(token);
  if (at == tokens_.end()) return tickets;
  for (const std::string& name : at->second.names) {
    for (const Entry& entry : lines_.at(name).entries()) {
      if (!entry.ticket && entry.id == token) break;
      if (entry.ticket) tickets.push_back(entry.id);
    }
  }
  return tickets;
}

bool LockedKeys::IsFree(int database, Bytes key, bool reads_only) const {
  const auto at = lines_.find(NameOf(database, key));
  if (at == lines_.end()) return true;
  const std::span<const Entry> entries = std::as_const(at->second).entries();
  return reads_only && std::all_of(entries.begin(), entries.end(),
                                   [](const Entry& entry) { return entry.shared; });
}

// Takes the entry out of its line; tokens that are clear now everywhere go to ready_.
void LockedKeys::Leave(const std::string& name, uint64_t id, bool ticket, Actions& out) {
  const auto at = lines_.find(name);
  if (at == lines_.end()) return;
  Line& line = at->second;
  const std::span<Entry> before = line.entries();
  const auto entry = std::find_if(before.begin(), before.end(), [&](const Entry& each) {
    return each.id == id && each.ticket == ticket;
  });
  if (entry == before.end()) return;
  line.Remove(static_cast<size_t>(entry - before.begin()));
  const std::span<Entry> rest = line.entries();
  if (rest.empty()) {
    lines_.erase(at);
    return;
  }
  bool all_shared = true;
  for (size_t i = 0; i < rest.size(); ++i) {
    Entry& each = rest[i];
    if (i > 0 && !(all_shared && each.shared)) break;
    all_shared = all_shared && each.shared;
    if (!each.clear) Clear(each, out);
  }
}

void LockedKeys::Clear(Entry& entry, Actions& out) {
  entry.clear = true;
  if (entry.ticket) {
    const auto at = tickets_.find(entry.id);
    if (at == tickets_.end() || --at->second > 0) return;
    out.first.push_back(entry.id);
    tickets_.erase(at);
    return;
  }
  const auto at = tokens_.find(entry.id);
  if (at != tokens_.end() && --at->second.blocked == 0) ready_.push_back(entry.id);
}

// A line of a thousand commands must not need a stack of a thousand calls.
void LockedKeys::RunReady(Actions& out) {
  while (!ready_.empty()) {
    const Token token = ready_.front();
    ready_.pop_front();
    const Waiter waiter = std::move(tokens_.at(token));
    tokens_.erase(token);
    out.run.push_back(token);
    for (const std::string& name : waiter.names) Leave(name, token, false, out);
  }
}

}  // namespace ringmaster
