#include "command/multikey/mset_batches.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "route/router.h"

namespace ringmaster {

// A loop of its own: what it takes from memory comes for several keys at the same time.
void ShardsOf(const Routes& routes, std::span<const Bytes> args, std::vector<uint32_t>& shards) {
  shards.clear();
  for (size_t i = 0; i + 1 < args.size(); i += 2) shards.push_back(routes.ShardOf(args[i]));
}

void Assignments::Add(const Routes& routes, std::span<const Bytes> args,
                      std::span<const uint32_t> shards) {
  Place(routes);
  size_t bytes = bytes_.size();
  for (const Bytes arg : args) bytes += arg.size();
  Reserve(pairs_.size() + shards.size(), bytes);
  for (size_t i = 0; i < shards.size(); ++i) Set(args[2 * i], args[2 * i + 1], shards[i]);
}

void Assignments::Place(const Routes& routes) {
  if (std::exchange(routes_, routes.version()) == routes.version()) return;
  for (size_t i = 0; i < pairs_.size(); ++i) pairs_[i].shard = routes.ShardOf(key(i));
}

void Assignments::Reserve(size_t pairs, size_t bytes) {
  if (bytes > bytes_.capacity()) bytes_.reserve(pairs_.empty() ? bytes : 4 * bytes);
  if (2 * pairs <= slots_.size()) return;
  // Who comes to a second one will come to more.
  const size_t slots = std::bit_ceil(std::max<size_t>(16, pairs_.empty() ? 2 * pairs : 8 * pairs));
  pairs_.reserve(slots / 2);
  slots_.assign(slots, 0);
  for (size_t i = 0; i < pairs_.size(); ++i) slots_[SlotOf(key(i))] = static_cast<uint32_t>(i + 1);
}

size_t Assignments::SlotOf(Bytes key) const {
  const size_t mask = slots_.size() - 1;
  size_t at = std::hash<Bytes>()(key) & mask;
  while (slots_[at] != 0 && this->key(slots_[at] - 1) != key) at = (at + 1) & mask;
  return at;
}

// REQUIRES: there is room.
void Assignments::Set(Bytes key, Bytes value, uint32_t shard) {
  uint32_t& slot = slots_[SlotOf(key)];
  if (slot == 0) {
    pairs_.push_back({bytes_.size(), key.size(), 0, 0, shard});
    bytes_.append(key);
    slot = static_cast<uint32_t>(pairs_.size());
  }
  Pair& pair = pairs_[slot - 1];
  pair.value_at = bytes_.size();
  pair.value = value.size();
  bytes_.append(value);
}

void MsetBatches::NamePlace(int database, TimePoint now) {
  std::vector<uint32_t>& shards = name_.second;
  name_.first = database;
  shards.clear();
  for (const uint32_t shard : shards_) {
    const auto at = std::lower_bound(shards.begin(), shards.end(), shard);
    if (at == shards.end() || *at != shard) shards.insert(at, shard);
  }
  const bool all_up = std::all_of(shards.begin(), shards.end(),
                                  [&](uint32_t shard) { return is_up_(shard, database); });
  if (all_up && now >= cautious_until_) shards.clear();
}

MsetBatches::Joined MsetBatches::Join(const Routes& routes, int database,
                                      std::span<const Bytes> args, TimePoint now) {
  const size_t keys = args.size() / 2;
  size_t bytes = 0;
  for (const Bytes arg : args) {
    if (arg.size() > kMaxArg) return {};
    bytes += arg.size();
  }
  if (keys > kMaxKeys || bytes > kMaxBytes) return {};
  ShardsOf(routes, args, shards_);
  NamePlace(database, now);
  const auto [at, added] = places_.try_emplace(name_);
  SetPlace& place = at->second;
  place.name = &at->first;
  if (const std::shared_ptr<MsetBatch> group = place.gathering) {
    Assignments& assignments = *group->assignments_;
    assignments.Add(routes, args, shards_);
    ++group->members_;
    // The next one would be too much.
    const bool full =
        assignments.size() + keys > kMaxKeys || assignments.bytes() + bytes > kMaxBytes;
    if (full) Start(place);
    return {group, false};
  }
  auto assignments = std::make_shared<Assignments>();
  assignments->Add(routes, args, shards_);
  auto group = std::make_shared<MsetBatch>(std::move(assignments));
  group->place_ = &place;
  group->mixed_ = name_.second.empty();
  place.gathering = group;
  place.since = now;
  if (place.running < kAtOnce) Start(place);
  return {group, true};
}

void MsetBatches::Tick(TimePoint now) {
  std::vector<std::shared_ptr<MsetBatch>> late;
  for (const auto& [name, place] : places_) {
    if (place.gathering != nullptr && now - place.since >= kPatience) {
      late.push_back(place.gathering);
    }
  }
  if (late.empty()) return;
  OnTrouble(now);
  // Its end may be near, and take the place away.
  for (const auto& group : late) {
    if (!group->may_start_.set()) Start(*group->place_);
  }
}

// The one that leads goes on in here, if it waits.
void MsetBatches::Start(SetPlace& place) {
  const std::shared_ptr<MsetBatch> group = std::exchange(place.gathering, nullptr);
  ++place.running;
  group->may_start_.Set();
}

void MsetBatches::Over(MsetBatch& group, std::string reply) {
  group.reply_ = std::move(reply);
  group.over_.Set();
  Done(group);
}

void MsetBatches::Done(MsetBatch& group) {
  if (group.place_ == nullptr) return;
  SetPlace& place = *std::exchange(group.place_, nullptr);
  --place.running;
  if (place.gathering != nullptr) {
    Start(place);
  } else if (place.running == 0) {
    places_.erase(*place.name);
  }
}

}  // namespace ringmaster
