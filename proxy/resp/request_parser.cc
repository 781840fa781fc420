#include "resp/request_parser.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "resp/header_number.h"
#include "resp/inline_words.h"

namespace ringmaster {
namespace {

// A header line may be as long as an inline request in Redis (PROTO_INLINE_MAX_SIZE).
constexpr size_t kMaxHeader = 65536;

constexpr char kInvalidCount[] = "Protocol error: invalid multibulk length";
constexpr char kInvalidSize[] = "Protocol error: invalid bulk length";
constexpr char kGuestCount[] = "Protocol error: unauthenticated multibulk length";
constexpr char kGuestSize[] = "Protocol error: unauthenticated bulk length";
constexpr char kHugeCount[] = "Protocol error: too big mbulk count string";
constexpr char kHugeSize[] = "Protocol error: too big bulk count string";
constexpr char kHugeInline[] = "Protocol error: too big inline request";
constexpr char kQuotes[] = "Protocol error: unbalanced quotes in request";

std::string ExpectedDollar(char got) {
  return std::string("Protocol error: expected '$', got '") + got + "'";
}

bool IsBulkSize(std::optional<int64_t> size, const RequestLimits& limits) {
  return size && *size >= 0 && static_cast<uint64_t>(*size) <= limits.max_bulk;
}

// Others may send as many arguments, as Redis sees it.
bool MaySayAfterLogin(int64_t count, const RequestLimits& limits) {
  return limits.bulk_of_others > 0 && count <= std::numeric_limits<int32_t>::max();
}

bool MaySendAfterLogin(std::optional<int64_t> size, const RequestLimits& limits) {
  return size && *size >= 0 && static_cast<uint64_t>(*size) <= limits.bulk_of_others;
}

}  // namespace

RequestLimits GuestLimits(const RequestLimits& limits) {
  RequestLimits guests = limits;
  guests.max_args = std::min<uint32_t>(limits.max_args, 10);
  guests.max_bulk = std::min<uint64_t>(limits.max_bulk, 16384);
  guests.bulk_of_others = limits.max_bulk;
  return guests;
}

void RequestParser::Reset() {
  position_ = wanted_ = scanned_ = 0;
  bulk_size_ = 0;
  announced_ = 0;
  count_known_ = bulk_known_ = inline_ = false;
  args_.clear();
  if (args_.capacity() > 1024) [[unlikely]]
    args_.shrink_to_fit();
  if (unescaped_.capacity() > 0) [[unlikely]]
    unescaped_ = std::vector<char>();
}

RequestParser::Status RequestParser::NeedMore(size_t wanted) {
  wanted_ = wanted;
  return Status::kNeedMore;
}

RequestParser::Status RequestParser::Bad(std::string text) {
  error_ = std::move(text);
  return Status::kBad;
}

// The same bytes lie elsewhere now: what points into them moves along. Whoever moved them paid for
// each byte, so that this does not make the work more than linear.
void RequestParser::Rebase(const char* base) {
  for (Bytes& arg : args_) arg = Bytes(base + (arg.data() - base_), arg.size());
}

RequestParser::Status RequestParser::Parse(Bytes input) {
  if (base_ != input.data()) {
    Rebase(input.data());
    base_ = input.data();
  }
  if (!count_known_) {
    if (input.empty()) return NeedMore(1);
    if (input[0] != '*') return ParseInline(input);
    const Status status = ParseCount(input);
    if (status != Status::kComplete) return status;
  }
  return ParseBulks(input);
}

// Looks for the end of the line at position_, not beyond `limit` bytes. Redis looks with strchr, to
// which a NUL hides the rest; the limit makes the answer independent of how the bytes were cut.
RequestParser::Line RequestParser::FindLine(Bytes input, char ending, size_t limit,
                                            size_t* length) {
  const Bytes rest = input.substr(position_);
  const size_t reach = std::min(rest.size(), limit + 1);
  for (; scanned_ < reach; ++scanned_) {
    if (rest[scanned_] == '\0') break;
    if (rest[scanned_] != ending) continue;
    *length = scanned_;
    return Line::kFound;
  }
  return rest.size() > limit ? Line::kTooLong : Line::kNeedMore;
}

// "*<number of arguments>\r\n". Redis looks neither at the '\n' here nor at the line ends below.
RequestParser::Status RequestParser::ParseCount(Bytes input) {
  const char* behind;
  int64_t count = PlainHeaderNumber(input.data() + 1, input.data() + input.size(), &behind);
  if (count < 0) [[unlikely]] {
    size_t length;
    const Line line = FindLine(input, '\r', kMaxHeader, &length);
    if (line == Line::kTooLong) return Bad(kHugeCount);
    if (line == Line::kNeedMore || length + 1 == input.size()) return NeedMore(input.size() + 1);
    const std::optional<int64_t> number = ParseInteger(input.substr(1, length - 1));
    if (!number) return Bad(kInvalidCount);
    count = *number;
    behind = input.data() + length + 2;
  }
  if (count > static_cast<int64_t>(limits_->max_args)) {
    return Bad(MaySayAfterLogin(count, *limits_) ? kGuestCount : kInvalidCount);
  }
  position_ = static_cast<size_t>(behind - input.data());
  scanned_ = 0;
  count_known_ = true;
  announced_ = static_cast<uint32_t>(std::max<int64_t>(count, 0));
  return Status::kComplete;
}

// "$<size>\r\n<content>\r\n", as many as were announced.
RequestParser::Status RequestParser::ParseBulks(Bytes input) {
  const char* const base = input.data();
  const char* const end = base + input.size();
  while (args_.size() < announced_) {
    if (!bulk_known_) {
      const char* at = base + position_;
      int64_t size = -1;
      if (at < end && *at == '$') [[likely]]
        size = PlainHeaderNumber(at + 1, end, &at);
      if (size >= 0 && static_cast<uint64_t>(size) <= limits_->max_bulk) [[likely]] {
        bulk_size_ = static_cast<uint64_t>(size);
        position_ = static_cast<size_t>(at - base);
        scanned_ = 0;
      } else {
        const Status status = ParseBulkSize(input);
        if (status != Status::kComplete) return status;
      }
    }
    if (input.size() - position_ < bulk_size_ + 2) {
      bulk_known_ = true;
      return NeedMore(position_ + bulk_size_ + 2);
    }
    args_.emplace_back(base + position_, bulk_size_);
    position_ += bulk_size_ + 2;
    bulk_known_ = false;
  }
  return Status::kComplete;
}

// The header of a bulk when it is not plain.
RequestParser::Status RequestParser::ParseBulkSize(Bytes input) {
  size_t length;
  const Line line = FindLine(input, '\r', kMaxHeader, &length);
  if (line == Line::kTooLong) return Bad(kHugeSize);
  if (line == Line::kNeedMore || position_ + length + 1 == input.size()) {
    return NeedMore(input.size() + 1);
  }
  if (input[position_] != '$') return Bad(ExpectedDollar(input[position_]));
  const std::optional<int64_t> size = ParseInteger(input.substr(position_ + 1, length - 1));
  if (!IsBulkSize(size, *limits_)) {
    return Bad(MaySendAfterLogin(size, *limits_) ? kGuestSize : kInvalidSize);
  }
  bulk_size_ = static_cast<uint64_t>(*size);
  position_ += length + 2;
  scanned_ = 0;
  return Status::kComplete;
}

RequestParser::Status RequestParser::ParseInline(Bytes input) {
  size_t length;
  const Line found = FindLine(input, '\n', limits_->max_inline, &length);
  if (found == Line::kTooLong) return Bad(kHugeInline);
  if (found == Line::kNeedMore) return NeedMore(input.size() + 1);
  inline_ = true;
  position_ = length + 1;
  Bytes line = input.substr(0, length);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  InlineWords words(line, unescaped_);
  Bytes word;
  InlineWords::Step step;
  while ((step = words.Next(&word)) == InlineWords::Step::kWord) args_.push_back(word);
  return step == InlineWords::Step::kEnd ? Status::kComplete : Bad(kQuotes);
}

RequestTail::RequestTail(const RequestParser& parser, size_t parsed_bytes)
    : limits_(parser.limits_),
      content_left_(parser.bulk_size_ + 2 - (parsed_bytes - parser.position_)),
      bulks_left_(parser.announced_ - static_cast<uint32_t>(parser.args_.size()) - 1) {}

RequestTail::Status RequestTail::Bad(std::string text) {
  state_ = State::kBad;
  error_ = std::move(text);
  return Status::kBad;
}

RequestTail::Status RequestTail::Take(Bytes input, size_t* taken) {
  *taken = 0;
  for (;;) {
    if (state_ == State::kBad) return Status::kBad;
    if (state_ == State::kContent) {
      const uint64_t part = std::min<uint64_t>(content_left_, input.size() - *taken);
      content_left_ -= part;
      *taken += part;
      if (content_left_ > 0) return Status::kMore;
      if (bulks_left_ == 0) return Status::kDone;
      --bulks_left_;
      state_ = State::kHeader;
      header_length_ = 0;
      hidden_ = false;
    }
    if (*taken == input.size()) return Status::kMore;
    if (TakeHeaderByte(input[(*taken)++]) == Status::kBad) return Status::kBad;
  }
}

// kDone: the header is complete. Sees what RequestParser sees in the same bytes.
RequestTail::Status RequestTail::TakeHeaderByte(char c) {
  if (state_ == State::kHeaderEnd) return EndHeader();
  if (c == '\r' && !hidden_) {
    state_ = State::kHeaderEnd;
    return Status::kMore;
  }
  if (c == '\0') hidden_ = true;
  if (header_length_ < sizeof(header_)) header_[header_length_] = c;
  return ++header_length_ > kMaxHeader ? Bad(kHugeSize) : Status::kMore;
}

RequestTail::Status RequestTail::EndHeader() {
  const char first = header_length_ > 0 ? header_[0] : '\r';
  if (first != '$') return Bad(ExpectedDollar(first));
  if (header_length_ > sizeof(header_)) return Bad(kInvalidSize);
  const std::optional<int64_t> size = ParseInteger(Bytes(header_ + 1, header_length_ - 1));
  if (!IsBulkSize(size, *limits_)) return Bad(kInvalidSize);
  content_left_ = static_cast<uint64_t>(*size) + 2;
  state_ = State::kContent;
  return Status::kDone;
}

}  // namespace ringmaster
