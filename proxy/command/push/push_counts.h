// How many clients of this process and pool are subscribed to what, and over how many connections:
// a shard knows the connections only, and clients want to hear of clients.
//
// Any thread; one lock, which subscribing, PUBLISH with subscribers here, and PUBSUB take.
#pragma once

#include <atomic>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/mutex.h"
#include "command/call/push_client.h"

namespace ringmaster {

class PushCounts {
 public:
  struct Figures {
    int64_t clients = 0;
    int64_t connections = 0;  // of our workers to one shard
  };

  void Add(PushKind kind, Bytes name, Figures change);
  Figures Of(PushKind kind, Bytes name) const;
  // Who gets a message of this channel, by its name and by patterns.
  Figures Receivers(PushKind kind, Bytes channel) const;
  // Nothing is subscribed to.
  bool empty() const { return names_.load(std::memory_order_relaxed) == 0; }

 private:
  using Table = std::map<std::string, Figures, std::less<>>;

  mutable Mutex mutex_;
  Table tables_[kPushKinds] RM_GUARDED_BY(mutex_);
  std::atomic<size_t> names_{0};
};

}  // namespace ringmaster
