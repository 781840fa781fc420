#include "resp/request_parser.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace ringmaster {
namespace {

// The longest header line that can be a number: Redis allows an inline's length here.
constexpr size_t kMaxHeader = 64 * 1024;

// The number in a header line, digits only, with Redis's string2ll rules relaxed as it relaxes them
// nowhere: leading zeros and signs other than '-' are refused.
std::optional<int64_t> HeaderNumber(const char* at, const char* end) {
  if (end - at == 1 && *at >= '0' && *at <= '9') [[likely]]
    return *at - '0';
  return ParseInteger(Bytes(at, static_cast<size_t>(end - at)));
}

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// One quoted or plain word of an inline request, as sdssplitargs reads it.
class InlineWords {
 public:
  explicit InlineWords(Bytes line) : line_(line) {}

  enum class Step : uint8_t { kWord, kEnd, kBad };
  // `raw` gets a view when the word needs no unescaping, otherwise `text` gets the word.
  Step Next(Bytes* raw, std::string* text) {
    while (at_ < line_.size() && (IsSpace(line_[at_]) || line_[at_] == '\0')) ++at_;
    if (at_ >= line_.size()) return Step::kEnd;
    const size_t start = at_;
    while (at_ < line_.size() && !IsSpace(line_[at_]) && line_[at_] != '"' && line_[at_] != '\'' &&
           line_[at_] != '\0') {
      ++at_;
    }
    if (at_ >= line_.size() || IsSpace(line_[at_]) || line_[at_] == '\0') {
      *raw = line_.substr(start, at_ - start);
      return Step::kWord;
    }
    *raw = Bytes();
    text->assign(line_.substr(start, at_ - start));
    return Quoted(text);
  }

 private:
  Step Quoted(std::string* text) {
    while (at_ < line_.size() && !IsSpace(line_[at_]) && line_[at_] != '\0') {
      const char quote = line_[at_];
      if (quote != '"' && quote != '\'') {
        text->push_back(line_[at_++]);
        continue;
      }
      ++at_;
      if (!(quote == '"' ? DoubleQuoted(text) : SingleQuoted(text))) return Step::kBad;
      // A closing quote must be followed by a space or nothing at all.
      if (at_ < line_.size() && !IsSpace(line_[at_])) return Step::kBad;
    }
    return Step::kWord;
  }

  bool DoubleQuoted(std::string* text) {
    for (; at_ < line_.size(); ++at_) {
      const char c = line_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c != '\\' || at_ + 1 >= line_.size()) {
        text->push_back(c);
        continue;
      }
      const char next = line_[++at_];
      if (next == 'x' && at_ + 2 < line_.size() && HexDigit(line_[at_ + 1]) >= 0 &&
          HexDigit(line_[at_ + 2]) >= 0) {
        text->push_back(
            static_cast<char>(HexDigit(line_[at_ + 1]) * 16 + HexDigit(line_[at_ + 2])));
        at_ += 2;
        continue;
      }
      switch (next) {
        case 'n':
          text->push_back('\n');
          break;
        case 'r':
          text->push_back('\r');
          break;
        case 't':
          text->push_back('\t');
          break;
        case 'b':
          text->push_back('\b');
          break;
        case 'a':
          text->push_back('\a');
          break;
        default:
          text->push_back(next);
          break;
      }
    }
    return false;
  }

  bool SingleQuoted(std::string* text) {
    for (; at_ < line_.size(); ++at_) {
      if (line_[at_] == '\\' && at_ + 1 < line_.size() && line_[at_ + 1] == '\'') {
        text->push_back('\'');
        ++at_;
      } else if (line_[at_] == '\'') {
        ++at_;
        return true;
      } else {
        text->push_back(line_[at_]);
      }
    }
    return false;
  }

  Bytes line_;
  size_t at_ = 0;
};

}  // namespace

void RequestParser::Reset() {
  position_ = wanted_ = scanned_ = 0;
  bulk_size_ = 0;
  announced_ = 0;
  header_known_ = bulk_known_ = inline_ = false;
  args_.clear();
  if (args_.capacity() > 1024) args_.shrink_to_fit();
  if (!unescaped_.empty()) unescaped_.clear();
}

