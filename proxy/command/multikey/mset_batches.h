// MSETs over several shards that come while others are under way share one saga, as databases let
// transactions share a commit record (group commit). What a saga costs beside its keys (records,
// markers, round trips) is then paid once for all of them.
//
// Nothing else changes for a client: what is all or nothing together is so for each, and they take
// effect in the order in which they came. Nobody waits when little is under way, nor longer than
// kPatience for others to end. Whoever could come to wait for a shard of others, because it is not
// up or has lately failed, is only together with those that need the same shards; and what fails
// together, or takes longer than kPatience, is undone and tried again by each alone, so that nobody
// gets another one's error.
//
// Owner: a PoolWorker, on its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "coro/event.h"

namespace ringmaster {

class Routes;

// The shard of each key of an MSET's arguments, which stand behind its name.
void ShardsOf(const Routes& routes, std::span<const Bytes> args, std::vector<uint32_t>& shards);

// Keys, what each is set to and the shard that has it. Keeps the bytes.
class Assignments {
 public:
  // `args`: of an MSET, behind its name; the shard of each key. Of a key that is set again the last
  // value counts.
  void Add(const Routes& routes, std::span<const Bytes> args, std::span<const uint32_t> shards);
  // Asks for the shards again, if the ring is another one than when they were asked for.
  void Place(const Routes& routes);

  size_t size() const { return pairs_.size(); }
  size_t bytes() const { return bytes_.size(); }
  // Views, until the next Add.
  Bytes key(size_t i) const { return {bytes_.data() + pairs_[i].at, pairs_[i].key}; }
  Bytes value(size_t i) const { return {bytes_.data() + pairs_[i].value_at, pairs_[i].value}; }
  uint32_t shard(size_t i) const { return pairs_[i].shard; }

 private:
  struct Pair {
    size_t at;  // of the key, in bytes_
    size_t key;
    size_t value_at;
    size_t value;
    uint32_t shard;
  };

  void Reserve(size_t pairs, size_t bytes);
  void Set(Bytes key, Bytes value, uint32_t shard);
  size_t SlotOf(Bytes key) const;

  std::string bytes_;
  std::vector<Pair> pairs_;
  uint64_t routes_ = 0;          // Router::version() that the shards are of
  std::vector<uint32_t> slots_;  // open addressing, a power of two: 1 + index in pairs_; 0: free
};

struct SetPlace;

// Commands that are, or will be, one saga.
class MsetBatch {
 public:
  explicit MsetBatch(std::shared_ptr<Assignments> first) : assignments_(std::move(first)) {}

  const std::shared_ptr<Assignments>& assignments() const { return assignments_; }
  size_t members() const { return members_; }
  // Some of them may not need all of its shards.
  bool mixed() const { return mixed_; }
  Event& may_start() { return may_start_; }  // for the one that leads
  Event& over() { return over_; }            // for the others
  // To each of them, when it is over. Empty: each is to try alone.
  const std::string& reply() const { return reply_; }

 private:
  friend class MsetBatches;

  std::shared_ptr<Assignments> assignments_;
  size_t members_ = 1;
  bool mixed_ = false;
  SetPlace* place_ = nullptr;  // while it gathers or counts as under way
  Event may_start_;
  Event over_;
  std::string reply_;
};

// Where groups meet: a database, and the shards in their order; none: whatever they are.
using SetPlaceName = std::pair<int, std::vector<uint32_t>>;
struct SetPlace {
  const SetPlaceName* name = nullptr;
  size_t running = 0;
  std::shared_ptr<MsetBatch> gathering = nullptr;  // until fewer run
  TimePoint since = {};                            // when it began to
};

class MsetBatches {
 public:
  // With fewer groups under way in their place nobody waits.
  static constexpr size_t kAtOnce = 2;
  // When the next one would make it more, a group starts whatever is under way; who brings more
  // alone is in none.
  static constexpr size_t kMaxKeys = 256;
  static constexpr size_t kMaxBytes = 64U << 10;
  static constexpr size_t kMaxArg = 4096;  // a larger key or value makes a step slow
  // How long a group waits for others to end, and a mixed one may take.
  static constexpr Duration kPatience = std::chrono::milliseconds(100);
  // After a failure there are no mixed groups for so long.
  static constexpr Duration kCaution = std::chrono::seconds(10);

  // Whether sagas reach the shard without waiting.
  using IsUp = std::function<bool(uint32_t shard, int database)>;

  explicit MsetBatches(IsUp is_up) : is_up_(std::move(is_up)) {}
  MsetBatches(const MsetBatches&) = delete;
  MsetBatches& operator=(const MsetBatches&) = delete;

  struct Joined {
    std::shared_ptr<MsetBatch> group;  // nullptr: it is too large
    bool leads = false;  // awaits may_start, runs the group and calls Over; others await over
  };
  // `args`: of an MSET, behind its name.
  Joined Join(const Routes& routes, int database, std::span<const Bytes> args, TimePoint now);
  // All shards did their part: the next group may start, so that its first record and the last one
  // of this are written together. May be left out.
  void Done(MsetBatch& group);
  // Tells the members, and the next group may start. `reply`: see MsetBatch.
  void Over(MsetBatch& group, std::string reply);
  // A shard failed.
  void OnTrouble(TimePoint now) { cautious_until_ = now + kCaution; }
  // Now and then: those that waited long start.
  void Tick(TimePoint now);

 private:
  void NamePlace(int database, TimePoint now);
  static void Start(SetPlace& place);

  const IsUp is_up_;
  TimePoint cautious_until_{};
  std::map<SetPlaceName, SetPlace> places_;
  // Of the command that joins, kept for their memory.
  std::vector<uint32_t> shards_;  // by key
  SetPlaceName name_;             // of its place
};

}  // namespace ringmaster
