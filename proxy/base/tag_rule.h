// A rule that takes part of a key as its hash tag (ring.together), for keys of programs that know
// no hash tags: "bull:{queue}:*" puts all keys of one queue on one shard.
//
//   ['*'] text '{' name '}' text ['*']
//
// What stands in braces is a name for people. Its place is taken by one or more characters of the
// key, up to the next one that is the character behind the brace; at the end of the rule, up to the
// end of the key. A star at the beginning goes up to the first place where the text behind it
// stands, one at the end takes whatever follows. All else is literal.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace ringmaster {

class TagRule {
 public:
  static constexpr size_t kMaxLength = 512;
  static constexpr size_t kMaxRules = 64;  // of one ring

  // The error says what to write, without the rule itself.
  static Result<TagRule> Parse(Bytes rule);

  // Part of the key, as long as the key lives. Empty: the rule is not about this key. Linear in the
  // key's length, no allocation.
  Bytes TagOf(Bytes key) const noexcept;

  // What it says of the keys that begin with `prefix`.
  enum class Covers : uint8_t {
    kNone,  // is about none of them
    kSome,  // maybe about some, or with unlike tags
    kAll,   // is about all of them, and their tag is the same
  };
  Covers CoverOf(Bytes prefix) const noexcept;

  // A key that it is about, another tag for each number.
  std::string Example(int64_t number) const { return before_ + std::to_string(number) + after_; }
  const std::string& text() const { return text_; }

 private:
  TagRule() = default;
  Bytes TagAt(Bytes rest) const noexcept;

  std::string text_;
  std::string before_;  // the braces
  std::string after_;
  bool any_start_ = false;
  bool any_end_ = false;
};

}  // namespace ringmaster
