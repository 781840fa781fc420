// A pipelined connection to one shard, in one database and one protocol version. Requests go out in
// the order they came; replies are matched to them by a FIFO. It connects when first needed, comes
// back by itself after a loss, and never hands a reply to the wrong asker: at the first doubt it is
// closed (docs/failures.md).
//
// Owner: a Backend, on one worker's thread. The rule for a lost connection: a request whose last
// byte the socket never took cannot have run, it waits for the next connection; a sent read-only
// one is sent once more; a sent write is answered -UNCERTAIN.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "backend/asides.h"
#include "backend/exchange.h"
#include "backend/shard_link.h"
#include "base/block.h"
#include "base/intrusive_list.h"
#include "metrics/metrics.h"
#include "net/connector.h"
#include "net/output.h"
#include "net/stream.h"
#include "net/timer.h"
#include "resp/reply_scanner.h"

namespace ringmaster {

class Loop;
class Connection;
class ConnectionLane;

struct PausedTag;

// What the connections of one worker share.
struct BackendContext {
  Loop& loop;
  BlockPool& blocks;
  BlockRef& read_block;                 // one block that every read of the worker goes through
  IntrusiveList<Connection>& to_flush;  // touched this turn; the worker flushes them once
  // Grows whenever requests may take another way than earlier ones did: a connection left the
  // shared place, the topology changed. A client with requests under way from before must see them
  // answered before it sends more, or a later one could overtake an earlier one.
  uint64_t route_epoch = 1;
  // While commands of a client are dispatched that has connections of its own.
  ConnectionLane* lane = nullptr;
  // Set for good by Router::Close: whoever is answered then and asks on is refused at once.
  bool stopping = false;
  Asides asides{};  // the proxy's own requests
};

class Connection : public ListHook<>, public ListHook<PausedTag> {
 public:
  enum class State : uint8_t { kIdle, kWaiting, kConnecting, kHandshake, kReady };
  struct Owner {
    virtual void OnLargeReply(Connection& connection) = 0;  // a reply of over kLargeReply began
    // Nobody else shall send over it; true when it is so.
    virtual bool Seclude(Connection& connection) = 0;
    virtual void OnDrained(Connection& connection) = 0;  // its FIFO became empty
    // It has to wait until fewer are on their way to the shard; Retry() it.
    virtual void OnCrowded() = 0;

   protected:
    ~Owner() = default;
  };
  static constexpr uint64_t kLargeReply = 256ULL * 1024;

  Connection(BackendContext& context, ShardLink& link, ShardMetrics& metrics, Owner* owner,
             int database, int resp);
  // Whatever waits is answered first, as after a loss.
  ~Connection();

  // While it is held, requests wait and it does not connect for them. Has no meaning for one that
  // is up.
  void SetHeld(bool held);
  // Connects ahead of the first request.
  void Prepare();
  // Connects if it waits to.
  void Retry(TimePoint now) {
    if (state_ == State::kWaiting && !link_.failing()) Connect(now);
  }
  // It is up, or on its way.
  bool coming() const { return state_ == State::kReady || connector_ || stream_; }

  // Queues the request in exchange.request (its bytes; with a block when they may be referenced,
  // without one they are copied) and answers through exchange.sink, at once if there is no hope.
  void Send(Exchange& exchange);

  // A large request whose bytes are passed on as they arrive: Send() it with `streamed` set and its
  // first bytes, then append the rest. REQUIRES: nothing else is queued behind it.
  void AppendToLast(const Slice& bytes);
  // The last appended byte was the request's last.
  void EndOfLast();
  // Bytes waiting for the socket: how a streaming asker knows when to stop reading its client, and
  // whom to call when they are all out.
  size_t unsent() const { return output_.size(); }
  using Drained = void (*)(void* asker);
  void SetDrained(Drained drained, void* asker) {
    drained_ = drained;
    drained_asker_ = asker;
  }

  // One write for all that was queued in this turn. Called by the worker.
  void Flush();

  // Whoever has no room for the reply under way stops reading it, and links it into a list of its
  // own until Resume() or a loss. REQUIRES: called from a part of that reply.
  void Pause(IntrusiveList<Connection, PausedTag>& paused);
  void Resume();
  bool paused() const { return ListHook<PausedTag>::linked(); }
  // The exchange whose reply is next or under way; nullptr: none.
  const Exchange* head() const { return head_; }
  bool alone() const { return head_ != nullptr && head_ == tail_; }
  // Nobody waits for a reply on it but for the sake of `asker`, nor ever will.
  bool KeptFor(const Sink& asker);
  // Something on it is a part of `root`, or that itself.
  bool Carries(const Exchange& root) const;
  // What is known of the reply under way: bytes that came and, of its last element, are to come.
  uint64_t reply_size() const { return part_bytes_ + scanner_.content_left(); }

  // A script was sent at least `age` ago and is not answered. It need not be the first in line: a
  // shard writes what it answered in the same turn only when the script is over.
  bool in_script(TimePoint now, Duration age) const {
    for (const Exchange* at = head_; at != nullptr && WasSent(*at); at = at->next) {
      if (now - at->queued_at < age) return false;
      if (at->script) return true;
    }
    return false;
  }

