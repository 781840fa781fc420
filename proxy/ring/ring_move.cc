#include "ring/ring_move.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace ringmaster {
namespace {

constexpr int kSample = 100000;

bool SameCircle(const TopologySpec& a, const TopologySpec& b) {
  return a.distribution != DistributionKind::kModula && b.distribution == a.distribution &&
         SamePositions(a, b);
}

// Those that only one of the two has.
std::vector<TagRule> ChangedRules(const TopologySpec& a, const TopologySpec& b) {
  std::vector<TagRule> changed;
  const auto add = [&changed](const TopologySpec& from, const TopologySpec& to) {
    for (const std::string& text : from.together) {
      if (std::find(to.together.begin(), to.together.end(), text) != to.together.end()) continue;
      if (Result<TagRule> rule = TagRule::Parse(text)) changed.push_back(std::move(*rule));
    }
  };
  add(a, b);
  add(b, a);
  return changed;
}

}  // namespace

Result<std::shared_ptr<const RingMove>> RingMove::Plan(const TopologySpec& from,
                                                       const TopologySpec& to, uint64_t epoch) {
  std::unordered_map<Bytes, const ShardSpec*> before;
  for (const ShardSpec& shard : from.shards) before.emplace(shard.name, &shard);
  TopologySpec old_side = from;
  TopologySpec new_side = to;
  old_side.shards.clear();
  for (const ShardSpec& shard : to.shards) {
    const auto known = before.find(shard.name);
    ShardSpec old = shard;
    old.absent = known == before.end() || known->second->absent;
    if (known != before.end()) old.weight = known->second->weight;
    old_side.shards.push_back(old);
    before.erase(shard.name);
  }
  for (const ShardSpec& shard : from.shards) {
    if (before.count(shard.name) == 0 || shard.absent) continue;
    old_side.shards.push_back(shard);
    ShardSpec leaving = shard;
    leaving.absent = true;
    new_side.shards.push_back(leaving);
  }
  auto old_ring = Topology::Build(old_side, epoch - 1);
  if (!old_ring) return old_ring.error();
  auto new_ring = Topology::Build(new_side, epoch);
  if (!new_ring) return new_ring.error();
  std::shared_ptr<RingMove> move(new RingMove(*old_ring, *new_ring));
  move->roles_.resize(move->shards().size());
  if (SameCircle(from, to)) {
    move->CutRanges();
  } else {
    move->Sample();
  }
  move->FindRoles();
  return std::shared_ptr<const RingMove>(std::move(move));
}

// Walks both circles at once, boundary by boundary.
void RingMove::CutRanges() {
  uint64_t moved = 0;
  uint32_t first = 0;
  auto old_owner = from_->intervals().begin();
  auto new_owner = to_->intervals().begin();
  while (old_owner != from_->intervals().end() && new_owner != to_->intervals().end()) {
    const uint32_t last = std::min(old_owner->last, new_owner->last);
    if (old_owner->shard != new_owner->shard) {
      moved += uint64_t{last} - first + 1;
      Range* before = ranges_.empty() ? nullptr : &ranges_.back();
      if (before != nullptr && before->last + 1 == first && before->from == old_owner->shard &&
          before->to == new_owner->shard) {
        before->last = last;
      } else {
        ranges_.push_back({first, last, old_owner->shard, new_owner->shard});
      }
      roles_[old_owner->shard].donor = true;
      roles_[new_owner->shard].recipient = true;
    }
    first = last + 1;
    if (old_owner->last == last) ++old_owner;
    if (new_owner->last == last) ++new_owner;
  }
  share_ = static_cast<double>(moved) / 4294967296.0;
}

// Two circles or remainders that have nothing in common: any shard may give to any other. The
// sample says how much moves; which shards take part must not depend on it. Every second key of it
// is one of those that a changed rule is about: how many of them there are nobody knows.
void RingMove::Sample() {
  const std::vector<TagRule> changed = ChangedRules(from_->spec(), to_->spec());
  int moved = 0;
  std::string key;
  for (int i = 0; i < kSample; ++i) {
    key = changed.empty() || i % 2 == 0
              ? "sample:" + std::to_string(i)
              : changed[static_cast<size_t>(i) / 2 % changed.size()].Example(i);
    if (Locate(key).moves()) ++moved;
  }
  share_ = static_cast<double>(moved) / kSample;
  const bool same = from_->spec().distribution == to_->spec().distribution &&
                    SamePositions(from_->spec(), to_->spec()) && moved == 0;
  if (same) return;
  for (size_t i = 0; i < roles_.size(); ++i) {
    roles_[i].donor = !from_->shards()[i].absent;
    roles_[i].recipient = !to_->shards()[i].absent;
  }
}

void RingMove::FindRoles() {
  for (uint32_t i = 0; i < roles_.size(); ++i) {
    if (roles_[i].donor) donors_.push_back(i);
    if (roles_[i].recipient) recipients_.push_back(i);
  }
  for (uint32_t i = 0; i < roles_.size(); ++i) {
    if (roles_[i].donor || !roles_[i].recipient) walk_.push_back(i);
  }
  walk_.insert(walk_.end(), recipients_.begin(), recipients_.end());
}

}  // namespace ringmaster
