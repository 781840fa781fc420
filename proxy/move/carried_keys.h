// Which keys of one donor are on their way at the moment, so that exactly one mover has a key at a
// time (docs/resharding.md): workers carry keys that their clients wait for, the donor's own mover
// all others. The core, without I/O or lock; its owner guards it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <unordered_map>

#include "base/bytes.h"

namespace ringmaster {

class CarriedKeys {
 public:
  static std::string NameOf(int database, Bytes key) {
    std::string name(sizeof(database), '\0');
    std::memcpy(name.data(), &database, sizeof(database));
    return name.append(key);
  }

  // --- a worker's ---

  // False: somebody carries it, or perhaps the mover does.
  bool BeginPull(const std::string& name) {
    if (in_hand_[SlotOf(name)] != 0) return false;
    return pulls_.try_emplace(name).second;
  }
  void EndPull(const std::string& name) {
    const auto at = pulls_.find(name);
    if (at == pulls_.end()) return;
    if (!at->second.empty()) --stuck_;
    pulls_.erase(at);
  }
  // A command on it is in doubt and its connection cannot be fenced: it stays carried.
  void SetStuck(const std::string& name, const std::string& why) {
    const auto at = pulls_.find(name);
    if (at == pulls_.end()) return;
    if (at->second.empty()) ++stuck_;
    at->second = why.empty() ? "in doubt" : why;
  }
  bool pulled(const std::string& name) const { return pulls_.contains(name); }
  size_t pulls() const { return pulls_.size(); }
  // Of them, those that end soon.
  size_t moving() const { return pulls_.size() - stuck_; }
  size_t stuck() const { return stuck_; }
  // Why it is stuck; nullptr: it is not.
  const std::string* WhyStuck(const std::string& name) const {
    const auto at = pulls_.find(name);
    return at == pulls_.end() || at->second.empty() ? nullptr : &at->second;
  }

  // --- the mover's: it knows its own keys; workers must not take them. A worker that comes upon
  // another key of the same slot leaves that to the mover, too. ---

  // False: a worker carries it.
  bool Begin(const std::string& name, uint32_t& slot) {
    if (!pulls_.empty() && pulls_.contains(name)) return false;
    slot = SlotOf(name);
    ++in_hand_[slot];
    return true;
  }
  void End(uint32_t slot) { --in_hand_[slot]; }

 private:
  static constexpr uint32_t kSlots = 1U << 14;

  static uint32_t SlotOf(const std::string& name) {
    return static_cast<uint32_t>(std::hash<std::string>()(name) % kSlots);
  }

  std::unordered_map<std::string, std::string> pulls_;  // by name: why it is stuck, or nothing
  size_t stuck_ = 0;
  std::array<uint32_t, kSlots> in_hand_{};
};

}  // namespace ringmaster
