// A blocking connection to one shard for the mover and the checks: named, so that a successor knows
// it (docs/resharding.md), and fenced: before a lost connection is replaced, what it had sent is
// made final. Over TLS where the shard is. The only place that sees hiredis.
//
// Owner: one thread. Only Cancel() may be called from another.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/shard_place.h"
#include "base/address.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/blocking_tls.h"

struct redisContext;
struct redisReply;

namespace ringmaster {

struct ShardTarget {
  std::string name;
  Address address;
  std::string username;
  std::string password;
  std::optional<TlsOptions> tls;  // its files are read at each connecting; none: plain
  std::string tls_server_name;    // expected in the certificate; empty: nobody looks
  // Of one that is followed: where it is now, in place of `address`. Otherwise empty.
  std::shared_ptr<ShardPlace> place = nullptr;
  bool tls_name_is_host = false;
  bool any_role = false;  // for who only looks: a replica will do
};

class ShardReply {
 public:
  explicit ShardReply(redisReply* reply = nullptr);
  // No reply: the connection was lost.
  bool lost() const { return reply_ == nullptr; }
  bool is_error() const;
  bool is_nil() const;
  bool is_array() const;
  bool is_text() const;  // bulk or simple string
  int64_t integer() const;
  Bytes text() const;  // of an error, too
  size_t size() const;
  ShardReply at(size_t i) const;  // a view; this one must outlive it

 private:
  struct Free {
    bool owned;
    void operator()(redisReply* reply) const;
  };
  std::unique_ptr<redisReply, Free> reply_;  // owned, but for a view
};

struct ShardClientName {
  std::string name;
  std::string older;
  std::string own;
};

class ShardClient {
 public:
  using Args = std::vector<Bytes>;

  // Before its first use, connections are ended whose name begins with `older` and not with `own`:
  // what an earlier life of this proxy may have sent. Both empty: nobody.
  ShardClient(ShardTarget target, ShardClientName name, Duration connect_timeout,
              Duration command_timeout);
  ~ShardClient();
  ShardClient(const ShardClient&) = delete;
  ShardClient& operator=(const ShardClient&) = delete;

  const ShardTarget& target() const { return target_; }
  // Connects when it is not; first makes final what a predecessor had sent.
  Status Ready();
  bool connected() const { return context_ != nullptr; }
  // What became of commands without a reply is open until Ready() succeeds again.
  bool in_doubt() const { return in_doubt_id_ != 0; }
  // Changes with the server's process: what it had not done is never done.
  const std::string& run_id() const { return run_id_; }
  // The server's number of the connection: it changes with each.
  int64_t id() const { return id_; }

  // REQUIRES: connected. Appends to the pipeline; each gets one Read().
  void Append(const Args& args);
  void Append(std::initializer_list<Bytes> args) { Append(Args(args)); }
  // A command whose last argument, of so many bytes, comes in parts and is not kept. Gets one
  // Read() after EndLarge(); whoever cannot bring all parts has to Disconnect().
  void BeginLarge(const Args& args, size_t last_size);
  void AppendPart(Bytes part) { AppendRaw(part); }
  void EndLarge();
  // Sends what was appended; otherwise Read() does.
  void Flush();
  // The next reply; lost once the connection broke, for all that are due.
  ShardReply Read();
  // A Read() would not wait, or not for long.
  bool answered() const;
  // Lost, with the connection, when replies to earlier commands are due.
  ShardReply Ask(const Args& args);
  ShardReply Ask(std::initializer_list<Bytes> args) { return Ask(Args(args)); }
  // Selects on demand. False: lost, or refused.
  bool Select(int database);
  const std::string& error() const { return error_; }
  // Gives the connection up; what has no reply yet is in doubt.
  void Disconnect(const std::string& why) { Drop(why); }
  // Wakes a thread that waits for a reply; the connection is then lost. Any thread.
  void Cancel();

 private:
  void DropIfSuperseded();
  Status Connect();
  Status SecureIt();
  Status Greet();
  Status Fence();
  Status EndEarlierLives();
  void Drop(const std::string& why);
  void AppendRaw(Bytes bytes);
  bool FlushTls();
  redisReply* ReadTls();
  Error Failed(const std::string& why) const;

  const ShardTarget target_;
  const ShardClientName name_;
  bool alone_ = false;  // no earlier life is left
  const Duration connect_timeout_;
  const Duration command_timeout_;
  redisContext* context_ = nullptr;
  std::unique_ptr<BlockingTls> tls_;  // then the context only holds the socket and parses
  std::string unsent_;                // over TLS
  std::atomic<int> fd_{-1};
  std::atomic<bool> cancelled_{false};
  int database_ = 0;
  size_t due_ = 0;
  int64_t id_ = 0;
  std::string run_id_;
  int64_t in_doubt_id_ = 0;
  std::string in_doubt_run_id_;
  uint32_t life_ = 0;  // the place's when it began to connect
  std::string error_;
};

// Of a reply that is not what was asked for: that the shard is lost, or what it said.
Status Refused(const ShardClient& shard, const ShardReply& reply);

}  // namespace ringmaster
