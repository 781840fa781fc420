#include "ring/topology.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"

namespace ringmaster {
namespace {

// Points on the circle for each virtual node of the configuration. With m random points a shard's
// share has a standard deviation of 1/sqrt(m): 3 % for 1024, which leaves the fullest of ten shards
// about 5 % over the mean. Eight times as many bring it to 1.1 %, the fullest of ten below 4 %.
constexpr uint32_t kPointsPerVirtualNode = 8;

constexpr uint32_t kKetamaPoints = 160;  // per shard of average weight
constexpr uint32_t kKetamaPointsPerDigest = 4;

constexpr uint32_t kLastPosition = UINT32_MAX;
constexpr double kPositions = 4294967296.0;

// 2^22 buckets are 32 MiB; beyond, longer searches cost less than more memory.
constexpr int kMinBucketBits = 4;
constexpr int kMaxBucketBits = 22;

constexpr std::pair<DistributionKind, Bytes> kNames[] = {
    {DistributionKind::kRing, "ring"},
    {DistributionKind::kKetama, "ketama"},
    {DistributionKind::kModula, "modula"},
};

// The finalizer of MurmurHash3: spreads hashes of few or uneven bits over the whole circle.
uint32_t Spread(uint32_t hash) {
  hash = (hash ^ (hash >> 16)) * 0x85ebca6bU;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35U;
  return hash ^ (hash >> 16);
}

Error Invalid(std::string text) { return Error{ErrorCode::kInvalid, std::move(text)}; }

// In steps that cannot overflow: each factor has 32 bits at most, and the sum stops at the bound.
// `ketama` has as many points for any weights, but computes with their sum in 32 bits.
bool HasTooManyPoints(const TopologySpec& spec) {
  const uint64_t per_weight = spec.distribution == DistributionKind::kRing
                                  ? uint64_t{spec.virtual_nodes} * kPointsPerVirtualNode
                                  : 1;
  uint64_t total = 0;
  for (const ShardSpec& shard : spec.shards) {
    if (shard.absent) continue;
    if (per_weight > Topology::kMaxPoints || shard.weight > Topology::kMaxPoints) return true;
    total += shard.weight * per_weight;
    if (total > Topology::kMaxPoints) return true;
  }
  return false;
}

Status Check(const TopologySpec& spec) {
  if (std::all_of(spec.shards.begin(), spec.shards.end(), [](const auto& s) { return s.absent; })) {
    return Invalid("a pool needs at least one shard");
  }
  if (spec.shards.size() > Topology::kMaxShards) {
    return Invalid("a pool has at most " + std::to_string(Topology::kMaxShards) + " shards");
  }
  if (!spec.hash_tag.empty() && spec.hash_tag.size() != 2) {
    return Invalid("hash_tag has two characters, such as \"{}\", or none");
  }
  if (spec.together.size() > TagRule::kMaxRules) {
    return Invalid("together has at most " + std::to_string(TagRule::kMaxRules) + " rules");
  }
  if (spec.virtual_nodes == 0) return Invalid("virtual_nodes is at least 1");
  std::unordered_set<Bytes> names;
  for (const ShardSpec& shard : spec.shards) {
    if (shard.weight == 0) return Invalid("shard " + shard.name + ": the weight is at least 1");
    if (!names.insert(shard.name).second) return Invalid("two shards are named " + shard.name);
  }
  if (HasTooManyPoints(spec)) {
    return Invalid("the weights (times virtual_nodes) are too large together; use smaller numbers");
  }
  return Done();
}

}  // namespace

Bytes DistributionName(DistributionKind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "";
}

std::optional<DistributionKind> ParseDistributionKind(Bytes name) {
  for (const auto& [kind, known] : kNames) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

Result<std::shared_ptr<const Topology>> Topology::Build(const TopologySpec& spec, uint64_t epoch) {
  if (const Status status = Check(spec); !status.ok()) return status.error();
  std::shared_ptr<Topology> topology(new Topology(spec, epoch));
  for (const std::string& text : spec.together) {
    Result<TagRule> rule = TagRule::Parse(text);
    if (!rule) return Invalid("together: '" + text + "' " + rule.error().text);
    topology->rules_.push_back(std::move(*rule));
  }
  switch (spec.distribution) {
    case DistributionKind::kRing:
      topology->BuildRing();
      break;
    case DistributionKind::kKetama:
      topology->BuildKetama();
      break;
    case DistributionKind::kModula:
      topology->BuildModula();
      break;
  }
  return std::shared_ptr<const Topology>(std::move(topology));
}

// A shard's points depend on its own name and weight only, and more weight only adds points. So an
// added shard takes keys from others, and no key moves between those.
void Topology::BuildRing() {
  std::vector<Point> points;
  std::string text;
  for (uint32_t shard = 0; shard < spec_.shards.size(); ++shard) {
    text = spec_.shards[shard].name + "#";
    const size_t prefix = text.size();
    const uint32_t count =
        spec_.shards[shard].absent
            ? 0
            : spec_.shards[shard].weight * spec_.virtual_nodes * kPointsPerVirtualNode;
    for (uint32_t i = 0; i < count; ++i) {
      text.resize(prefix);
      AppendInteger(text, i);
      points.push_back({static_cast<uint32_t>(Hash(HashKind::kXxh3, text) >> 32), shard});
    }
  }
  // By name where two shards meet in one position: their order in the file must not matter.
  std::sort(points.begin(), points.end(), [this](const Point& a, const Point& b) {
    if (a.position != b.position) return a.position < b.position;
    return spec_.shards[a.shard].name < spec_.shards[b.shard].name;
  });
  CutCircle(points);
}

// Whatever their order in its file, twemproxy sorts its servers: shorter names first.
std::vector<uint32_t> Topology::ShardsInTwemproxysOrder() const {
  std::vector<uint32_t> order(spec_.shards.size());
  std::iota(order.begin(), order.end(), 0U);
  std::erase_if(order, [this](uint32_t shard) { return spec_.shards[shard].absent; });
  std::sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
    const std::string& first = spec_.shards[a].name;
    const std::string& second = spec_.shards[b].name;
    return first.size() != second.size() ? first.size() < second.size() : first < second;
  });
  return order;
}

