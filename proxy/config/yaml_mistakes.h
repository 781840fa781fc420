// What people get wrong in YAML, in their words: the parser's own speak of blocks and entries.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "config/problems.h"

namespace ringmaster {

struct YamlMistake {
  Position at;
  std::string what;
};

// The tab, the indentation or the missing space because of which the parser stopped at `stopped`;
// nullopt: it is none of them.
std::optional<YamlMistake> NameYamlMistake(Bytes text, Position stopped);

}  // namespace ringmaster
