// Views of bytes and the few operations on them that every folder needs. A Bytes never owns; who
// hands one out says how long it lives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster {

using Bytes = std::string_view;

// ASCII only, as Redis compares command names and options.
constexpr char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr char ToUpper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
}
constexpr bool EqualsIgnoreCase(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}
std::string Lowercase(Bytes text);
std::string Uppercase(Bytes text);

// A decimal integer that fills all of `text`, as Redis's string2ll reads it: no spaces, no plus
// sign, no leading zeros, no "-0"; nullopt for anything else or when it does not fit.
std::optional<int64_t> ParseInteger(Bytes text);

// A finite decimal number that fills all of `text`; nullopt otherwise.
std::optional<double> ParseDouble(Bytes text);

void AppendInteger(std::string& out, int64_t value);

// For logs and error texts: printable ASCII stays, other bytes become \xNN; cut after `limit` bytes
// with "..." behind.
std::string Printable(Bytes text, size_t limit = 128);

// Redis's glob (stringmatchlen): * ? [a-z] [^a] and backslash. Time is bounded by pattern times
// text even for patterns with many stars.
bool GlobMatch(Bytes pattern, Bytes text, bool ignore_case = false);

}  // namespace ringmaster
