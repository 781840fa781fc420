// A YAML document as a plain tree that remembers where everything stood. What the schema means is
// not known here.
//
// Plain YAML 1.2 with aliases and merge keys (<<). Bounded, because a file can be small and yet
// unfold into gigabytes: text, nesting, values and bytes after aliases are unfolded.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "config/problems.h"

namespace ringmaster {

struct YamlValue {
  enum class Kind { kNull, kText, kList, kMap };

  Kind kind = Kind::kNull;
  Position at;
  std::string text;               // kText: as written, numbers and booleans too
  bool quoted = false;            // kText: in quotes, so it is no number and no boolean
  std::vector<YamlValue> keys;    // kMap: kText each, all different
  std::vector<YamlValue> values;  // kList: the elements; kMap: one for each key
};

inline constexpr size_t kMaxYamlText = size_t{1} << 20;
inline constexpr int kMaxYamlDepth = 32;
inline constexpr size_t kMaxYamlValues = 200'000;
inline constexpr size_t kMaxYamlBytes = size_t{8} << 20;

// The document's root. What is wrong goes to `problems`; nullopt when that leaves no tree to look
// at.
std::optional<YamlValue> ParseYaml(Bytes text, Problems& problems);

}  // namespace ringmaster
