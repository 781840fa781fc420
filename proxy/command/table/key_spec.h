// Where a command's arguments have keys, as data: the words in which rows say it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace ringmaster {

// Where the arguments have keys, in the terms of Redis's key specifications (redis.io, "Command key
// specifications"): how to find the first, and how to go on from it.
struct KeySpec {
  enum class Begin : uint8_t { kNone, kIndex, kKeyword, kUnknown };
  enum class Find : uint8_t { kRange, kCounted, kUnknown };

  Begin begin = Begin::kNone;
  Find find = Find::kRange;
  const char* access = "";   // what the command does to the key, as COMMAND INFO lists it
  const char* keyword = "";  // kKeyword: the keys follow this word
  int16_t index = 0;  // kIndex: of the first key, or of the count; kKeyword: where to look from
  // kRange: relative to the first key; negative: from the end, -1 is the last. kCounted: arguments
  // between the count and the first key.
  int16_t last = 0;
  int16_t step = 1;
  int16_t limit = 0;  // kRange with last -1: 2 for the first half of what is left, and so on
  const char* notes = nullptr;  // as COMMAND INFO shows them
};
constexpr KeySpec Key(const char* access, int16_t index) {
  return {.begin = KeySpec::Begin::kIndex, .access = access, .index = index};
}
constexpr KeySpec KeyRange(const char* access, int16_t index, int16_t last, int16_t step) {
  return {.begin = KeySpec::Begin::kIndex,
          .access = access,
          .index = index,
          .last = last,
          .step = step};
}
// By first, last and step as COMMAND INFO says them: a negative last counts from the end.
constexpr KeySpec KeyRangeOf(int64_t first, int64_t last, int64_t step) {
  return KeyRange("RW access update", static_cast<int16_t>(first),
                  static_cast<int16_t>(last < 0 ? last : last - first), static_cast<int16_t>(step));
}
// A count and then as many keys.
constexpr KeySpec CountedKeys(const char* access, int16_t index) {
  return {.begin = KeySpec::Begin::kIndex,
          .find = KeySpec::Find::kCounted,
          .access = access,
          .index = index};
}
constexpr KeySpec KeyAfter(const char* access, const char* keyword, int16_t from) {
  return {.begin = KeySpec::Begin::kKeyword, .access = access, .keyword = keyword, .index = from};
}
constexpr KeySpec KeysAfter(const char* access, const char* keyword, int16_t from, int16_t last,
                            int16_t step, int16_t limit) {
  return {.begin = KeySpec::Begin::kKeyword,
          .access = access,
          .keyword = keyword,
          .index = from,
          .last = last,
          .step = step,
          .limit = limit};
}
// Keys that only the server can name.
constexpr KeySpec UnknownKeys(const char* access) {
  return {.begin = KeySpec::Begin::kUnknown, .find = KeySpec::Find::kUnknown, .access = access};
}
constexpr KeySpec Noted(KeySpec spec, const char* notes) {
  spec.notes = notes;
  return spec;
}

// Where a KeyFinder puts what it finds.
struct FoundKeys {
  std::vector<uint32_t>& positions;
  // What the command does to each key, as in KeySpec::access; nullptr: nobody asks.
  std::vector<const char*>* access = nullptr;
  // COMMAND GETKEYSANDFLAGS asks, which for some commands says nothing of what they do to a key.
  bool listing = false;

  void Add(size_t position, const char* how) { Add(position, how, how); }
  void Add(size_t position, const char* how, const char* listed) {
    positions.push_back(static_cast<uint32_t>(position));
    if (access != nullptr) access->push_back(listing ? listed : how);
  }
};
// For commands whose keys the specifications do not tell exactly: finds all of them, reading the
// arguments as the command itself does. Finds none where the command would see a mistake. Takes any
// arguments, also fewer than the command's arity asks for.
using KeyFinder = void (*)(std::span<const Bytes> args, FoundKeys& found);

}  // namespace ringmaster
