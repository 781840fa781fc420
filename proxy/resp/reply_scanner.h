// Finds where a shard's reply ends, in RESP2 and RESP3, without copying or keeping any of it, and
// however its bytes are cut. To find the end no stack is needed: an aggregate only adds to the
// number of elements still to come. Where each level ends is kept only to tell of replies that nest
// deeper than whoever reads them may bear.
//
// Value type of some words; one per connection to a shard; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace ringmaster {

class ReplyScanner {
 public:
  enum class Status : uint8_t { kComplete, kNeedMore, kBad, kTooDeep, kTooDeepSoFar };

  // `max_depth`: levels of aggregates that a reply may have, 1 for an array of scalars; 0: any.
  explicit ReplyScanner(uint32_t max_depth = 0) : max_depth_(max_depth) {}

  // Consumes bytes of the current reply from the start of `input`; *consumed says how many.
  // kComplete: the reply ends there and the scanner is ready for the next one. kNeedMore: all of
  // `input` belongs to the reply, and more. kTooDeep and kTooDeepSoFar: the same of a reply that
  // nests deeper than it may. kBad: not RESP; see error(); the scanner stays bad.
  Status Scan(Bytes input, size_t* consumed);

  // The first byte of the reply that was completed or is under way: '+', '-', ':', '$', '*', or
  // RESP3's '_' '#' ',' '(' '!' '=' '%' '~' '>' . An attribute ('|') is part of the reply that
  // follows it and does not change its type. 0 while that is not known yet.
  char type() const { return type_; }
  // True between replies.
  bool at_start() const { return !started_; }
  // After kNeedMore: bytes of the bulk under way that are still to come, including its line end.
  uint64_t content_left() const { return content_left_; }
  Bytes error() const { return error_; }

 private:
  enum class State : uint8_t { kElement, kLine, kContent, kBad };
  // What a step did with the element under way: took it, or said that its bytes end, or are bad.
  enum class Step : uint8_t { kDone, kNeedMore, kBad };

  Step TakeElement(const char** at, const char* end);
  Step TakeBulk(const char** at, const char* end);
  Step TakeChildren(int64_t count);
  Step TakeRest(const char** at, const char* end);
  Step TakeLine(const char** at, const char* end);
  Step TakeContent(const char** at, const char* end);
  Step EndLine();
  Step Fail(Bytes error);
  void EnterLevel();
  uint64_t& Level(uint32_t index);

  uint64_t elements_left_ = 1;  // of the current reply, the one under way included
  uint64_t content_left_ = 0;
  // For each aggregate that is open: how many elements are left when it ends.
  std::array<uint64_t, 8> levels_{};
  std::vector<uint64_t> further_levels_;
  uint32_t depth_ = 0;
  uint32_t max_depth_;
  Bytes error_;
  State state_ = State::kElement;
  bool too_deep_ = false;
  bool started_ = false;
  bool typed_ = false;  // type_ is that of the reply under way
  char type_ = 0;
  char element_ = 0;         // type of the element under way
  bool carriage_ = false;    // the last byte of the line so far was '\r'
  uint8_t line_length_ = 0;  // of a header line that was cut
  char line_[24] = {};
};

}  // namespace ringmaster
