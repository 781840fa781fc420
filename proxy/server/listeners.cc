#include "server/listeners.h"

#include <algorithm>
#include <utility>

namespace ringmaster {

Listeners::Entry* Listeners::Find(const Address& address) const {
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
    return entry->door.address == address && entry->listener->reachable();
  });
  return at == entries_.end() ? nullptr : at->get();
}

// A listener that is about to leave may hold the port under another address, as 0.0.0.0 and
// 127.0.0.1 or a name and its number do.
Result<std::unique_ptr<Listener>> Listeners::Open(const Address& address,
                                                  const std::vector<Entry*>& leaving) const {
  Result<std::unique_ptr<Listener>> bound = Listener::Bind(loop_, address);
  if (bound || address.kind != Address::kTcp) return bound;
  bool any = false;
  const auto share = [&](bool shares) {
    for (const Entry* entry : leaving) {
      if (entry->listener->address().port != address.port) continue;
      entry->listener->SharePort(shares);
      any = true;
    }
  };
  share(true);
  if (!any) return bound;
  Result<std::unique_ptr<Listener>> beside = Listener::Bind(loop_, address, true);
  share(false);
  if (beside) (*beside)->SharePort(false);
  return beside;
}

Result<Listeners::Prepared> Listeners::Prepare(std::vector<Door> doors) {
  Prepared prepared;
  for (Door& door : doors) {
    Entry* kept = Find(door.address);
    prepared.next_.push_back({std::move(door), kept, nullptr});
  }
  std::vector<Entry*> leaving;
  for (const auto& entry : entries_) {
    const bool stays = std::any_of(prepared.next_.begin(), prepared.next_.end(),
                                   [&](const auto& next) { return next.kept == entry.get(); });
    if (!stays) leaving.push_back(entry.get());
  }
  for (Prepared::Next& next : prepared.next_) {
    if (next.kept != nullptr) continue;
    auto opened = Open(next.door.address, leaving);
    if (!opened) {
      const Error& error = opened.error();
      if (next.door.pool) return error;
      return Error{error.code,
                   "admin.listen: " + error.text + "; choose another address, or '' for none"};
    }
    next.opened = std::move(*opened);
  }
  return prepared;
}

void Listeners::Commit(Prepared prepared) {
  std::vector<std::unique_ptr<Entry>> next;
  for (Prepared::Next& each : prepared.next_) {
    if (each.kept != nullptr) {
      const auto at = std::find_if(entries_.begin(), entries_.end(),
                                   [&](const auto& entry) { return entry.get() == each.kept; });
      (*at)->door = std::move(each.door);
      next.push_back(std::move(*at));
      entries_.erase(at);
      continue;
    }
    next.push_back(std::make_unique<Entry>());
    Entry* entry = next.back().get();
    entry->door = std::move(each.door);
    entry->listener = std::move(each.opened);
    entry->listener->Start([this, entry](int fd) { accepted_(entry->door, fd); });
  }
  // Whoever connected to what leaves is served, not reset.
  for (const auto& entry : entries_) entry->listener->AcceptAll();
  entries_ = std::move(next);
}

Result<int> Listeners::DuplicateForAdmin() const {
  for (const auto& entry : entries_) {
    if (!entry->door.pool) return entry->listener->Duplicate();
  }
  return -1;
}

void Listeners::CloseForClients() {
  std::erase_if(entries_, [](const auto& entry) { return entry->door.pool.has_value(); });
}

}  // namespace ringmaster
