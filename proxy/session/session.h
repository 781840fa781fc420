// One client's connection. Requests are understood and sent on as they come, up to a window;
// replies go out in the order of the requests; what is collected in a turn is written once.
//
// Owner: its worker, on whose thread everything happens. It never dispatches from inside a reply:
// it joins the line and is served in its turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/block.h"
#include "base/intrusive_list.h"
#include "base/object_pool.h"
#include "command/call/call.h"
#include "command/call/proxy.h"
#include "net/output.h"
#include "net/stream.h"
#include "resp/request_parser.h"
#include "schedule/bulk_limiter.h"
#include "schedule/round_robin.h"
#include "schedule/window.h"
#include "session/moved_client.h"
#include "session/reply_queue.h"
#include "session/upload.h"

namespace ringmaster {

class Loop;
struct Denial;
class Session;

struct FlushTag;
struct StalledTag;
using ClosedTag = StalledTag;  // nobody is in both lists
struct AllTag;

struct SessionLimits {
  RequestLimits request;
  RequestLimits guest = GuestLimits(request);  // of who is not logged in
  size_t query_buffer = 64U << 20;             // one request that cannot be streamed
  size_t reply_buffer = 64U << 20;             // bytes one client has not taken yet
  size_t memory = 0;                           // of all buffers of the worker; 0: unlimited
  Duration idle_timeout{};                     // zero: none
};

// What the sessions of one worker and pool share.
struct SessionContext {
  Loop& loop;
  BlockPool& blocks;
  BlockRef& read_block;
  BackendContext& backends;
  CommandContext& commands;
  ObjectPool<Request>& requests;
  Reaper& reaper;
  const SessionLimits& limits;
  RequestParser& parser;      // for requests that are complete at first sight
  RequestParser& guests;      // for those of who is not logged in
  RoundRobin<Session>& line;  // who has more to say
  WindowGroup& windows;
  BulkLimiter<Session>& gate;  // for large values
  IntrusiveList<Session, FlushTag>& to_flush;
  IntrusiveList<Session, StalledTag>& stalled;  // their client or their shards are looked after
  IntrusiveList<Session, ClosedTag>& closed;    // to be freed at the end of the turn
};

class Session final : public TurnTaker,
                      public ListHook<FlushTag>,
                      public ListHook<StalledTag>,
                      public ListHook<AllTag>,
                      private Sink,
                      private ClientView {
 public:
  // Takes over the connected socket.
  Session(SessionContext& context, int fd, uint64_t id, TlsContext* tls);
  // Takes over a client of another worker, and serves what that one had read.
  Session(SessionContext& context, MovedClient& client);
  ~Session();

  // Its turn: serves up to one quantum of what was read, or reads. Called by the worker for
  // whoever the line hands out.
  void Serve();
  // It waited for the gate and may pass.
  void PassGate();
  // One write for what was collected in this turn; a long output takes several turns.
  void Flush();
  // For those in SessionContext::stalled several times a second.
  void CheckStalled(TimePoint now);
  // For all of them, once a second.
  void CheckIdle(TimePoint now);
  // Stops reading, except for the end of a value under way; closes when the replies of what was
  // read are out. For a draining proxy.
  void Drain();

  // CLIENT PAUSE is over.
  void EndPause();

  // Moving to another worker, in three steps: it starts nothing more (unless told otherwise again),
  // it is quiet, it goes. Depart() ends the session; it is to be freed. REQUIRES: quiet().
  void SetLeaving(bool leaving);
  bool quiet() const;
  std::shared_ptr<MovedClient> Depart();
  // Why it would have to stay.
  bool tied() const {
    return state_.tied() || closing_ || draining_ || held_by_pause_ || upload_ != nullptr;
  }
  // What it cost since the last call, in commands; bytes count as well.
  uint32_t TakeCost() { return std::exchange(cost_, 0); }
  uint64_t id() const { return state_.id; }

  bool closed() const { return closed_; }
  ClientView& view() { return *this; }
  size_t memory() const override;

 private:
  // Bytes that were read and not yet understood, or not yet served.
  struct Input {
    BlockRef block;
    size_t begin = 0;
    size_t end = 0;
    bool empty() const { return begin == end; }
    Bytes bytes() const { return Bytes(block.data() + begin, end - begin); }
  };

  // Of one that somebody waits for, as long as it is in SessionContext::stalled.
  struct Waits {
    IntrusiveList<Connection, PausedTag> paused;  // until there is room for their replies
    TimePoint stalled_since{};                    // the client takes nothing
    uint64_t stalled_at = 0;                      // after so many bytes
    TimePoint moved_on{};                         // when the request in front was last answered
    size_t excused = 0;  // bytes that came into the output at once: no fault of the client's
    bool told = false;   // the log was, of this standstill
  };

  // A request that is passed on while it arrives, and where to.
  struct Streamed {
    const Command& command;
    uint32_t shard;
  };

  // Reading and understanding (session.cc).
  void OnReadable();
  void ReadAll();
  bool ReadOnce();
  void ServeInput();
  bool GrowInput();
  void Take(const Slice& read);
  size_t Understand(const Slice& input);
  RequestParser& ParserNow();
  bool HandleRequest(RequestParser& parser, const Slice& input, size_t* used);
  size_t HandlePartial(RequestParser& parser, const Slice& input);
  const Command* FindOfModule(std::span<const Bytes> args) const;
  bool MayStart(const Command* command);
  void StartCommand(const Command& command, std::span<const Bytes> args, const Slice& wire);
  Request& NewRequest(const Command* command);
  void Refuse(const Command* command, const std::string& reply);
  void Keep(Request& request, Bytes wire, std::span<const Bytes> args);
  bool HeldByPause(const Command& command, std::span<const Bytes> args) const;
  std::string WhyNotNow(const Command& command, std::span<const Bytes> args);
  bool PassesGates(Bytes key) const;
  std::optional<Streamed> Streamable(const RequestParser& parser) const;
  void StartUpload(const Streamed& streamed, const RequestParser& parser, const Slice& input);
  void ShowUpload(const Command& command, const RequestParser& parser);
  size_t FeedUpload(const Slice& input);
  void Stash(const Slice& rest);
  void BadProtocol(const std::string& reply);
  void EndOfDrain();
  bool Blocked() const;
  bool MayTransfer();
  void LeaveGate();
  void UpdateReading();

  // Replies and the client's side of the socket (session_replies.cc).
  void OnReply(Exchange& exchange, const Slice& reply) override;
  void OnReplyPart(Exchange& exchange, const Slice& part) override;
  void OnCollected(Exchange& exchange, Connection* connection, int64_t bytes) override;
  void OnFinished(Request& request);
  std::string ShardsOfLogged(const Command& command, const std::vector<std::string>& args) const;
  void LogSlow(const Request& request, Duration took);
  void Continue();
  void OnWritable() { Flush(); }
  void Account(uint64_t written);
  void Touch();
  void Close(const std::string& why);
  void Detach();

  // Who waits for whom (session_waits.cc).
  void HoldBack(const Request& request, Connection& connection);
  void Hold(Connection& connection);
  void LetGo();
  bool StaysPaused(Connection& connection);
  bool MayHold(Connection& connection);
  bool LeadsTo(const Connection& held, int steps) const;
  template <typename Visit>
  bool AnyWay(const Request& request, Visit&& visit) const;
  void MovedOn(size_t emitted);
  bool Overdrawn() const;
  void SlowReader(const char* why);
  void Watch();
  void StopWatching();
  void TellOfStandstill(TimePoint now);
  bool WaitsForData() const;
  void OnHangup();
  void ToldOfEnd();

  ClientState& state() override { return state_; }
  std::string address() const override;
  std::string local_address() const override;
  int fd() const override { return stream_.fd(); }
  size_t in_flight() const override { return queue_.size(); }
  size_t query_buffer() const override { return input_.end - input_.begin; }
  size_t output_buffer() const override { return output_.size() + queue_.held() + pushed_bytes(); }
  void Kill(bool after_reply) override;
  void Push(const Slice& message, PushOrder order) override;
  void SendPushed(const Request& request);

  // Messages, each with the request behind whose reply it goes out.
  struct Pushed {
    const Request* behind;
    Slice message;
  };
  struct PushedMessages {
    std::vector<Pushed> list;  // in their order
    size_t bytes = 0;
  };
  size_t pushed_bytes() const { return pushed_ == nullptr ? 0 : pushed_->bytes; }

  SessionContext& context_;
  Stream stream_;
  Output output_;
  ReplyQueue queue_;
  Input input_;
  size_t wanted_ = 0;  // bytes from the request's start before it makes sense to look again
  std::unique_ptr<RequestParser> partial_;  // state of a long request that is not complete
  std::unique_ptr<Upload> upload_;
  ClientState state_;
  Window window_;
  uint32_t started_ = 0;    // requests that the window has not been told of
  uint32_t finished_ = 0;   // and replies
  uint64_t exchanged_ = 0;  // bytes of them
  uint32_t cost_ = 0;
  uint64_t route_epoch_ = 0;
  std::unique_ptr<PushedMessages> pushed_;  // usually nullptr
  std::unique_ptr<Waits> waits_;            // usually nullptr
  bool barrier_ = false;                    // a barrier request is under way
  bool held_up_ = false;                    // the next request must wait until nothing is under way
  bool needs_more_ = false;                 // input_ ends within a request
  bool reading_ = true;
  bool half_closed_ = false;    // the client sends no more, and may have left
  bool readable_ = false;       // the socket was, and it was not our turn
  bool writing_ = false;        // the socket does not take more; we are told when it does
  bool closing_ = false;        // reads no more; closes when the output is out
  bool held_by_pause_ = false;  // its next request waits for the end of CLIENT PAUSE
  bool draining_ = false;       // serves what was read, then closes
  bool leaving_ = false;        // to another worker, as soon as it is quiet
  bool overflowed_ = false;     // a message had no room in the output: to be closed
  bool closed_ = false;
};

}  // namespace ringmaster
