// Readers of requests and replies that are slow, plain and independent of those in resp/: they look
// at the whole input at once, copy, and recurse. Tests and fuzzers hold the fast ones against them.
// Both render what they see as text, one line for each request or reply.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "resp/request_parser.h"

namespace ringmaster {

// Short texts as they are, long ones by size and hash.
inline std::string RenderArg(Bytes arg) {
  if (arg.size() <= 40) return "<" + Printable(arg) + ">";
  return "<" + std::to_string(arg.size()) + " bytes, hash " +
         std::to_string(std::hash<Bytes>()(arg)) + ">";
}

template <typename Args>
std::string RenderRequest(const Args& args, bool is_inline) {
  std::string line = is_inline ? "inline" : "array";
  for (const auto& arg : args) line += " " + RenderArg(arg);
  return line + "\n";
}

// A number that reads back as the same text: no spaces, signs, leading zeros or overflow.
inline std::optional<int64_t> SlowNumber(const std::string& text) {
  errno = 0;
  const long long value = std::strtoll(text.c_str(), nullptr, 10);
  if (errno != 0 || std::to_string(value) != text) return std::nullopt;
  return value;
}

class SlowRequests {
 public:
  SlowRequests(Bytes input, const RequestLimits& limits) : rest_(input), limits_(limits) {}

  // Every request, then "more" when the last one is cut, or "bad: <why>" where reading ends.
  std::string Read() {
    while (!rest_.empty() && !ended_) {
      if (rest_[0] == '*') {
        ReadArray();
      } else {
        ReadInline();
      }
    }
    return out_;
  }

 private:
  void End(const std::string& line) {
    out_ += line + "\n";
    ended_ = true;
  }

  // The line in front of `ending`, as C's string functions see it; ends reading when there is none.
  std::optional<std::string> Line(char ending, size_t limit, size_t behind,
                                  const std::string& too_long) {
    const std::string visible = rest_.substr(0, rest_.find('\0'));
    const size_t length = visible.find(ending);
    if (length == std::string::npos || length > limit) {
      End(rest_.size() > limit ? "bad: Protocol error: " + too_long : "more");
      return std::nullopt;
    }
    if (rest_.size() < length + 1 + behind) {
      End("more");
      return std::nullopt;
    }
    rest_ = rest_.substr(length + 1 + behind);
    return visible.substr(0, length);
  }

  void ReadArray() {
    const auto header = Line('\r', 65536, 1, "too big mbulk count string");
    if (!header) return;
    const auto count = SlowNumber(header->substr(1));
    if (!count || *count > limits_.max_args) {
      return End("bad: Protocol error: invalid multibulk length");
    }
    std::vector<std::string> args;
    for (int64_t i = 0; i < *count; ++i) {
      const auto arg = ReadBulk();
      if (!arg) return;
      args.push_back(*arg);
    }
    out_ += RenderRequest(args, false);
  }

  std::optional<std::string> ReadBulk() {
    const auto header = Line('\r', 65536, 1, "too big bulk count string");
    if (!header) return std::nullopt;
    if (header->substr(0, 1) != "$") {
      const char got = header->empty() ? '\r' : (*header)[0];
      End(std::string("bad: Protocol error: expected '$', got '") + got + "'");
      return std::nullopt;
    }
    const auto size = SlowNumber(header->substr(1));
    if (!size || *size < 0 || static_cast<uint64_t>(*size) > limits_.max_bulk) {
      End("bad: Protocol error: invalid bulk length");
      return std::nullopt;
    }
    if (rest_.size() < static_cast<uint64_t>(*size) + 2) {
      End("more");
      return std::nullopt;
    }
    std::string content = rest_.substr(0, static_cast<size_t>(*size));
    rest_ = rest_.substr(content.size() + 2);
    return content;
  }

  void ReadInline() {
    auto line = Line('\n', limits_.max_inline, 0, "too big inline request");
    if (!line) return;
    if (line->ends_with('\r')) line->pop_back();
    const auto words = Words(*line);
    if (!words) return End("bad: Protocol error: unbalanced quotes in request");
    out_ += RenderRequest(*words, true);
  }