RequestParser::Status RequestParser::NeedMore(size_t wanted) {
  wanted_ = wanted;
  return Status::kNeedMore;
}

RequestParser::Status RequestParser::Bad(std::string text) {
  error_ = std::move(text);
  return Status::kBad;
}

// The same bytes may lie elsewhere now: what points into them moves along.
void RequestParser::Rebase(const char* base) {
  if (base_ != base && !inline_) {
    for (Bytes& arg : args_) arg = Bytes(base + (arg.data() - base_), arg.size());
  }
  base_ = base;
}

RequestParser::Status RequestParser::Parse(Bytes input) {
  if (!args_.empty()) Rebase(input.data());
  base_ = input.data();
  if (input.empty()) return NeedMore(1);
  if (!header_known_) {
    if (input[0] != '*') return ParseInline(input);
    const Status status = ParseHeader(input);
    if (status != Status::kComplete || announced_ == 0) return status;
  }
  return ParseBulks(input);
}

// "*<number of arguments>\r\n"
RequestParser::Status RequestParser::ParseHeader(Bytes input) {
  const char* base = input.data();
  const char* end = base + input.size();
  if (input.size() >= 4 && base[2] == '\r' && base[1] >= '1' && base[1] <= '9') [[likely]] {
    announced_ = static_cast<uint32_t>(base[1] - '0');
    position_ = 4;
    header_known_ = true;
    return Status::kComplete;
  }
  const auto* line_end = static_cast<const char*>(std::memchr(base, '\r', input.size()));
  if (line_end == nullptr || line_end + 1 >= end) {
    if (line_end == nullptr && input.size() > kMaxHeader) {
      return Bad("Protocol error: too big mbulk count string");
    }
    return NeedMore(input.size() + 1);
  }
  const std::optional<int64_t> count = HeaderNumber(base + 1, line_end);
  if (!count || *count > static_cast<int64_t>(limits_->max_args)) {
    return Bad("Protocol error: invalid multibulk length");
  }
  position_ = static_cast<size_t>(line_end + 2 - base);
  header_known_ = true;
  announced_ = *count <= 0 ? 0 : static_cast<uint32_t>(*count);
  return Status::kComplete;
}

// "$<length>\r\n<content>\r\n", as many as were announced
RequestParser::Status RequestParser::ParseBulks(Bytes input) {
  const char* base = input.data();
  const char* end = base + input.size();
  while (args_.size() < announced_) {
    const char* at = base + position_;
    if (!bulk_known_) {
      if (at >= end) return NeedMore(input.size() + 1);
      if (*at != '$') {
        return Bad(std::string("Protocol error: expected '$', got '") + *at + "'");
      }
      const char* line_end;
      if (end - at >= 4 && at[2] == '\r') [[likely]] {
        line_end = at + 2;
      } else if (end - at >= 5 && at[3] == '\r') {
        line_end = at + 3;
      } else {
        line_end = static_cast<const char*>(std::memchr(at, '\r', static_cast<size_t>(end - at)));
      }
      if (line_end == nullptr || line_end + 1 >= end) {
        if (line_end == nullptr && static_cast<size_t>(end - at) > kMaxHeader) {
          return Bad("Protocol error: too big bulk count string");
        }
        return NeedMore(input.size() + 1);
      }
      const std::optional<int64_t> size = HeaderNumber(at + 1, line_end);
      if (!size || *size < 0 || static_cast<uint64_t>(*size) > limits_->max_bulk) {
        return Bad("Protocol error: invalid bulk length");
      }
      bulk_size_ = static_cast<uint64_t>(*size);
      position_ = static_cast<size_t>(line_end + 2 - base);
      bulk_known_ = true;
      at = base + position_;
    }
    // Redis does not look at the two bytes behind a bulk, and neither do we.
    if (static_cast<uint64_t>(end - at) < bulk_size_ + 2) {
      return NeedMore(position_ + bulk_size_ + 2);
    }
    args_.emplace_back(at, bulk_size_);
    position_ += bulk_size_ + 2;
    bulk_known_ = false;
  }
  return Status::kComplete;
}

