// What the workers share about one shard: where it is, how to log in, and whether it answers.
// Made by server/ for each shard of a pool; lives as long as any connection to it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "backend/breaker.h"
#include "backend/server_facts.h"
#include "backend/server_role.h"
#include "backend/shard_place.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "metrics/metrics.h"
#include "net/tls.h"

namespace ringmaster {

// Of an error reply: what the shard cannot do for anybody, for now. nullopt: it is another.
std::optional<ShardRefusal> RefusalOf(Bytes error);

struct ShardAddress {
  std::string name;
  Address address;  // in the configuration: of one that is followed, where it is looked for first
  std::string master;     // how Sentinels call it; empty: it stays where it is
  bool followed = false;  // it may change: so they say, or the roles of its servers do
  std::string username;
  std::string password;
  std::shared_ptr<TlsContext> tls;  // empty: plain
  std::string tls_server_name;      // empty: nobody looks
  bool tls_name_is_host = false;    // then that of the address in use counts
  // How our connections are called there; empty: they have no name.
  std::string client_name;
};

struct BackendLimits {
  Duration connect_timeout = std::chrono::seconds(1);
  Duration command_timeout = std::chrono::seconds(5);  // zero: none
  uint32_t nesting = 32;                               // levels of arrays in a reply
  size_t max_queued = 16384;                           // exchanges waiting on one connection
  size_t max_queued_bytes = 64U << 20;
  size_t max_connections = 256;  // to one shard from one worker, borrowed ones included
  size_t max_waiting = 10000;    // more of them, each for a client that waits for data
};

// Any thread; the mutex is taken only when a connection comes up or breaks.
class ShardLink {
 public:
  // `place`: that of one that is followed; empty: it is where `shard` says.
  ShardLink(ShardAddress shard, const BackendLimits& limits, uint64_t seed,
            std::shared_ptr<ShardPlace> place = nullptr);

  const ShardAddress& shard() const { return shard_; }
  const std::string& name() const { return shard_.name; }
  const BackendLimits& limits() const { return limits_; }
  const std::shared_ptr<ShardPlace>& place() const { return place_; }
  // Where it is now.
  Address address() const { return place_->address(); }
  // It is another server by now: what was known of the one before says nothing.
  void OnSwitched();

  // Commands for the shard should fail at once.
  bool failing() const { return failing_.load(std::memory_order_relaxed); }
  bool AllowAttempt(TimePoint now);
  TimePoint NextAttempt(TimePoint now);
  void OnConnected(TimePoint now);
  void OnFailure(TimePoint now, const std::string& why);
  // What the last failure was, for error replies and PROXY SHARDS; empty when healthy.
  std::string last_error() const;
  // Connections of all workers on their way. More at a time would overflow the shard's backlog, and
  // who waits there looks dead.
  bool crowded() const { return connecting_.load(std::memory_order_relaxed) >= kMostConnecting; }
  void OnConnecting(bool begins) {
    connecting_.fetch_add(begins ? 1 : -1, std::memory_order_relaxed);
  }
  // Connections of all workers whose script keeps them waiting: the shard may be answering -BUSY.
  bool runs_script() const { return scripts_.load(std::memory_order_relaxed) > 0; }
  void OnScript(bool begins) { scripts_.fetch_add(begins ? 1 : -1, std::memory_order_relaxed); }
  // It has refused a write for its memory's limit, or was given one through the proxy.
  bool memory_limited() const { return memory_limited_.load(std::memory_order_relaxed); }
  void SetMemoryLimited(bool limited) {
    if (limited != memory_limited()) memory_limited_.store(limited, std::memory_order_relaxed);
  }
  // What the server said of itself when a connection last came up and asked; nullptr: none did, or
  // it may not tell. Kept while it is away.
  std::shared_ptr<const ServerFacts> facts() const;
  // A connection that comes up asks: it may be another server, or another life of it. Not each of
  // many that come at once does.
  bool WantsFacts(TimePoint now) const;
  void OnFacts(TimePoint now, ServerFacts facts);
  // A connection that was up is gone: whoever answers next may be another server.
  void OnLost();

  // What the server last said that it is. Kept while it is away.
  struct Role {
    RoleAnswer said = {};
    Duration since = {};  // since 1970; zero: it never said anything
    int64_t since_unix() const { return Milliseconds(since) / 1000; }
  };
  Role role() const;
  // It said so. Of one that does not serve the commands fail at once, and connections that came up
  // before (their `revoked()` is an earlier one) are to be closed.
  void OnRole(TimePoint now, const RoleAnswer& said);
  uint32_t revoked() const { return place_->life(); }
  // Nothing is to be sent to it, for a while.
  bool withheld() const { return place_->withheld(); }
  // Its role may be another by now: it refuses what a primary takes, or a connection broke.
  // TakeSuspicion: true for the one who is to ask.
  void Suspect() {
    suspected_.store(true, std::memory_order_relaxed);
    place_->Doubt();
  }
  bool TakeSuspicion() {
    return suspected_.load(std::memory_order_relaxed) &&
           suspected_.exchange(false, std::memory_order_relaxed);
  }
  // The shard refused a command. Logged when it is news: once, until a minute has passed without.
  void OnRefusal(ShardRefusal refusal, TimePoint now);
  bool refused_lately(ShardRefusal refusal, TimePoint now) const;
  uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kMostConnecting = 64;
  static constexpr Duration kFactsFresh = std::chrono::seconds(1);

  const ShardAddress shard_;
  const BackendLimits limits_;
  const std::shared_ptr<ShardPlace> place_;
  mutable Mutex mutex_;
  Breaker breaker_ RM_GUARDED_BY(mutex_);
  std::string last_error_ RM_GUARDED_BY(mutex_);
  std::shared_ptr<const ServerFacts> facts_ RM_GUARDED_BY(mutex_);
  TimePoint facts_at_ RM_GUARDED_BY(mutex_){};
  Role role_ RM_GUARDED_BY(mutex_);
  std::atomic<bool> failing_{false};
  std::atomic<uint64_t> failures_{0};
  std::atomic<bool> suspected_{false};
  std::atomic<int> scripts_{0};
  std::atomic<int> connecting_{0};
  std::atomic<bool> memory_limited_{false};
  // When it refused last, by ShardRefusal; 0: never.
  std::array<std::atomic<TimePoint::rep>, kShardRefusals> refused_at_{};
  LogLimiter log_limiter_ RM_GUARDED_BY(mutex_);
};

}  // namespace ringmaster
