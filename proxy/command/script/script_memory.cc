#include "command/script/script_memory.h"

#include <utility>

#include "base/sha.h"

namespace ringmaster {

std::string ScriptMemory::Remember(Bytes script, Source source) {
  std::string sha = Sha1Hex(script);
  if (script.size() > kMaxBytes / 4) return sha;
  const MutexLock lock(mutex_);
  const auto known = scripts_.find(sha);
  if (known != scripts_.end()) {
    // Once loaded it stays among the loaded ones: its place in the other line is skipped later.
    if (source == Source::kEvaluated || known->second.source == Source::kLoaded) return sha;
    kinds_[static_cast<size_t>(Source::kEvaluated)].bytes -= script.size();
    known->second.source = source;
  } else {
    scripts_.emplace(sha, Kept{std::make_shared<const std::string>(script), source});
  }
  Kind& kind = kinds_[static_cast<size_t>(source)];
  kind.shas.push_back(sha);
  kind.bytes += script.size();
  Evict(kind);
  return sha;
}

void ScriptMemory::Evict(Kind& kind) {
  const auto source = static_cast<Source>(&kind - kinds_);
  while (!kind.shas.empty() && (kind.bytes > kMaxBytes || kind.shas.size() > kMaxScripts)) {
    const auto oldest = scripts_.find(kind.shas.front());
    kind.shas.pop_front();
    if (oldest == scripts_.end() || oldest->second.source != source) continue;
    kind.bytes -= oldest->second.text->size();
    scripts_.erase(oldest);
  }
}

ScriptMemory::Text ScriptMemory::Find(const std::string& sha) const {
  const MutexLock lock(mutex_);
  const auto known = scripts_.find(sha);
  return known == scripts_.end() ? nullptr : known->second.text;
}

void ScriptMemory::ForgetScripts() {
  const MutexLock lock(mutex_);
  scripts_.clear();
  for (Kind& kind : kinds_) kind = Kind();
  epoch_.fetch_add(1);
}

ScriptMemory::Functions ScriptMemory::functions() const {
  const MutexLock lock(mutex_);
  return {functions_version_.load(), functions_};
}

bool ScriptMemory::LearnFunctions(std::string dump, uint64_t changes) {
  const MutexLock lock(mutex_);
  if (functions_version_.load() != 0) return true;
  if (changes != changes_ || changing_ > 0) return false;
  functions_ = std::make_shared<const std::string>(std::move(dump));
  functions_version_.store(changes_ + 1);
  return true;
}

uint64_t ScriptMemory::changes() const {
  const MutexLock lock(mutex_);
  return changes_;
}

void ScriptMemory::BeginChange() {
  const MutexLock lock(mutex_);
  ++changes_;
  ++changing_;
  functions_version_.store(0);
}

void ScriptMemory::EndChange(std::optional<std::string> dump,
                             std::optional<std::set<std::string>> readers) {
  const MutexLock lock(mutex_);
  --changing_;
  if (readers) readers_ = std::move(*readers);
  if (!dump) return;
  functions_ = std::make_shared<const std::string>(std::move(*dump));
  if (changing_ == 0) functions_version_.store(changes_ + 1);
}

bool ScriptMemory::functions_large() const {
  const MutexLock lock(mutex_);
  return functions_ != nullptr && functions_->size() > kLargeDump;
}

bool ScriptMemory::Reads(Bytes function) const {
  const MutexLock lock(mutex_);
  return readers_.contains(Lowercase(function));
}

}  // namespace ringmaster
