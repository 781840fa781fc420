// One command cut into a part for each shard and put together again. The parent exchange, which is
// in no FIFO itself, gets the merged reply through its own sink.
//
// Pooled by the worker; reused, it allocates nothing. If one part fails the reply is an error; for
// a write some of whose parts were applied it is -UNCERTAIN and says so.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/exchange.h"
#include "base/object_pool.h"
#include "route/router.h"

namespace ringmaster {

// Redis's response policies (redis.io, "command tips") plus the orders that its special ones need.
enum class Merge : uint8_t {
  kKeyOrder,  // one element for each key, in the order of the keys
  kSum,
  kMin,
  kMax,
  kAllSucceeded,  // the first error, otherwise the first reply
  kOneSucceeded,  // the first reply that is no error, otherwise an error
  kAnd,           // integers or arrays of integers, element by element
  kOr,
  kConcat,   // one array of all elements
  kSpecial,  // the row's own function
};

// Merges complete replies, one for each part in the order of the shards, into one. `resp` is the
// client's protocol version. Called with no error reply among them unless `takes_errors`.
using MergeFunction = void (*)(std::span<const Bytes> replies, int resp, std::string& out);

class ScatterPool;

class Scatter final : private Sink {
 public:
  explicit Scatter(ScatterPool& pool) : pool_(pool) {}

  struct Plan {
    Merge merge = Merge::kAllSucceeded;
    MergeFunction special = nullptr;
    bool read_only = true;
  };

  // Cuts args into parts: each part has args[0..first) and then, for each of its keys, `step`
  // arguments (the key and what belongs to it). Keys are args[first], args[first+step], ... When
  // they all live on one shard, the parent itself goes there as `wire`. REQUIRES: the keys with
  // what belongs to them reach exactly to the end of args.
  static void ByKeys(ScatterPool& pool, Router& router, std::span<const Bytes> args, size_t first,
                     size_t step, const Slice& wire, const Plan& plan, int database, int resp,
                     Exchange& parent);
  // The same bytes to every shard.
  static void ToAll(ScatterPool& pool, Router& router, Bytes request, const Plan& plan,
                    int database, int resp, Exchange& parent);

 private:
  friend class ScatterPool;
  struct Part : Exchange {
    uint32_t shard = 0;
    uint32_t keys = 0;
    size_t request_size = 0;
    BlockRef writing;       // the request while it is being written
    char* end = nullptr;    // of what is written of it
    std::string collected;  // a reply that came in parts, or in a buffer that does not stay
    Slice kept;             // one that stays
    Bytes bytes;            // the complete reply, wherever it lies
    bool failed = false;
    // Known before the part is sent: the topology may have changed when it fails.
    std::string shard_name;
  };

  void Begin(Router& router, const Plan& plan, int resp, Exchange& parent);
  void SortKeys(std::span<const Bytes> args, size_t first, size_t step);
  void WriteParts(std::span<const Bytes> args, size_t first, size_t step);
  void SendParts(int database, int resp);
  static Part& PartOf(Exchange& exchange) { return static_cast<Part&>(exchange); }
  Part& AddPart(uint32_t shard);
  void OnReply(Exchange& exchange, const Slice& reply) override;
  void OnReplyPart(Exchange& exchange, const Slice& part) override;
  const Exchange* Root(const Exchange&) const override { return parent_->sink->Root(*parent_); }
  void Collect(Part& part, Bytes bytes);
  void Finish();
  bool FindError(std::string* text);
  void MergeReplies();
  void MergeKeyOrder();
  void MergeInteger();
  void MergeIntegers();
  void MergeConcat();
  void Malformed();
  void Flush();

  ScatterPool& pool_;
  Plan plan_;
  Router* router_ = nullptr;
  Exchange* parent_ = nullptr;
  int resp_ = 2;
  std::vector<std::unique_ptr<Part>> parts_;  // the first part_count_ are in use
  size_t part_count_ = 0;
  size_t waiting_ = 0;
  bool sending_ = false;
  bool too_large_ = false;
  int64_t collected_ = 0;             // bytes that the parent's asker was told of
  std::vector<uint32_t> key_parts_;   // part of each key, in key order
  std::vector<int32_t> shard_parts_;  // shard -> part, -1: none
  std::string merged_;
};

// The worker's scatters. Must outlive all that are under way.
class ScatterPool {
 public:
  explicit ScatterPool(BlockPool& blocks, size_t max_reply)
      : blocks_(blocks), max_reply_(max_reply) {}
  Scatter& Take();
  void Give(Scatter& scatter);
  BlockPool& blocks() { return blocks_; }
  // A merged reply larger than this is refused: limits.reply_buffer.
  size_t max_reply() const { return max_reply_; }

 private:
  BlockPool& blocks_;
  const size_t max_reply_;
  std::vector<std::unique_ptr<Scatter>> all_;
  std::vector<Scatter*> free_;
};

}  // namespace ringmaster
