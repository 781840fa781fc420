// Commands that the rows do not know: of modules, or of a newer Redis. The shards are asked for
// one (COMMAND INFO) when a client first uses it; from then on it is routed by the positions of
// its keys, or as the operator says. A name that the shards do not know either is forgotten after a
// while, so that a module that is loaded later is found.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "command/operator_rows.h"
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
  // Only what was learned, or the operator said.
  const Command* Known(Bytes name) const;
  // Takes the operator's rows, in place of those before. They live as long as the table.
  void Take(std::shared_ptr<const OperatorCommands> rows);
  // The operator's, but for those that replace built-in ones.
  std::vector<const Command*> Added() const;
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
  const Command* OfOperator(Bytes lower) const;

  mutable std::mutex mutex_;
  std::shared_ptr<const OperatorCommands> operator_rows_;  // nullptr: none
  std::deque<std::unique_ptr<Learned>> learned_;
  std::map<std::string, const Command*, std::less<>> by_name_;  // lower case
  std::map<std::string, TimePoint, std::less<>> absent_;        // until when
};

}  // namespace ringmaster
