// Finds one client request (RESP array of bulks, or an inline command) at the start of a buffer and
// shows its arguments as views into that buffer. Nothing is copied. Incremental: the work is linear
// in the bytes, however they are cut (FIELD.md B7).
//
// Value type; one thread. Accepts and refuses what Redis 7.0's networking.c does, with its words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace ringmaster {

struct RequestLimits {
  uint32_t max_args = 1024 * 1024;
  uint64_t max_bulk = 512ULL * 1024 * 1024;
  uint32_t max_inline = 64 * 1024;
  // Of who is not logged in: the largest bulk of others. What is only too large for a guest is
  // refused in words that say so. 0: it is for all.
  uint64_t bulk_of_others = 0;
};
// Of who is not logged in, as Redis has them: nobody can make us keep much before AUTH.
RequestLimits GuestLimits(const RequestLimits& limits);

class RequestParser {
 public:
  enum class Status : uint8_t { kComplete, kNeedMore, kBad };

  // `limits` is borrowed and must outlive the parser.
  explicit RequestParser(const RequestLimits& limits) : limits_(&limits) {}
  RequestParser(RequestParser&&) = default;
  RequestParser& operator=(RequestParser&&) = default;

  // Parses the request that starts at input's first byte. After kNeedMore, call again with the same
  // bytes and more behind them; they may lie at another address. After kComplete or kBad, Reset()
  // before the next request.
  Status Parse(Bytes input);
  void Reset();

  // After kComplete. The views lie in the last `input`, except inline arguments that had quotes,
  // which lie in the parser until Reset(). Empty for an empty line, "*0" and "*-1": such a request
  // gets no reply.
  std::span<const Bytes> args() const { return args_; }
  // After kComplete: the length of the request on the wire.
  size_t consumed() const { return position_; }
  // After kComplete: the request was a line, not an array of bulks, so that its bytes cannot be
  // sent to a shard as they are.
  bool is_inline() const { return inline_; }

  // After kNeedMore: no progress is possible before this many bytes from the request's start.
  size_t wanted() const { return wanted_; }
  // After kNeedMore inside an array: how many arguments it announced, those complete so far are in
  // args(), and whether the header of the next bulk is known. If so, its content has bulk_size()
  // bytes starting at bulk_offset(). This is what streaming a large value needs.
  uint32_t announced_args() const { return announced_; }
  bool in_bulk() const { return bulk_known_; }
  uint64_t bulk_size() const { return bulk_size_; }
  size_t bulk_offset() const { return position_; }

  // After kBad: the text behind "-ERR ", such as "Protocol error: invalid multibulk length".
  Bytes error() const { return error_; }

 private:
  friend class RequestTail;
  enum class Line : uint8_t { kFound, kNeedMore, kTooLong };

  Status ParseCount(Bytes input);
  Status ParseBulks(Bytes input);
  Status ParseBulkSize(Bytes input);
  Status ParseInline(Bytes input);
  Line FindLine(Bytes input, char ending, size_t limit, size_t* length);
  Status NeedMore(size_t wanted);
  Status Bad(std::string text);
  void Rebase(const char* base);

  const RequestLimits* limits_;
  const char* base_ = nullptr;  // the input that the views in args_ lie in
  size_t position_ = 0;         // everything before it is parsed
  size_t wanted_ = 0;
  size_t scanned_ = 0;  // bytes behind position_ that hold no line end
  uint64_t bulk_size_ = 0;
  uint32_t announced_ = 0;
  bool count_known_ = false;
  bool bulk_known_ = false;
  bool inline_ = false;
  std::vector<Bytes> args_;
  std::vector<char> unescaped_;
  std::string error_;
};

// What is left of a request whose large value is passed on while it arrives: only counts, never
// looks at content. Made from a parser that said kNeedMore with in_bulk().
class RequestTail {
 public:
  // `parsed_bytes`: how many bytes from the request's start have been handed on already; at least
  // parser.bulk_offset().
  RequestTail(const RequestParser& parser, size_t parsed_bytes);

  enum class Status : uint8_t { kDone, kMore, kBad };
  // Takes from the start of `input` what belongs to the request; *taken says how much. kDone: the
  // request ends there.
  Status Take(Bytes input, size_t* taken);
  Bytes error() const { return error_; }

 private:
  enum class State : uint8_t { kContent, kHeader, kHeaderEnd, kBad };
  Status Bad(std::string text);
  Status TakeHeaderByte(char c);
  Status EndHeader();

  const RequestLimits* limits_;
  uint64_t content_left_;  // of the current bulk, its line end included
  uint32_t bulks_left_;    // behind the current one
  State state_ = State::kContent;
  bool hidden_ = false;         // the header has a NUL: Redis sees nothing behind it
  uint32_t header_length_ = 0;  // so far; only its beginning is kept
  char header_[32];
  std::string error_;
};

}  // namespace ringmaster
