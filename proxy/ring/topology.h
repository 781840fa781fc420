// Which shard owns a key: one immutable snapshot of a pool's shards, hash and distribution. Made at
// start and at each reload, then shared by all threads.
//
// Distributions `ring` and `ketama` cut the circle of 2^32 positions into intervals, each owned by
// one shard; `modula` takes the remainder. 32 bits of position are all that most hash functions
// have, and half the memory of 64: the lookup's cost is its cache misses.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/tag_rule.h"
#include "ring/hash.h"

namespace ringmaster {

enum class DistributionKind : uint8_t {
  kRing,    // ours: virtual nodes by shard name, weighted; a change moves no more than it must
  kKetama,  // twemproxy's
  kModula,  // twemproxy's
};

// The names of the configuration.
Bytes DistributionName(DistributionKind kind);
std::optional<DistributionKind> ParseDistributionKind(Bytes name);

struct ShardSpec {
  // Places the shard; its address may change, and its line in the file, without moving keys. To
  // follow a twemproxy it must be twemproxy's name for the server: the alias behind its address, or
  // without one "host:port", "host" where the port is 11211, "path:" where it is a Unix socket.
  std::string name;
  std::string address;  // for people
  uint32_t weight = 1;
  // Known by its index, but owns nothing: a shard that joins or leaves while a move runs.
  bool absent = false;

  bool operator==(const ShardSpec&) const = default;
};

struct TopologySpec {
  HashKind hash = HashKind::kXxh3;
  DistributionKind distribution = DistributionKind::kRing;
  uint32_t virtual_nodes = 1024;           // kRing: per unit of weight
  std::string hash_tag = "{}";             // two characters, or empty: whole keys
  std::vector<std::string> together = {};  // rules (base/tag_rule.h), the first that fits counts
  std::vector<ShardSpec> shards;

  bool operator==(const TopologySpec&) const = default;
};

class Topology {
 public:
  // Bounds on what a configuration can ask for.
  static constexpr size_t kMaxShards = 60000;
  static constexpr size_t kMaxPoints = size_t{1} << 24;

  // The positions behind the interval before it (the first one: from 0 on) up to and including
  // `last`.
  struct Interval {
    uint32_t last;
    uint32_t shard;
  };

  // Refuses no shards, duplicate names, weight 0, and what exceeds the bounds.
  static Result<std::shared_ptr<const Topology>> Build(const TopologySpec& spec, uint64_t epoch);

  // The owner's index in shards(). Any thread; no allocation; one look into a table for most keys.
  uint32_t ShardOf(Bytes key) const noexcept;

  // The part of the key that places it: what the first rule that is about it takes; else what
  // stands between the first opening character of the hash tag and the next closing one, if that is
  // not empty; otherwise the whole key. twemproxy and Redis Cluster have no rules and agree on the
  // rest; but Redis Cluster's characters are always "{}", and twemproxy has no hash tags unless
  // told.
  Bytes HashTagOf(Bytes key) const noexcept {
    if (!rules_.empty()) [[unlikely]] {
      if (const Bytes tag = ByRule(key).tag; !tag.empty()) return tag;
    }
    return TagInKey(key);
  }
  // The rule that takes part in placing it, and what it takes; nullptr and empty: none does.
  struct Ruled {
    const TagRule* rule = nullptr;
    Bytes tag = {};
  };
  Ruled ByRule(Bytes key) const noexcept;
  // Whether all keys that begin with `prefix` have the same tag, so that one shard owns them.
  bool PlacesAll(Bytes prefix) const noexcept;

  const std::vector<ShardSpec>& shards() const { return spec_.shards; }
  const TopologySpec& spec() const { return spec_; }
  uint64_t epoch() const { return epoch_; }

  // The whole circle from 0 to 2^32 - 1; neighbours have different owners. Empty for kModula.
  const std::vector<Interval>& intervals() const { return intervals_; }
  // Where a key lies on the circle (kModula: what the remainder is taken of).
  uint32_t PositionOf(Bytes key) const noexcept;
  // Share of the positions that a shard owns, 0..1.
  double ShareOf(uint32_t shard) const;

 private:
  // What the table knows of the positions that share their top bits.
  struct Bucket {
    uint32_t boundary;  // positions up to here belong to `before`, the others to `after`;
    uint16_t before;    // kSearch: several boundaries, `boundary` is the first interval's index
    uint16_t after;
  };
  struct Point {
    uint32_t position;  // the shard owns what lies between the point before it and this one
    uint32_t shard;
  };
  static constexpr uint16_t kSearch = UINT16_MAX;

  Topology(const TopologySpec& spec, uint64_t epoch) : spec_(spec), epoch_(epoch) {}
  Bytes TagInKey(Bytes key) const noexcept;
  void BuildRing();
  void BuildKetama();
  void BuildModula();
  void CutCircle(const std::vector<Point>& points);
  void FillBuckets();
  std::vector<uint32_t> ShardsInTwemproxysOrder() const;
  uint32_t OwnerOf(uint32_t position) const noexcept;

  const TopologySpec spec_;
  std::vector<TagRule> rules_;  // of spec_.together
  const uint64_t epoch_;
  std::vector<Interval> intervals_;
  std::vector<Bucket> buckets_;
  int bucket_shift_ = 0;
  std::vector<uint16_t> remainders_;  // kModula: shard of each remainder
};

// Both hash the same part of every key to the same position.
bool SamePositions(const TopologySpec& a, const TopologySpec& b);

// The share of keys, 0..1, whose owner (by shard name) differs between the two. Exact when both are
// `ring` with the same hash and hash tag; otherwise measured on a fixed sample of keys.
double MovedShare(const Topology& from, const Topology& to);

}  // namespace ringmaster
