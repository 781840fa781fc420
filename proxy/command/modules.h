// Commands that the rows do not know: of modules, or of a newer Redis. The shards are asked for
// one (COMMAND INFO) when a client first uses it; from then on it is routed by the positions of
// its keys. A name that the shards do not know either is forgotten after a while, so that a module
// that is loaded later is found.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "command/table.h"

namespace ringmaster {

// One for all workers of a pool; any thread.
class ModuleCommands {
 public:
  explicit ModuleCommands(const CommandTable& table);
  ModuleCommands(const ModuleCommands&) = delete;
  ModuleCommands& operator=(const ModuleCommands&) = delete;

  // The command to serve a name by that the table does not know: a learned one, or the one that
  // asks the shards; nullptr: the shards do not know it. Commands live as long as this object.
  const Command* Find(Bytes name, TimePoint now) const;
  // Only what was learned.
  const Command* Known(Bytes name) const;
  // Takes a shard's reply to COMMAND INFO of the name. nullptr: it has no such command, or what it
  // says makes no sense.
  const Command* Learn(Bytes name, Bytes reply, TimePoint now);

 private:
  struct Learned {
    std::string name;
    Row row;
    Command command;
  };

  const Command* const asking_;
  mutable std::mutex mutex_;
  std::deque<std::unique_ptr<Learned>> learned_;
  std::map<std::string, const Command*, std::less<>> by_name_;  // lower case
  std::map<std::string, TimePoint, std::less<>> absent_;        // until when
};

}  // namespace ringmaster