  // A machine with one state for each place a byte can be in.
  static std::optional<std::vector<std::string>> Words(const std::string& line) {
    enum { kBetween, kWord, kDouble, kSingle, kBehindQuote } state = kBetween;
    std::vector<std::string> words;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string here = line.substr(i);
      const bool space = std::string(" \t\n\v\f\r").find(line[i]) != std::string::npos;
      if (state == kBehindQuote && !space) return std::nullopt;
      if (state == kBetween || state == kBehindQuote) {
        state = kBetween;
        if (space) continue;
        words.emplace_back();
        state = kWord;
      }
      std::string& word = words.back();
      if (state == kWord && space && line[i] != '\v' && line[i] != '\f') {
        state = kBetween;
      } else if (state == kWord && here[0] == '"') {
        state = kDouble;
      } else if (state == kWord && here[0] == '\'') {
        state = kSingle;
      } else if ((state == kDouble && here[0] == '"') || (state == kSingle && here[0] == '\'')) {
        state = kBehindQuote;
      } else if (state == kSingle && here.starts_with("\\'")) {
        word += '\'';
        i += 1;
      } else if (state == kDouble && here.size() >= 4 && here.starts_with("\\x") &&
                 here.find_first_not_of("0123456789abcdefABCDEF", 2) >= 4) {
        word += static_cast<char>(std::stoi(here.substr(2, 2), nullptr, 16));
        i += 3;
      } else if (state == kDouble && here.size() >= 2 && here[0] == '\\') {
        const size_t known = std::string("nrtba").find(here[1]);
        word += known == std::string::npos ? here[1] : "\n\r\t\b\a"[known];
        i += 1;
      } else {
        word += here[0];
      }
    }
    if (state == kDouble || state == kSingle) return std::nullopt;
    return words;
  }

  std::string rest_;
  const RequestLimits& limits_;
  std::string out_;
  bool ended_ = false;
};

class SlowReplies {
 public:
  explicit SlowReplies(Bytes input) : rest_(input) {}

  // "<type> <length>" for each reply, then "more" when the last one is cut, or "bad".
  std::string Read() {
    std::string out;
    while (!rest_.empty()) {
      const size_t before = rest_.size();
      type_ = 0;
      open_ = 1;
      const Found found = Element(true);
      if (found == kMore) return out + "more\n";
      if (found == kBad) return out + "bad\n";
      out += std::string(1, type_) + " " + std::to_string(before - rest_.size()) + "\n";
    }
    return out;
  }

 private:
  enum Found { kWhole, kMore, kBad };

  // `top`: this is the reply itself, not something inside it.
  Found Element(bool top) {
    if (rest_.empty()) return kMore;
    const char type = rest_[0];
    if (std::string("+-:_#,($!=*%~>|").find(type) == std::string::npos) return kBad;
    if (top && type != '|') type_ = type;
    if (std::string("+-:_#,(").find(type) != std::string::npos) {
      const size_t end = rest_.find("\r\n");
      if (end == Bytes::npos) return kMore;
      rest_.remove_prefix(end + 2);
      --open_;
      return kWhole;
    }
    int64_t number = 0;
    const Found found = Header(&number);
    if (found != kWhole) return found;
    if (std::string("$!=").find(type) != std::string::npos) {
      --open_;
      return Content(number);
    }
    if (number > (int64_t{1} << 32)) return kBad;
    const bool pairs = type == '%' || type == '|';
    const int64_t children = std::max<int64_t>(number, 0) * (pairs ? 2 : 1);
    open_ += children - (type == '|' ? 0 : 1);
    if (open_ > (int64_t{1} << 40)) return kBad;
    for (int64_t i = 0; i < children; ++i) {
      const Found child = Element(false);
      if (child != kWhole) return child;
    }
    return type == '|' ? Element(top) : kWhole;
  }

  Found Header(int64_t* number) {
    const size_t length = rest_.substr(1, 25).find('\r');
    if (length == Bytes::npos) return rest_.size() > 25 ? kBad : kMore;
    if (rest_.size() == length + 2) return kMore;
    if (rest_[length + 2] != '\n') return kBad;
    const auto value = SlowNumber(std::string(rest_.substr(1, length)));
    if (!value || *value < -1) return kBad;
    *number = *value;
    rest_.remove_prefix(length + 3);
    return kWhole;
  }

  Found Content(int64_t size) {
    if (size > (int64_t{1} << 40)) return kBad;
    if (size < 0) return kWhole;
    const Bytes ending = rest_.substr(std::min(rest_.size(), static_cast<size_t>(size)), 2);
    if (!Bytes("\r\n").starts_with(ending)) return kBad;
    if (ending.size() < 2) return kMore;
    rest_.remove_prefix(static_cast<size_t>(size) + 2);
    return kWhole;
  }

  Bytes rest_;
  char type_ = 0;
  int64_t open_ = 1;  // elements still to come, of this reply and of all around them
};

}  // namespace ringmaster
