#include "resp/reply_scanner.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace ringmaster {
namespace {

// More than any server sends: beyond it the bytes are taken for nonsense.
constexpr int64_t kMaxBulk = int64_t{1} << 40;
constexpr int64_t kMaxCount = int64_t{1} << 32;
constexpr uint64_t kMaxElements = uint64_t{1} << 40;

bool IsBulk(char type) { return type == '$' || type == '!' || type == '='; }
bool IsAggregate(char type) {
  return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}
bool IsLine(char type) {
  switch (type) {
    case '+':
    case '-':
    case ':':
    case '_':
    case '#':
    case ',':
    case '(':
      return true;
    default:
      return false;
  }
}

// A short header number whose line end is in sight; -2: look closer.
int64_t QuickNumber(const char* at, const char* end, const char** behind) {
  int64_t value = 0;
  const char* limit = std::min(end, at + 9);
  const char* start = at;
  while (at < limit && *at >= '0' && *at <= '9') value = value * 10 + (*at++ - '0');
  if (at == start || at + 1 >= end || at[0] != '\r' || at[1] != '\n') return -2;
  *behind = at + 2;
  return value;
}

}  // namespace

ReplyScanner::Status ReplyScanner::Fail(Bytes error) {
  state_ = State::kBad;
  error_ = error;
  return Status::kBad;
}

// One element's head said how many children or bytes follow. False: nonsense.
bool ReplyScanner::CountElement(int64_t count) {
  if (IsBulk(element_)) {
    if (count < -1 || count > kMaxBulk) return false;
    if (count >= 0) {
      content_left_ = static_cast<uint64_t>(count) + 2;
      state_ = State::kContent;
      return true;
    }
    --elements_left_;
    return true;
  }
  if (count < -1 || count > kMaxCount) return false;
  const bool pairs = element_ == '%' || element_ == '|';
  const auto children = static_cast<uint64_t>(std::max<int64_t>(count, 0)) * (pairs ? 2 : 1);
  // An attribute comes in addition to the element that it belongs to.
  if (element_ != '|') --elements_left_;
  elements_left_ += children;
  return elements_left_ <= kMaxElements;
}

ReplyScanner::Status ReplyScanner::Scan(Bytes input, size_t* consumed) {
  const char* base = input.data();
  const char* end = base + input.size();
  const char* at = base;
  while (at < end) {
    if (state_ == State::kType) {
      element_ = *at;
      if (!started_) [[likely]] {
        started_ = true;
        type_ = element_;
      } else if (type_ == '|' && element_ != '|') {
        type_ = element_;
      }
      const char* behind = nullptr;
      const bool bulk = element_ == '$';
      if (bulk || element_ == '*') {
        const int64_t count = QuickNumber(at + 1, end, &behind);
        if (count >= 0) [[likely]] {
          at = behind;
          if (!CountElement(count)) return Fail("a length is out of range");
          if (elements_left_ == 0) break;
          continue;
        }
      } else if (!IsLine(element_) && !IsAggregate(element_) && !IsBulk(element_)) {
        return Fail("unknown reply type");
      }
      ++at;
      digits_ = 0;
      carriage_ = false;
      state_ = State::kLine;
    } else if (state_ == State::kLine) {
      size_t used = static_cast<size_t>(at - base);
      const bool complete = TakeLine(input, &used);
      at = base + used;
      if (state_ == State::kBad) return Status::kBad;
      if (!complete) break;
      state_ = State::kType;
      if (!EndLine()) return Fail("a length is out of range");
      if (elements_left_ == 0) break;
    } else if (state_ == State::kContent) {
      const uint64_t part = std::min<uint64_t>(content_left_, static_cast<uint64_t>(end - at));
      at += part;
      content_left_ -= part;
      if (content_left_ > 0) break;
      state_ = State::kType;
      if (--elements_left_ == 0) break;
    } else {
      return Status::kBad;
    }
  }
  *consumed = static_cast<size_t>(at - base);
  if (elements_left_ > 0) return Status::kNeedMore;
  elements_left_ = 1;
  started_ = false;
  return Status::kComplete;
}

// Takes bytes of a line up to its end; true when the end was reached. Keeps the digits of headers.
bool ReplyScanner::TakeLine(Bytes input, size_t* at) {
  const bool header = IsBulk(element_) || IsAggregate(element_);
  while (*at < input.size()) {
    if (carriage_) {
      if (input[*at] == '\n') {
        ++*at;
        return true;
      }
      carriage_ = false;
      if (header) {
        Fail("a header line does not end");
        return false;
      }
    }
    if (!header) {
      const char* from = input.data() + *at;
      const auto* found = static_cast<const char*>(std::memchr(from, '\r', input.size() - *at));
      if (found == nullptr) {
        *at = input.size();
        return false;
      }
      *at += static_cast<size_t>(found - from) + 1;
      carriage_ = true;
      continue;
    }
    const char c = input[(*at)++];
    if (c == '\r') {
      carriage_ = true;
    } else if (digits_ == sizeof(number_)) {
      Fail("a header line is too long");
      return false;
    } else {
      number_[digits_++] = c;
    }
  }
  return false;
}

bool ReplyScanner::EndLine() {
  if (!IsBulk(element_) && !IsAggregate(element_)) {
    --elements_left_;
    return true;
  }
  const std::optional<int64_t> count = ParseInteger(Bytes(number_, digits_));
  return count && CountElement(*count);
}

}  // namespace ringmaster
