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
  // arguments (the key and what belongs to it). Keys are args[first], args[first+step], ...
  // REQUIRES: the keys reach to the end of args.
  static void ByKeys(ScatterPool& pool, Router& router, std::span<const Bytes> args, size_t first,
                     size_t step, const Plan& plan, int database, int resp, Exchange& parent);
  // The same bytes to every shard.
  static void ToAll(ScatterPool& pool, Router& router, Bytes request, const Plan& plan,
                    int database, int resp, Exchange& parent);

 private:
  friend class ScatterPool;
  struct Part {
    Exchange exchange;
    uint32_t shard = 0;
    uint32_t keys = 0;
    size_t request_size = 0;
    std::string collected;  // a reply that came in parts
    Slice reply;            // a whole one
    Bytes bytes;            // the reply, wherever it lies
    size_t read_to = 0;     // merging: how much of it has been taken
  };

  void Start(Router& router, const Plan& plan, int database, int resp, Exchange& parent);
  void OnReply(Exchange& exchange, const Slice& reply) override;
  void OnReplyPart(Exchange& exchange, const Slice& part) override;
  Part& PartOf(Exchange& exchange);
  Part& AddPart(uint32_t shard);
  void SendParts(Router& router, int database, int resp);
  void Finish();
  bool FinishWithError();
  void MergeInKeyOrder();
  void MergeNumbers();
  void MergeConcat();

  ScatterPool& pool_;
  Plan plan_;
  Exchange* parent_ = nullptr;
  int resp_ = 2;
  std::vector<std::unique_ptr<Part>> parts_;  // the first part_count_ are in use
  size_t part_count_ = 0;
  size_t waiting_ = 0;
  bool sending_ = false;
  std::vector<uint32_t> key_parts_;   // part of each key, in key order
  std::vector<int32_t> shard_parts_;  // shard -> part, -1: none
  std::string request_;
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