// As twemproxy does it, its single-precision arithmetic included.
void Topology::BuildKetama() {
  uint32_t total_weight = 0;
  const std::vector<uint32_t> order = ShardsInTwemproxysOrder();
  for (const uint32_t shard : order) total_weight += spec_.shards[shard].weight;
  const auto shard_count = static_cast<float>(order.size());
  std::vector<Point> points;
  for (const uint32_t shard : order) {
    const ShardSpec& at = spec_.shards[shard];
    const float share = static_cast<float>(at.weight) / static_cast<float>(total_weight);
    const float digests =
        share * static_cast<float>(kKetamaPoints) / kKetamaPointsPerDigest * shard_count;
    const auto count = static_cast<uint32_t>(std::floor(static_cast<float>(digests + 1e-10)));
    for (uint32_t i = 0; i < count; ++i) {
      for (const uint32_t word : Md5Words(at.name + "-" + std::to_string(i))) {
        points.push_back({word, shard});
      }
    }
  }
  // Stable, as glibc's qsort is: of two shards in one position the first in order has it.
  std::stable_sort(points.begin(), points.end(),
                   [](const Point& a, const Point& b) { return a.position < b.position; });
  CutCircle(points);
}

void Topology::BuildModula() {
  for (const uint32_t shard : ShardsInTwemproxysOrder()) {
    remainders_.insert(remainders_.end(), spec_.shards[shard].weight, static_cast<uint16_t>(shard));
  }
}

// REQUIRES: points are sorted by position, at least one. What lies behind the last belongs to the
// first, around the circle's end.
void Topology::CutCircle(const std::vector<Point>& points) {
  RM_CHECK(!points.empty());
  const auto append = [this](uint32_t last, uint32_t shard) {
    const bool same_owner = !intervals_.empty() && intervals_.back().shard == shard;
    const bool nothing_left = !intervals_.empty() && intervals_.back().last == last;
    if (nothing_left) return;
    if (same_owner) {
      intervals_.back().last = last;
    } else {
      intervals_.push_back({last, shard});
    }
  };
  intervals_.reserve(points.size() + 1);
  for (const Point& point : points) append(point.position, point.shard);
  append(kLastPosition, points.front().shard);
  intervals_.shrink_to_fit();
  FillBuckets();
}

// At most one boundary for two buckets on average, so that nine of ten hold one or none and answer
// by themselves.
void Topology::FillBuckets() {
  const int wanted = static_cast<int>(std::bit_width(2 * intervals_.size() - 1));
  const int bits = std::clamp(wanted, kMinBucketBits, kMaxBucketBits);
  bucket_shift_ = 32 - bits;
  buckets_.resize(size_t{1} << bits);
  size_t at = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const auto first = static_cast<uint32_t>(i << bucket_shift_);
    const auto last = static_cast<uint32_t>(((i + 1) << bucket_shift_) - 1);
    while (intervals_[at].last < first) ++at;
    const auto before = static_cast<uint16_t>(intervals_[at].shard);
    if (intervals_[at].last >= last) {
      buckets_[i] = {last, before, before};
    } else if (intervals_[at + 1].last >= last) {
      buckets_[i] = {intervals_[at].last, before, static_cast<uint16_t>(intervals_[at + 1].shard)};
    } else {
      buckets_[i] = {static_cast<uint32_t>(at), kSearch, 0};
    }
  }
}

uint32_t Topology::OwnerOf(uint32_t position) const noexcept {
  const Bucket bucket = buckets_[position >> bucket_shift_];
  if (bucket.before != kSearch) [[likely]] {
    return position <= bucket.boundary ? bucket.before : bucket.after;
  }
  const Interval* interval = &intervals_[bucket.boundary];
  while (interval->last < position) ++interval;  // the last one ends with the circle
  return interval->shard;
}

