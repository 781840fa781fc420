// Which keys of a moving range have surely arrived. Exact: a key is named by a 128-bit hash under a
// secret of this process, so that nobody can make two keys look alike; a false "arrived" would read
// as data loss. Bounded: what is forgotten costs one question to the old owner.
//
// Owner: a worker, on its thread.
#pragma once

#include <cstddef>
#include <unordered_set>

#include "base/bytes.h"
#include "base/planted.h"
#include "ring/hash.h"

namespace ringmaster {

class HereCache {
 public:
  using NameOf = Hash128 (*)(Bytes);

  // At most about `capacity` keys are remembered, the latest ones.
  explicit HereCache(size_t capacity, NameOf name_of = KeyedHash128)
      : half_(capacity / 2 + 1), name_of_(name_of) {}

  void Insert(Bytes key) {
    if (young_.size() >= half_) {
      old_ = std::move(young_);
      young_.clear();
    }
    young_.insert(NameFor(key));
  }
  bool Contains(Bytes key) const {
    const Hash128 name = NameFor(key);
    return young_.contains(name) || old_.contains(name);
  }
  void Clear() {
    young_ = {};
    old_ = {};
  }
  size_t size() const { return young_.size() + old_.size(); }

 private:
  struct Low {
    size_t operator()(const Hash128& hash) const { return static_cast<size_t>(hash.low); }
  };
  Hash128 NameFor(Bytes key) const {
    Hash128 name = name_of_(key);
    if (Planted("here-inexact")) name = {name.low & 1023, 0};
    return name;
  }
  using Set = std::unordered_set<Hash128, Low>;

  const size_t half_;
  const NameOf name_of_;
  Set young_;
  Set old_;
};

}  // namespace ringmaster
