#include "saga/locked_keys.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ringmaster {

std::string LockedKeys::NameOf(int database, Bytes key) {
  std::string name(sizeof(database), '\0');
  std::memcpy(name.data(), &database, sizeof(database));
  return name.append(key);
}

// Whether it is clear.
bool LockedKeys::Enter(Line& line, Entry entry) {
  entry.clear = std::all_of(line.begin(), line.end(),
                            [&](const Entry& before) { return before.shared && entry.shared; });
  line.push_back(entry);
  return entry.clear;
}

void LockedKeys::Lock(LockTicket ticket, const std::vector<LockKey>& keys, Actions& out) {
  Waiter waiter;
  for (const LockKey& key : keys) {
    std::string name = NameOf(key.database, key.key);
    if (!Enter(lines_[name], {ticket, true, key.shared, false})) ++waiter.blocked;
    waiter.names.push_back(std::move(name));
  }
  if (waiter.blocked == 0) {
    out.first.push_back(ticket);
  } else {
    tickets_.emplace(ticket, std::move(waiter));
  }
}

void LockedKeys::Unlock(LockTicket ticket, const std::vector<LockKey>& keys, Actions& out) {
  for (const LockKey& key : keys) Leave(NameOf(key.database, key.key), ticket, true, out);
  RunReady(out);
  // Given back before it was first.
  const auto at = tickets_.find(ticket);
  if (at != tickets_.end()) tickets_.erase(at);
}

bool LockedKeys::Touch(Token token, const std::vector<Key>& keys, bool reads_only) {
  const bool free = std::all_of(keys.begin(), keys.end(), [&](const Key& key) {
    return IsFree(key.database, key.key, reads_only);
  });
  if (free) return true;
  Waiter waiter;
  for (const Key& key : keys) {
    std::string name = NameOf(key.database, key.key);
    if (std::find(waiter.names.begin(), waiter.names.end(), name) != waiter.names.end()) continue;
    if (!Enter(lines_[name], {token, false, reads_only, false})) ++waiter.blocked;
    waiter.names.push_back(std::move(name));
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

bool LockedKeys::IsFree(int database, Bytes key, bool reads_only) const {
  const auto at = lines_.find(NameOf(database, key));
  if (at == lines_.end()) return true;
  return reads_only && std::all_of(at->second.begin(), at->second.end(),
                                   [](const Entry& entry) { return entry.shared; });
}

// Takes the entry out of its line; tokens that are clear now everywhere go to ready_.
void LockedKeys::Leave(const std::string& name, uint64_t id, bool ticket, Actions& out) {
  const auto at = lines_.find(name);
  if (at == lines_.end()) return;
  Line& line = at->second;
  const auto entry = std::find_if(line.begin(), line.end(), [&](const Entry& each) {
    return each.id == id && each.ticket == ticket;
  });
  if (entry == line.end()) return;
  line.erase(entry);
  if (line.empty()) {
    lines_.erase(at);
    return;
  }
  bool all_shared = true;
  for (size_t i = 0; i < line.size(); ++i) {
    Entry& each = line[i];
    if (i > 0 && !(all_shared && each.shared)) break;
    all_shared = all_shared && each.shared;
    if (!each.clear) Clear(each, out);
  }
}

void LockedKeys::Clear(Entry& entry, Actions& out) {
  entry.clear = true;
  auto& waiters = entry.ticket ? tickets_ : tokens_;
  const auto at = waiters.find(entry.id);
  if (at == waiters.end() || --at->second.blocked > 0) return;
  if (entry.ticket) {
    out.first.push_back(entry.id);
    tickets_.erase(at);
  } else {
    ready_.push_back(entry.id);
  }
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