Topology::Ruled Topology::ByRule(Bytes key) const noexcept {
  for (const TagRule& rule : rules_) {
    if (const Bytes tag = rule.TagOf(key); !tag.empty()) return {&rule, tag};
  }
  return {};
}

bool Topology::PlacesAll(Bytes prefix) const noexcept {
  for (const TagRule& rule : rules_) {
    const TagRule::Covers cover = rule.CoverOf(prefix);
    if (cover != TagRule::Covers::kNone) return cover == TagRule::Covers::kAll;
  }
  return TagInKey(prefix).size() < prefix.size();
}

Bytes Topology::TagInKey(Bytes key) const noexcept {
  if (spec_.hash_tag.empty()) return key;
  const size_t open = key.find(spec_.hash_tag[0]);
  if (open == Bytes::npos) return key;
  const size_t close = key.find(spec_.hash_tag[1], open + 1);
  if (close == Bytes::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

uint32_t Topology::PositionOf(Bytes key) const noexcept {
  const Bytes part = HashTagOf(key);
  if (spec_.distribution == DistributionKind::kRing) {
    const uint64_t hash = Hash(spec_.hash, part);
    return spec_.hash == HashKind::kXxh3 ? static_cast<uint32_t>(hash >> 32)
                                         : Spread(static_cast<uint32_t>(hash));
  }
  // twemproxy does not hash an empty key.
  return part.empty() ? 0 : static_cast<uint32_t>(Hash(spec_.hash, part));
}

uint32_t Topology::ShardOf(Bytes key) const noexcept {
  if (spec_.shards.size() == 1) return 0;
  const uint32_t position = PositionOf(key);
  if (spec_.distribution == DistributionKind::kModula) {
    return remainders_[position % static_cast<uint32_t>(remainders_.size())];
  }
  return OwnerOf(position);
}

double Topology::ShareOf(uint32_t shard) const {
  if (spec_.distribution == DistributionKind::kModula) {
    const auto owned = std::count(remainders_.begin(), remainders_.end(), shard);
    return static_cast<double>(owned) / static_cast<double>(remainders_.size());
  }
  uint64_t owned = 0;
  uint64_t first = 0;
  for (const Interval& interval : intervals_) {
    const uint64_t behind = uint64_t{interval.last} + 1;
    if (interval.shard == shard) owned += behind - first;
    first = behind;
  }
  return static_cast<double>(owned) / kPositions;
}

namespace {

// Of each shard of `from`: its index in `to`, or -1. Compares names once, not for each interval.
std::vector<int64_t> MatchNames(const Topology& from, const Topology& to) {
  std::unordered_map<Bytes, int64_t> indexes;
  for (size_t i = 0; i < to.shards().size(); ++i) {
    indexes.emplace(to.shards()[i].name, static_cast<int64_t>(i));
  }
  std::vector<int64_t> matches;
  for (const ShardSpec& shard : from.shards()) {
    const auto found = indexes.find(shard.name);
    matches.push_back(found == indexes.end() ? -1 : found->second);
  }
  return matches;
}

// Walks both circles at once, boundary by boundary.
double MovedOnCircle(const Topology& from, const Topology& to) {
  const std::vector<int64_t> match = MatchNames(from, to);
  uint64_t moved = 0;
  uint64_t first = 0;
  auto old_owner = from.intervals().begin();
  auto new_owner = to.intervals().begin();
  while (old_owner != from.intervals().end() && new_owner != to.intervals().end()) {
    const uint32_t last = std::min(old_owner->last, new_owner->last);
    const uint64_t behind = uint64_t{last} + 1;
    if (match[old_owner->shard] != int64_t{new_owner->shard}) moved += behind - first;
    first = behind;
    if (old_owner->last == last) ++old_owner;
    if (new_owner->last == last) ++new_owner;
  }
  return static_cast<double>(moved) / kPositions;
}

double MovedInSample(const Topology& from, const Topology& to) {
  constexpr int kSample = 100000;
  const std::vector<int64_t> match = MatchNames(from, to);
  int moved = 0;
  std::string key;
  for (int i = 0; i < kSample; ++i) {
    key = "sample:";
    AppendInteger(key, i);
    if (match[from.ShardOf(key)] != int64_t{to.ShardOf(key)}) ++moved;
  }
  return static_cast<double>(moved) / kSample;
}

}  // namespace

bool SamePositions(const TopologySpec& a, const TopologySpec& b) {
  return a.hash == b.hash && a.hash_tag == b.hash_tag && a.together == b.together;
}

double MovedShare(const Topology& from, const Topology& to) {
  // Of the others, some hash functions of twemproxy leave most of the circle empty.
  const bool same_circle = from.spec().distribution == DistributionKind::kRing &&
                           to.spec().distribution == DistributionKind::kRing &&
                           SamePositions(from.spec(), to.spec());
  return same_circle ? MovedOnCircle(from, to) : MovedInSample(from, to);
}

}  // namespace ringmaster