  bool idle() const { return head_ == nullptr; }
  // Whatever was sent until then was carried out; of what was sent in the same turn that is not
  // known. A shard whose reply has begun has done what it was asked: its reader may be slow.
  bool AnsweredUpTo(TimePoint time) const {
    const bool begun = part_bytes_ > 0 && head_ != nullptr && head_->replies_before == 0;
    const Exchange* first = begun ? head_->next : head_;
    return first == nullptr || first->endless || first->queued_at > time;
  }
  // What is asked first may wait for data without an end.
  bool waits_for_data() const { return head_ != nullptr && head_->no_timeout; }
  bool ready() const { return state_ == State::kReady; }
  State state() const { return state_; }
  // Grows with each stream that came up: what an earlier one was told (WATCH) this one forgot.
  uint32_t generation() const { return generation_; }
  // What the shard was told over this stream for good and is not told again (scripts), as numbers
  // of whoever tells it. True: it was told before. Forgotten with the stream.
  bool Tell(uint64_t what);
  void Untell(uint64_t what) {
    if (told_ != nullptr) told_->erase(what);
  }
  void ForgetTold() { told_.reset(); }
  size_t queued() const { return queued_; }
  TimePoint last_used() const { return last_used_; }
  TimePoint progress() const { return progress_; }  // bytes last came or went
  int database() const { return database_; }
  int resp() const { return resp_; }

  // Called by the worker several times a second: command timeouts, next attempt to connect.
  void Tick(TimePoint now);
  // Closes and answers everything. For a shard that left the ring or a worker that stops.
  void Close(const std::string& why);

  // Push messages ('>' outside any reply) go here, whole or in parts, `complete` with the last one;
  // nobody: dropped. What was sent of one before a loss is never completed.
  using PushSink = void (*)(void* owner, const Slice& message, bool complete);
  void SetPushSink(PushSink sink, void* owner) {
    push_sink_ = sink;
    push_owner_ = owner;
  }
  // Told when a connection that was up is gone, after everything that waited for it was answered or
  // kept: what the shard held for it (subscriptions, tracked keys) is gone, too.
  using Lost = void (*)(void* owner);
  void SetLost(Lost lost, void* owner) {
    lost_ = lost;
    lost_owner_ = owner;
  }
  // Requests that each new stream begins with, in front of the first that anybody sends; an error
  // in reply to one is a refused handshake. REQUIRES: state() is kIdle.
  void SetPrologue(std::string requests, int count) {
    prologue_ = std::move(requests);
    prologue_count_ = count;
  }

 private:
  void Connect(TimePoint now);
  void OnConnected(Result<int> fd);
  void StartHandshake();
  bool OnHandshakeReply(const Slice& reply, bool complete);
  void TakeRole(Bytes hello);
  void AskForPrimary();
  void TurnAway(const std::string& answer);
  void TurnAwayFrom(const RoleAnswer& role);
  void BecomeReady();
  void OnReadable();
  bool ReadOnce();
  void OnWritable();
  bool Consume(Bytes input, const BlockRef& block);
  bool Deliver(const Slice& reply, bool complete);
  bool TakeOdd(ReplyScanner::Status status);
  bool MayAnswerEarly(const Slice& reply) const;
  void DeliverPart(const Slice& part);
  void NoteRefusal(Bytes error);
  bool WasSent(const Exchange& exchange) const { return exchange.end <= output_.accepted(); }
  // Some of its bytes are out.
  bool HasBegun(const Exchange& exchange) const {
    return output_.accepted() + exchange.request.bytes.size() > exchange.end;
  }
  bool MaySurvive(const Exchange& exchange) const;
  void Lose(const std::string& why, bool shard_fault);
  void Requeue(Exchange* survivors);
  void ExpireWaiting(TimePoint now, const std::string& why);
  void TickWithheld(TimePoint now);
  void FailWaiting(const std::string& why);
  void Fail(Exchange& exchange, Outcome outcome, const std::string& why);
  void Refuse(Exchange& exchange, Outcome outcome, const std::string& reply);
  void Touch();
  void Push(Exchange& exchange);
  Exchange* Pop();

  BackendContext& context_;
  ShardLink& link_;
  ShardMetrics& metrics_;
  Owner* const owner_;
  const int database_;
  const int resp_;
  State state_ = State::kIdle;
  bool held_ = false;
  bool flows_ = false;   // it is up, and what is sent goes out
  bool unread_ = false;  // TLS holds bytes that came while we were paused
  bool large_reported_ = false;
  uint64_t part_bytes_ = 0;    // of the reply under way, delivered in parts
  bool asks_facts_ = false;    // the last but one question of the handshake is INFO
  bool replica_ = false;       // HELLO said so
  bool asks_primary_ = false;  // the handshake is over but for ROLE: of whom
  bool streaming_ = false;     // the last exchange's bytes are still arriving
  uint32_t generation_ = 0;
  int handshake_left_ = 0;  // replies of the handshake still to come
  int name_left_ = 0;       // as many when that to the connection's name is next
  int role_left_ = 0;       // as many when that to HELLO is
  uint32_t revoked_ = 0;    // the link's when it began to connect
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<Stream> stream_;
  Output handshake_;  // goes out before output_
  Output output_;
  ReplyScanner scanner_;
  std::string handshake_reply_;
  Exchange* head_ = nullptr;
  Exchange* tail_ = nullptr;
  size_t queued_ = 0;
  std::unique_ptr<std::unordered_set<uint64_t>> told_;
  uint64_t position_ = 0;  // bytes ever queued for this stream
  TimePoint last_used_{};
  TimePoint progress_{};  // bytes last came or went, or the attempt to connect began
  PushSink push_sink_ = nullptr;
  void* push_owner_ = nullptr;
  Lost lost_ = nullptr;
  void* lost_owner_ = nullptr;
  std::string prologue_;
  int prologue_count_ = 0;
  Drained drained_ = nullptr;
  void* drained_asker_ = nullptr;
};

}  // namespace ringmaster
