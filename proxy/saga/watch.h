// Keys of one shard that were read for a write over several shards, over a connection of its own
// that watches them since (docs/sagas.md, "Who writes past the proxy"): a MULTI and EXEC over the
// same stream runs only if nobody wrote them meanwhile, whatever they hold.
//
// Owner: whoever reads, on the set's thread; a step of the saga takes the connection over.
#pragma once

#include <memory>
#include <string>

#include "backend/fenced_connection.h"
#include "coro/task.h"

namespace ringmaster {

class SagaSet;

class Watch {
 public:
  // `set` may go first.
  Watch(SagaSet& set, const std::string& shard, int database);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Watches the keys, words of a request, and then asks; so many replies, of at most so many bytes
  // together. An error reply of ours when that cannot be. Once.
  Task<Answer> Read(std::string words, size_t keys, Bytes request, uint32_t replies,
                    size_t max_reply);
  // Of the stream that watches.
  uint32_t generation() const { return generation_; }
  // For the step that sends MULTI and EXEC, if the connection is of that generation still.
  std::unique_ptr<FencedConnection> Take() { return std::move(connection_); }

 private:
  SagaSet& set_;
  const std::shared_ptr<bool> alive_;             // the set
  std::unique_ptr<FencedConnection> connection_;  // empty: taken, or there is no such shard
  uint32_t generation_ = 0;
};

}  // namespace ringmaster
