// Asking a shard one thing and awaiting its answer.
#pragma once

#include <string>
#include <utility>

#include "backend/connection.h"
#include "backend/exchange.h"
#include "coro/completion.h"
#include "resp/errors.h"

namespace ringmaster {

// A shard's answer.
struct Answer {
  Outcome outcome = Outcome::kReplied;
  std::string reply;  // one complete RESP reply, or as many as were asked for

  bool is_error() const { return !reply.empty() && (reply[0] == '-' || reply[0] == '!'); }
};

// How something is asked over a connection of one's own.
struct AskOptions {
  bool read_only = false;
  bool bound = false;       // Exchange::bound
  bool no_timeout = false;  // Exchange::no_timeout
  bool script = false;      // Exchange::script
  uint32_t replies = 1;     // that the request brings; the answer holds them one after the other
};

// An exchange with a shard that collects its reply. A reply larger than `max_reply` is read to its
// end and answered by an error. May be used again after its answer.
class Asking : private Sink {
 public:
  explicit Asking(size_t max_reply) : max_reply_(max_reply) { exchange_.sink = this; }
  virtual ~Asking() = default;

  void Send(Connection& connection, Bytes request, const AskOptions& options) {
    exchange_.read_only = options.read_only;
    exchange_.bound = options.bound;
    exchange_.no_timeout = options.no_timeout;
    exchange_.script = options.script;
    exchange_.replies_before = options.replies - 1;
    exchange_.resent = exchange_.in_parts = false;
    exchange_.request = Slice{request, {}};
    connection.Send(exchange_);
  }
  Exchange& exchange() { return exchange_; }

 protected:
  // Once for each Send, maybe from inside of it.
  virtual void OnAnswer(Answer answer) = 0;

 private:
  void OnReplyPart(Exchange&, const Slice& part) override {
    too_large_ = too_large_ || collected_.size() + part.bytes.size() > max_reply_;
    if (!too_large_) collected_.append(part.bytes);
  }
  void OnReply(Exchange& exchange, const Slice& reply) override {
    const bool cut_short = exchange.in_parts && exchange.outcome != Outcome::kReplied;
    if (cut_short) {
      collected_.clear();
      too_large_ = false;
    }
    OnReplyPart(exchange, reply);
    if (too_large_) collected_ = errors::ReplyTooLarge(max_reply_);
    too_large_ = false;
    exchange.request = {};
    OnAnswer(Answer{exchange.outcome, std::exchange(collected_, {})});
  }

  const size_t max_reply_;
  Exchange exchange_;
  bool too_large_ = false;
  std::string collected_;
};

// The same, awaited. Once.
class Question final : public Asking {
 public:
  using Asking::Asking;
  Completion<Answer>& answer() { return answer_; }

 private:
  void OnAnswer(Answer answer) override { answer_.Complete(std::move(answer)); }

  Completion<Answer> answer_;
};

}  // namespace ringmaster
