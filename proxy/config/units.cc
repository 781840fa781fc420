#include "config/units.h"

#include <optional>

namespace ringmaster {
namespace {

struct Unit {
  Bytes name;
  uint64_t factor;
};

// Largest first, so that the first one that divides a value gives its shortest text.
constexpr Unit kTimeUnits[] = {{"d", 86'400'000'000}, {"h", 3'600'000'000}, {"m", 60'000'000},
                               {"s", 1'000'000},      {"ms", 1'000},        {"us", 1}};
constexpr uint64_t kLongest = 365 * kTimeUnits[0].factor;

constexpr Unit kSizeUnits[] = {
    {"gb", 1ULL << 30},   {"mb", 1ULL << 20}, {"kb", 1ULL << 10}, {"b", 1}, {"", 1},
    {"g", 1'000'000'000}, {"m", 1'000'000},   {"k", 1'000}};
constexpr int kFormatSizeUnits = 3;
constexpr uint64_t kLargest = INT64_MAX;

struct Split {
  uint64_t number;
  Bytes unit;
};

// The number in front and what stands behind it; nullopt without a number that fits.
std::optional<Split> SplitUnit(Bytes text) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const auto number = ParseInteger(text.substr(0, digits));
  if (!number) return std::nullopt;
  return Split{static_cast<uint64_t>(*number), text.substr(digits)};
}

Error Bad(Bytes text, const char* why) {
  return Error{ErrorCode::kInvalid, "'" + Printable(text, 64) + "' " + why};
}

}  // namespace

Result<Duration> ParseDuration(Bytes text) {
  const auto split = SplitUnit(text);
  if (!split) return Bad(text, "is no duration: write a whole number and a unit, such as 100ms");
  if (split->unit.empty()) return Bad(text, "has no unit: add one of us, ms, s, m, h, d");
  for (const Unit& unit : kTimeUnits) {
    if (unit.name != split->unit) continue;
    if (split->number > kLongest / unit.factor) return Bad(text, "is longer than 365d");
    return Duration(std::chrono::microseconds(split->number * unit.factor));
  }
  return Bad(text, "has an unknown unit: use one of us, ms, s, m, h, d");
}

std::string FormatDuration(Duration duration) {
  const auto us = static_cast<uint64_t>(Microseconds(duration));
  if (us == 0) return "0s";
  for (const Unit& unit : kTimeUnits) {
    if (us % unit.factor == 0) return std::to_string(us / unit.factor) + std::string(unit.name);
  }
  return std::to_string(us) + "us";
}

Result<uint64_t> ParseSize(Bytes text) {
  const auto split = SplitUnit(text);
  if (!split) return Bad(text, "is no size: write a whole number and a unit, such as 64mb");
  for (const Unit& unit : kSizeUnits) {
    if (!EqualsIgnoreCase(unit.name, split->unit)) continue;
    if (split->number > kLargest / unit.factor) return Bad(text, "is too large");
    return split->number * unit.factor;
  }
  return Bad(text, "has an unknown unit: use b, kb, mb or gb, or none for bytes");
}

std::string FormatSize(uint64_t bytes) {
  for (int i = 0; bytes > 0 && i < kFormatSizeUnits; ++i) {
    const Unit& unit = kSizeUnits[i];
    if (bytes % unit.factor == 0)
      return std::to_string(bytes / unit.factor) + std::string(unit.name);
  }
  return std::to_string(bytes);
}

}  // namespace ringmaster
