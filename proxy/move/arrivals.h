// Keys that the sweep has brought to their new owner and that would not yet survive its loss of
// power: the old owner keeps its copy until the new one's disk, or a replica, has them
// (docs/resharding.md). Both copies are equal meanwhile. A client that touches such a key has the
// old one dropped first, as of every key on its way, and waits no longer than usual.
//
// WAITAOF and WAIT hold up the connection that asks: each new owner is asked over one of its own,
// behind a write of ours, which is younger than what it asks for. No call waits for an answer.
//
// Owner: the mover's thread. Only Cancel() may be called from another.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "move/options.h"
#include "move/shard_client.h"

namespace ringmaster {

class Arrivals {
 public:
  struct Key {
    int database;
    std::string key;
  };

  // `clients`: to the shards by their indexes, used for nothing else. `mode` may change at any time
  // and outlives this.
  Arrivals(std::vector<std::unique_ptr<ShardClient>> clients, const std::atomic<DurableMove>& mode);

  // Whether keys that reach this shard have to wait. Finds out by asking it, the first time.
  bool Await(uint32_t shard);
  // `run_id`: of the process of the shard that has acknowledged it.
  void Add(uint32_t shard, const std::string& run_id, int database, const std::string& key);
  // It was added, and not yet taken.
  bool contains(int database, const std::string& key) const;
  size_t count() const { return names_.size(); }
  // So many that the sweep should rest.
  bool full() const { return names_.size() >= kMost || bytes_ >= kMostBytes; }

  // Asks for what was added and looks at the answers that have come. What can be dropped from the
  // old owner now; what a lost connection or a new process of the shard leaves open is forgotten:
  // the next pass of the sweep finds it on both sides.
  std::vector<Key> TakeDurable();
  // All of it; the old owner keeps its copies.
  void Forget();
  // What holds it up; empty: nothing.
  std::string trouble() const;
  void Cancel();

 private:
  static constexpr size_t kMost = 100'000;
  static constexpr size_t kMostBytes = 16 << 20;  // of their names

  enum class State : uint8_t { kUnknown, kAwaited, kNotAwaited };
  struct Shard {
    std::unique_ptr<ShardClient> client;
    State state = State::kUnknown;
    std::vector<Key> added;
    std::vector<Key> asked;
    std::string run_id;      // of the process that has `added`
    size_t replies_due = 0;  // the last one is the answer
    bool marked = false;     // the marker was written
    TimePoint asked_at{};
    TimePoint retry_at{};
    std::string trouble;  // until an answer comes that is as it should be
  };

  void FollowMode();
  bool Connect(Shard& shard);
  State Probe(Shard& shard);
  void Ask(Shard& shard, bool with_marker);
  void Look(Shard& shard, std::vector<Key>& durable);
  void Judge(Shard& shard, const ShardReply& answer, std::vector<Key>& durable);
  void Lose(Shard& shard);
  void Drop(std::vector<Key>& keys);
  void Erase(const Key& key);

  const std::atomic<DurableMove>& wanted_;
  DurableMove mode_;
  std::vector<Shard> shards_;
  std::unordered_set<std::string> names_;  // of `added` and `asked`
  size_t bytes_ = 0;                       // of them
};

}  // namespace ringmaster
