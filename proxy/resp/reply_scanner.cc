#include "resp/reply_scanner.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "resp/header_number.h"

namespace ringmaster {
namespace {

// More than any server sends: beyond it the bytes are taken for nonsense. The bounds keep every sum
// below far from overflow.
constexpr int64_t kMaxBulk = int64_t{1} << 40;
constexpr int64_t kMaxCount = int64_t{1} << 32;
constexpr uint64_t kMaxElements = uint64_t{1} << 40;

// How far to look for the end of a line before memchr pays.
constexpr std::ptrdiff_t kShortLine = 24;

bool IsBulk(char type) { return type == '$' || type == '!' || type == '='; }

}  // namespace

ReplyScanner::Status ReplyScanner::Scan(Bytes input, size_t* consumed) {
  const char* at = input.data();
  const char* const end = at + input.size();
  Step step = Step::kDone;
  if (state_ != State::kElement) step = TakeRest(&at, end);
  while (step == Step::kDone && elements_left_ > 0) {
    if (at == end) {
      step = Step::kNeedMore;
      break;
    }
    if (elements_left_ == 1 && !typed_) {
      typed_ = *at != '|';
      type_ = typed_ ? *at : '\0';
      started_ = true;
    }
    step = TakeElement(&at, end);
  }
  *consumed = static_cast<size_t>(at - input.data());
  if (step == Step::kNeedMore) return too_deep_ ? Status::kTooDeepSoFar : Status::kNeedMore;
  if (step == Step::kBad) return Status::kBad;
  elements_left_ = 1;
  depth_ = 0;
  started_ = typed_ = false;
  if (!too_deep_) [[likely]]
    return Status::kComplete;
  too_deep_ = false;
  return Status::kTooDeep;
}

ReplyScanner::Step ReplyScanner::Fail(Bytes error) {
  state_ = State::kBad;
  error_ = error;
  return Step::kBad;
}

// At the first byte of an element: most lie in the input as a whole.
ReplyScanner::Step ReplyScanner::TakeElement(const char** at, const char* end) {
  const char* const start = *at;
  element_ = *start;
  switch (element_) {
    case '$':
    case '!':
    case '=':
      return TakeBulk(at, end);
    case '*':
    case '%':
    case '~':
    case '>':
    case '|': {
      const int64_t count = PlainHeaderNumber(start + 1, end, at);
      if (count >= 0 && (*at)[-1] == '\n') [[likely]]
        return TakeChildren(count);
      break;
    }
    case '+':
    case '-':
    case ':':
    case '_':
    case '#':
    case ',':
    case '(': {
      const char* const limit = end - start > kShortLine ? start + kShortLine : end - 1;
      for (const char* look = start + 1; look < limit; ++look) {
        if (look[0] == '\r' && look[1] == '\n') {
          *at = look + 2;
          --elements_left_;
          return Step::kDone;
        }
      }
      break;
    }
    default:
      return Fail("unknown type of reply");
  }
  *at = start + 1;
  state_ = State::kLine;
  line_length_ = 0;
  carriage_ = false;
  return TakeRest(at, end);
}

ReplyScanner::Step ReplyScanner::TakeBulk(const char** at, const char* end) {
  const char* const start = *at;
  const char* content;
  const int64_t size = PlainHeaderNumber(start + 1, end, &content);
  if (size >= 0 && content[-1] == '\n') [[likely]] {
    if (end - content >= size + 2) [[likely]] {
      if (content[size] != '\r' || content[size + 1] != '\n') return Fail("a bulk does not end");
      *at = content + size + 2;
      --elements_left_;
      return Step::kDone;
    }
    *at = content;
    content_left_ = static_cast<uint64_t>(size) + 2;
    state_ = State::kContent;
    return TakeRest(at, end);
  }
  if (end - start >= 5 && std::memcmp(start + 1, "-1\r\n", 4) == 0) {
    *at = start + 5;
    --elements_left_;
    return Step::kDone;
  }
  *at = start + 1;
  state_ = State::kLine;
  line_length_ = 0;
  carriage_ = false;
  return TakeRest(at, end);
}

uint64_t& ReplyScanner::Level(uint32_t index) {
  if (index < levels_.size()) return levels_[index];
  index -= static_cast<uint32_t>(levels_.size());
  if (index == further_levels_.size()) further_levels_.push_back(0);
  return further_levels_[index];
}

// At the head of an aggregate, which counts among the elements left.
void ReplyScanner::EnterLevel() {
  while (depth_ > 0 && Level(depth_ - 1) >= elements_left_) --depth_;
  if (depth_ == max_depth_) {
    too_deep_ = true;
    return;
  }
  Level(depth_++) = element_ == '|' ? elements_left_ : elements_left_ - 1;
}

// The head of an aggregate said how many elements it has.
ReplyScanner::Step ReplyScanner::TakeChildren(int64_t count) {
  if (max_depth_ != 0) EnterLevel();
  const bool pairs = element_ == '%' || element_ == '|';
  // An attribute comes in addition to the element that it belongs to.
  if (element_ != '|') --elements_left_;
  elements_left_ += static_cast<uint64_t>(count) * (pairs ? 2 : 1);
  return elements_left_ <= kMaxElements ? Step::kDone : Fail("too many elements");
}

// Goes on inside an element.
ReplyScanner::Step ReplyScanner::TakeRest(const char** at, const char* end) {
  if (state_ == State::kLine) {
    const Step step = TakeLine(at, end);
    if (step != Step::kDone || state_ != State::kContent) return step;
  }
  return state_ == State::kContent ? TakeContent(at, end) : Step::kBad;
}

ReplyScanner::Step ReplyScanner::TakeLine(const char** at, const char* end) {
  const bool header = element_ == '*' || element_ == '%' || element_ == '~' || element_ == '>' ||
                      element_ == '|' || IsBulk(element_);
  while (*at < end) {
    if (carriage_ && **at == '\n') {
      ++*at;
      state_ = State::kElement;
      if (header) return EndLine();
      --elements_left_;
      return Step::kDone;
    }
    if (!header) {
      const auto* found =
          static_cast<const char*>(std::memchr(*at, '\r', static_cast<size_t>(end - *at)));
      *at = found == nullptr ? end : found + 1;
      carriage_ = found != nullptr;
      continue;
    }
    if (carriage_) return Fail("a length is not a number");
    const char c = *(*at)++;
    carriage_ = c == '\r';
    if (carriage_) continue;
    if (line_length_ == sizeof(line_)) return Fail("a length is not a number");
    line_[line_length_++] = c;
  }
  return Step::kNeedMore;
}

// A header line that was cut, or is not plain, is complete.
ReplyScanner::Step ReplyScanner::EndLine() {
  const std::optional<int64_t> number = ParseInteger(Bytes(line_, line_length_));
  if (!number || *number < -1) return Fail("a length is not a number");
  if (!IsBulk(element_)) {
    if (*number > kMaxCount) return Fail("too many elements");
    return TakeChildren(std::max<int64_t>(*number, 0));
  }
  if (*number > kMaxBulk) return Fail("a bulk is too long");
  if (*number < 0) {
    --elements_left_;
  } else {
    content_left_ = static_cast<uint64_t>(*number) + 2;
    state_ = State::kContent;
  }
  return Step::kDone;
}

ReplyScanner::Step ReplyScanner::TakeContent(const char** at, const char* end) {
  const auto available = static_cast<uint64_t>(end - *at);
  if (content_left_ > 2) {
    const uint64_t part = std::min(content_left_ - 2, available);
    *at += part;
    content_left_ -= part;
  }
  for (; content_left_ > 0; --content_left_) {
    if (*at == end) return Step::kNeedMore;
    if (*(*at)++ != (content_left_ == 2 ? '\r' : '\n')) {
      content_left_ = 0;
      return Fail("a bulk does not end");
    }
  }
  state_ = State::kElement;
  --elements_left_;
  return Step::kDone;
}

}  // namespace ringmaster
