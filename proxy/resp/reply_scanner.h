// Finds where a shard's reply ends, in RESP2 and RESP3, without copying or keeping any of it, and
// however its bytes are cut. Replies may nest to any depth: an aggregate only adds to the number of
// elements still to come, so no stack is needed.
//
// Value type of a few words; one per connection to a shard; one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace ringmaster {

class ReplyScanner {
 public:
  enum class Status : uint8_t { kComplete, kNeedMore, kBad };

  // Consumes bytes of the current reply from the start of `input`; *consumed says how many.
  // kComplete: the reply ends there and the scanner is ready for the next one. kNeedMore: all of
  // `input` belongs to the reply, and more. kBad: not RESP; see error(); the scanner stays bad.
  Status Scan(Bytes input, size_t* consumed);

  // The first byte of the reply that was completed or is under way: '+', '-', ':', '$', '*', or
  // RESP3's '_' '#' ',' '(' '!' '=' '%' '~' '>' . An attribute ('|') is part of the reply that
  // follows it and does not change its type. 0 before any byte.
  char type() const { return type_; }
  // True between replies.
  bool at_start() const { return elements_left_ == 0 || (type_ == 0 && state_ == State::kType); }
  // After kNeedMore: bytes of the bulk under way that are still to come, including its line end.
  uint64_t content_left() const { return content_left_; }
  Bytes error() const { return error_; }

 private:
  enum class State : uint8_t { kType, kSign, kNumber, kLine, kLineFeed, kContent, kBad };

  Status Fail(Bytes error);

  uint64_t elements_left_ = 0;  // of the current reply; 0 between replies
  uint64_t content_left_ = 0;
  uint64_t number_ = 0;
  Bytes error_;
  State state_ = State::kType;
  char type_ = 0;     // of the whole reply
  char element_ = 0;  // of the element under way
  bool negative_ = false;
  uint8_t digits_ = 0;
};

}  // namespace ringmaster
