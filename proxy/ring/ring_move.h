// A change of a pool's ring while its keys move: the difference of two topologies. Immutable, made
// by the planner, then shared by all threads.
//
// Both sides list the same shards at the same indexes: first those of the new ring in its order,
// then those that leave. A shard that joins is absent from the old side, one that leaves from the
// new side. So an index means the same shard before, during and after the move.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "ring/topology.h"

namespace ringmaster {

class RingMove {
 public:
  struct Place {
    uint32_t old_owner;
    uint32_t owner;
    bool moves() const { return old_owner != owner; }
  };
  // Positions first..last of the circle whose owner changes.
  struct Range {
    uint32_t first;
    uint32_t last;
    uint32_t from;
    uint32_t to;
  };

  // From the ring of epoch `epoch` - 1 to that of `epoch`.
  static Result<std::shared_ptr<const RingMove>> Plan(const TopologySpec& from,
                                                      const TopologySpec& to, uint64_t epoch);

  const std::shared_ptr<const Topology>& from() const { return from_; }
  const std::shared_ptr<const Topology>& to() const { return to_; }
  uint64_t epoch() const { return to_->epoch(); }
  const std::vector<ShardSpec>& shards() const { return to_->shards(); }

  Place Locate(Bytes key) const noexcept { return {from_->ShardOf(key), to_->ShardOf(key)}; }
  // No key changes its owner.
  bool empty() const { return donors_.empty(); }
  // Share of the keys that change owner, 0..1.
  double share() const { return share_; }
  // Empty unless both sides cut the same circle (`ring`, `ketama` with one hash and hash tag).
  const std::vector<Range>& ranges() const { return ranges_; }
  const std::vector<uint32_t>& donors() const { return donors_; }
  const std::vector<uint32_t>& recipients() const { return recipients_; }
  bool IsDonor(uint32_t shard) const { return roles_[shard].donor; }
  bool IsRecipient(uint32_t shard) const { return roles_[shard].recipient; }

  // The order in which a walk over all shards misses no key that exists throughout it: every donor
  // before every recipient. A key was on its donor during all of the donor's part, or it reached
  // its recipient before that one's part began. A shard that is both stands there twice.
  const std::vector<uint32_t>& walk() const { return walk_; }

 private:
  struct Role {
    bool donor = false;
    bool recipient = false;
  };

  RingMove(std::shared_ptr<const Topology> from, std::shared_ptr<const Topology> to)
      : from_(std::move(from)), to_(std::move(to)) {}
  void CutRanges();
  void Sample();
  void FindRoles();

  std::shared_ptr<const Topology> from_;
  std::shared_ptr<const Topology> to_;
  std::vector<Range> ranges_;
  std::vector<Role> roles_;
  std::vector<uint32_t> donors_;
  std::vector<uint32_t> recipients_;
  std::vector<uint32_t> walk_;
  double share_ = 0;
};

}  // namespace ringmaster
