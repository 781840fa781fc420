// What a shard says of a command that the rows do not know: one entry of its reply to COMMAND INFO,
// of Redis 6 (seven elements) or later (ten). Pure: no shard is asked here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "command/table/key_spec.h"
#include "resp/reply_reader.h"

namespace ringmaster {

struct CommandFacts {
  struct Spec {
    std::string access;  // as KeySpec::access
    std::string keyword;
    std::string notes;
    KeySpec spec;  // without the three: their owner sets them
  };

  std::string name;  // lower case; of a subcommand without its container
  int arity = 0;
  uint32_t flags = 0;  // RowFlag
  uint32_t categories = 0;
  std::vector<Spec> specs;
  // The specifications tell every key and what is done to it.
  bool exact = true;
  std::vector<CommandFacts> subcommands;
  std::string said;  // the entry itself, to tell whether it is still the same
};

// nullopt: null, as for a command that the shard does not know, or what makes no sense.
std::optional<CommandFacts> ReadCommandFacts(const ReplyElement& entry);

}  // namespace ringmaster
