#include "base/bytes.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

namespace ringmaster {

std::string Lowercase(Bytes text) {
  std::string out(text);
  for (char& c : out) c = ToLower(c);
  return out;
}

std::string Uppercase(Bytes text) {
  std::string out(text);
  for (char& c : out) c = ToUpper(c);
  return out;
}

std::optional<int64_t> ParseInteger(Bytes text) {
  if (text.empty()) return std::nullopt;
  const size_t digits = text[0] == '-' ? 1 : 0;
  if (digits == text.size()) return std::nullopt;
  if (text[digits] == '0' && text.size() > 1) return std::nullopt;
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

std::optional<double> ParseDouble(Bytes text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

void AppendInteger(std::string& out, int64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, end);
}

std::string Printable(Bytes text, size_t limit) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\') {
      out.push_back(c);
    } else {
      out.append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  if (text.size() > limit) out.append("...");
  return out;
}

namespace {

// Matches one pattern element other than '*' at `p` against `c`; `next` is where the element ends.
bool MatchOne(Bytes pattern, size_t p, char c, bool ignore_case, size_t* next) {
  const auto fold = [ignore_case](char x) { return ignore_case ? ToLower(x) : x; };
  if (pattern[p] == '?') {
    *next = p + 1;
    return true;
  }
  if (pattern[p] == '\\' && p + 1 < pattern.size()) {
    *next = p + 2;
    return fold(pattern[p + 1]) == fold(c);
  }
  if (pattern[p] != '[') {
    *next = p + 1;
    return fold(pattern[p]) == fold(c);
  }
  size_t i = p + 1;
  const bool negate = i < pattern.size() && pattern[i] == '^';
  if (negate) ++i;
  bool found = false;
  while (i < pattern.size() && pattern[i] != ']') {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      ++i;
      found = found || fold(pattern[i]) == fold(c);
    } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
      char low = fold(pattern[i]);
      char high = fold(pattern[i + 2]);
      if (low > high) std::swap(low, high);
      found = found || (fold(c) >= low && fold(c) <= high);
      i += 2;
    } else {
      found = found || fold(pattern[i]) == fold(c);
    }
    ++i;
  }
  *next = i < pattern.size() ? i + 1 : i;  // an unclosed class ends with the pattern, as in Redis
  return found != negate;
}

}  // namespace

bool GlobMatch(Bytes pattern, Bytes text, bool ignore_case) {
  // As Redis, whose loop does not begin: a star matches no empty text.
  if (text.empty()) return pattern.empty();
  size_t p = 0;
  size_t t = 0;
  size_t star = Bytes::npos;  // pattern position behind the last '*'
  size_t star_text = 0;       // where that '*' stops for now
  while (t < text.size()) {
    size_t next = 0;
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
    } else if (p < pattern.size() && MatchOne(pattern, p, text[t], ignore_case, &next)) {
      p = next;
      ++t;
    } else if (star != Bytes::npos) {
      p = star;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace ringmaster
