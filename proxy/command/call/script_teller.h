// Before a command that runs a script goes out on a connection: sends ahead what its shard may not
// know. A seam between serving calls and command/script, which implements it.
#pragma once

#include <span>

#include "base/bytes.h"

namespace ringmaster {

class Connection;
struct Command;
struct CommandContext;

// One for a pool; any worker's thread.
class ScriptTeller {
 public:
  // Does nothing for other commands.
  virtual void Tell(CommandContext& context, const Command& command, std::span<const Bytes> args,
                    Connection& connection) = 0;

 protected:
  ~ScriptTeller() = default;
};

}  // namespace ringmaster
