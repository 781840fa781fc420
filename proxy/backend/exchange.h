// One request to one shard and its reply: the hinge between whoever asks (a session's request, a
// fragment of a scattered command, a recipe's awaiter) and the connection that carries it. The
// connection cannot tell them apart.
#pragma once

#include <cstdint>

#include "base/block.h"
#include "base/clock.h"

namespace ringmaster {

class Connection;
struct Exchange;

enum class Outcome : uint8_t {
  kReplied,     // the shard answered; the reply may be an error of the shard's
  kNotApplied,  // the request surely did nothing; the reply is our -NOTAPPLIED
  kUncertain,   // the request may have been applied; the reply is our -UNCERTAIN
};

// Gets the reply. Called on the worker's thread, in the order of the connection.
class Sink {
 public:
  // The whole reply, or what is left of it behind the parts. Called exactly once for each exchange
  // sent, possibly from inside Connection::Send; the connection does not touch the exchange
  // afterwards, so the callee may free it. exchange.outcome says how it went; whatever it was,
  // `reply` is one valid RESP reply to hand on (or its end).
  // Bytes without a block lie in the connection's read buffer and are gone after the call; with a
  // block they may be kept.
  virtual void OnReply(Exchange& exchange, const Slice& reply) = 0;

  // A reply too large for one read arrives in parts, and OnReply brings its end.
  virtual void OnReplyPart(Exchange& exchange, const Slice& part) = 0;

  // Whose reply `exchange`, one of ours, is needed for in the end: itself, or what it is a part of.
  // nullptr: nobody waits for it any more.
  virtual const Exchange* Root(const Exchange& exchange) const { return &exchange; }
  // Of the reply to `exchange` so many bytes were collected on the way to us, just now those that
  // `connection` brought. Negative, and no connection: as many are handed over.
  virtual void OnCollected(Exchange& exchange, Connection* connection, int64_t bytes) {
    (void)exchange, (void)connection, (void)bytes;
  }

 protected:
  ~Sink() = default;
};

// A part of its asker (a base of Request, for one) and never copied. From Send until OnReply it
// stays where it is: an asker that loses interest points `sink` at somebody who disposes of it.
struct Exchange {
  enum class State : uint8_t { kIdle, kQueued, kDone };

  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Exchange* next = nullptr;  // in the connection's FIFO
  Sink* sink = nullptr;
  Connection* connection = nullptr;  // while queued
  Slice request;     // its bytes, kept until the reply: a lost one may be sent again
  uint64_t end = 0;  // position of its last byte in the connection's stream
  TimePoint queued_at{};
  State state = State::kIdle;
  Outcome outcome = Outcome::kReplied;
  bool read_only = false;   // may be sent a second time after a connection was lost
  bool resent = false;      // has been
  bool streamed = false;    // its bytes were passed on as they arrived and are not kept
  bool in_parts = false;    // some of the reply was delivered already
  bool no_timeout = false;  // a blocking command: its own timeout rules
  bool endless = false;     // its replies do not end (MONITOR), and nobody waits for them
  bool script = false;      // may keep its shard busy for long, which then wants to be asked on
                            // another connection
  bool bound = false;       // means nothing on another connection (behind a WATCH): never moved
  bool held = false;        // was held back, for a key on its way or locked, before it was sent
  // Several requests sent as one (MULTI to EXEC): the replies still to come before the last, which
  // arrive as parts. Nobody else's request comes between them, and they are lost or sent together.
  uint32_t replies_before = 0;
};

// Answers an exchange that no shard has any more, or never had. It may be gone afterwards.
inline void AnswerHere(Exchange& exchange, Bytes reply) {
  exchange.state = Exchange::State::kDone;
  exchange.sink->OnReply(exchange, Slice{reply, {}});
}

}  // namespace ringmaster
