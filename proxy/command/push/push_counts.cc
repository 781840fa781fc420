#include "command/push/push_counts.h"

namespace ringmaster {

void PushCounts::Add(PushKind kind, Bytes name, Figures change) {
  const MutexLock lock(mutex_);
  Table& table = tables_[static_cast<size_t>(kind)];
  auto at = table.find(name);
  if (at == table.end()) {
    at = table.emplace(std::string(name), Figures()).first;
    names_.fetch_add(1, std::memory_order_relaxed);
  }
  at->second.clients += change.clients;
  at->second.connections += change.connections;
  if (at->second.clients != 0 || at->second.connections != 0) return;
  table.erase(at);
  names_.fetch_sub(1, std::memory_order_relaxed);
}

PushCounts::Figures PushCounts::Of(PushKind kind, Bytes name) const {
  const MutexLock lock(mutex_);
  const Table& table = tables_[static_cast<size_t>(kind)];
  const auto at = table.find(name);
  return at == table.end() ? Figures() : at->second;
}

PushCounts::Figures PushCounts::Receivers(PushKind kind, Bytes channel) const {
  Figures all = Of(kind, channel);
  if (kind != PushKind::kChannel) return all;
  const MutexLock lock(mutex_);
  for (const auto& [pattern, figures] : tables_[static_cast<size_t>(PushKind::kPattern)]) {
    if (!GlobMatch(pattern, channel)) continue;
    all.clients += figures.clients;
    all.connections += figures.connections;
  }
  return all;
}

}  // namespace ringmaster