RequestParser::Status RequestParser::ParseInline(Bytes input) {
  const char* base = input.data();
  const auto* line_end =
      static_cast<const char*>(std::memchr(base + scanned_, '\n', input.size() - scanned_));
  if (line_end == nullptr) {
    if (input.size() > limits_->max_inline) {
      return Bad("Protocol error: too big inline request");
    }
    scanned_ = input.size();
    return NeedMore(input.size() + 1);
  }
  inline_ = true;
  Bytes line(base, static_cast<size_t>(line_end - base));
  position_ = line.size() + 1;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.size() > limits_->max_inline) return Bad("Protocol error: too big inline request");
  InlineWords words(line);
  std::vector<std::pair<Bytes, size_t>> found;  // a view, or an index into unescaped_ + 1
  for (;;) {
    Bytes raw;
    std::string text;
    const InlineWords::Step step = words.Next(&raw, &text);
    if (step == InlineWords::Step::kBad) {
      return Bad("Protocol error: unbalanced quotes in request");
    }
    if (step == InlineWords::Step::kEnd) break;
    if (raw.data() == nullptr) unescaped_.push_back(std::move(text));
    found.emplace_back(raw, raw.data() == nullptr ? unescaped_.size() : 0);
  }
  // Only now, as unescaped_ may have moved its strings while it grew.
  for (const auto& [raw, index] : found) {
    args_.push_back(index == 0 ? raw : Bytes(unescaped_[index - 1]));
  }
  return Status::kComplete;
}

RequestTail::RequestTail(const RequestParser& parser, size_t parsed_bytes)
    : limits_(parser.limits_),
      content_left_(parser.bulk_size_ - (parsed_bytes - parser.position_)),
      bulks_left_(parser.announced_ - static_cast<uint32_t>(parser.args_.size()) - 1) {}

RequestTail::Status RequestTail::Take(Bytes input, size_t* taken) {
  size_t at = 0;
  for (;;) {
    *taken = at;
    if (state_ == State::kContent) {
      const uint64_t part = std::min<uint64_t>(content_left_, input.size() - at);
      content_left_ -= part;
      at += part;
      *taken = at;
      if (content_left_ > 0) return Status::kMore;
      state_ = State::kEnding;
      ending_left_ = 2;
    }
    if (state_ == State::kEnding) {
      const size_t part = std::min<size_t>(ending_left_, input.size() - at);
      ending_left_ = static_cast<uint8_t>(ending_left_ - part);
      at += part;
      *taken = at;
      if (ending_left_ > 0) return Status::kMore;
      if (bulks_left_ == 0) return Status::kDone;
      --bulks_left_;
      state_ = State::kHeader;
      header_length_ = 0;
    }
    while (state_ == State::kHeader) {
      if (at == input.size()) return Status::kMore;
      const char c = input[at++];
      *taken = at;
      if (c != '\n') {
        if (header_length_ == sizeof(header_)) {
          error_ = "Protocol error: too big bulk count string";
          return Status::kBad;
        }
        header_[header_length_++] = c;
        continue;
      }
      if (!TakeHeader()) return Status::kBad;
    }
  }
}

bool RequestTail::TakeHeader() {
  Bytes line(header_, header_length_);
  if (line.empty() || line[0] != '$') {
    error_ =
        std::string("Protocol error: expected '$', got '") + (line.empty() ? ' ' : line[0]) + "'";
    return false;
  }
  line.remove_prefix(1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const std::optional<int64_t> size = ParseInteger(line);
  if (!size || *size < 0 || static_cast<uint64_t>(*size) > limits_->max_bulk) {
    error_ = "Protocol error: invalid bulk length";
    return false;
  }
  content_left_ = static_cast<uint64_t>(*size);
  state_ = State::kContent;
  return true;
}

}  // namespace ringmaster
