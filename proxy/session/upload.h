// A request with a large value on its way to its shard: the bytes are passed on while they arrive,
// over a connection of its own, so that nobody waits behind a slow client and the value never needs
// its size in memory.
//
// Owned by its session, which has no other request under way meanwhile.
#pragma once

#include "command/call/call.h"
#include "resp/request_parser.h"

namespace ringmaster {

struct Request;

class Upload {
 public:
  // From this size of one argument on, a request is streamed rather than collected.
  static constexpr uint64_t kStreamFrom = 128 * 1024;
  // Bytes that may wait for the shard before the client is no longer read.
  static constexpr size_t kMaxUnsent = 1024 * 1024;

  // `drained` is called with `owner` when everything waiting for the shard is out.
  Upload(Request& request, Backend& backend, int database, int resp, const RequestParser& parser,
         size_t parsed_bytes, Connection::Drained drained, void* owner);
  // One whose request goes nowhere: its bytes are swallowed.
  Upload(Request& request, const RequestParser& parser, size_t parsed_bytes);
  // A connection in the middle of a request, or with an answer still to come, is closed.
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // Sends the request's first bytes; the request may be answered (refused) from inside.
  void Start(const Slice& first);
  // Answers it with an error. REQUIRES: it goes nowhere.
  void Refuse(Bytes reply);
  // Takes what belongs to the request from `bytes` and passes it on; returns how much. After a
  // refusal the rest of the request is swallowed.
  size_t Feed(const Slice& bytes);
  // The request's last byte was taken.
  bool complete() const { return complete_; }
  // The framing behind the value was wrong; the client is to be told and closed.
  Bytes error() const { return error_; }
  bool full() const { return connection_ != nullptr && connection_->unsent() > kMaxUnsent; }
  // The request has its reply.
  void OnAnswered();

 private:
  Request& request_;
  Backend* const backend_;  // nullptr: it goes nowhere
  Connection* connection_;  // nullptr: none could be had, or given back
  RequestTail tail_;
  bool complete_ = false;
  bool answered_ = false;
  Bytes error_;
};

}  // namespace ringmaster
