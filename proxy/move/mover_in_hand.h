// Keys that their mover has, for as long as this lives: workers must not take them meanwhile.
// Private to the mover.
#pragma once

#include <string>
#include <vector>

#include "base/mutex.h"
#include "move/mover.h"

namespace ringmaster {

class Mover::InHand {
 public:
  explicit InHand(Mover& mover) : mover_(mover) {}
  ~InHand() {
    const MutexLock lock(mover_.mutex_);
    for (const uint32_t slot : slots_) mover_.carried_.End(slot);
    // What the mover's own lost connection had sent must be final before a worker carries the key.
    for (size_t i = 0; i < mover_.clients_.size(); ++i) {
      if (mover_.clients_[i]->in_doubt()) mover_.opened_[i] = false;
    }
  }
  InHand(const InHand&) = delete;
  InHand& operator=(const InHand&) = delete;

  // False: a worker carries it. `carried`: the mover's.
  bool Take(CarriedKeys& carried, const std::string& name) {
    uint32_t slot = 0;
    if (!carried.Begin(name, slot)) return false;
    slots_.push_back(slot);
    return true;
  }
  Items TakeFound(size_t most);

 private:
  Mover& mover_;
  std::vector<uint32_t> slots_;
};

}  // namespace ringmaster
