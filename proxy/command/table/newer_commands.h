// What shards know of commands beyond the rows: from their replies to COMMAND. Pure: no shard is
// asked here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "command/table/command_facts.h"
#include "command/table/table.h"

namespace ringmaster {

// Of one shard.
struct NewerCommands {
  std::map<std::string, CommandFacts> unknown;  // by name, lower case: those without a row
  // Where it is another than the row's, of commands that shards serve as they are: the proxy looks
  // at their keys only, and these stand where they stood.
  std::map<const Command*, int> arities;
};

// Of all shards of a pool. Of a command that they describe in different ways the first counts.
struct AgreedCommands {
  struct Missing {
    CommandFacts facts;
    std::string shard;  // the first that does not know it
  };
  std::map<std::string, CommandFacts> known;     // to all
  std::map<std::string, Missing> known_to_some;  // to at least one, and not to all
  std::map<const Command*, int> arities;         // that all have
};

// Whether calls of a built-in command by another arity can be served: as they are, with every key
// that the row promises.
bool ArityMayDiffer(const Command& command, int arity);

// Of a shard's reply to COMMAND; nullopt: it makes no sense. What it names lives as long as
// `table`.
std::optional<NewerCommands> ReadNewerCommands(const CommandTable& table, Bytes reply);

struct NamedCommands {
  std::string shard;
  const NewerCommands* newer;
};
AgreedCommands Agree(const std::vector<NamedCommands>& shards);

}  // namespace ringmaster
