// Commands that the rows do not know: of modules, or of a newer Redis. The shards are asked for
// one (COMMAND INFO) when a client first uses it or a user's rule first names it; from then on it
// is routed by the positions of its keys, or as the operator says, and users' rules see it like a
// built-in one: by its name, categories and keys. A name that the shards do not know either is
// forgotten after a while, so that a module that is loaded later is found.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "command/table/command_facts.h"
#include "command/table/newer_commands.h"
#include "command/table/operator_rows.h"
#include "command/table/table.h"

namespace ringmaster {

// One for all workers of a pool; any thread.
class ModuleCommands {
 public:
  explicit ModuleCommands(const CommandTable& table);
  ModuleCommands(const ModuleCommands&) = delete;
  ModuleCommands& operator=(const ModuleCommands&) = delete;

  // The command to serve a call by whose name the table does not know: a learned one, or the one
  // that asks the shards; nullptr: the shards do not know it. `restricted`: the client's user may
  // not do everything, so the shards are asked, too, for what its rules need to know. Commands live
  // as long as this object. REQUIRES: args is not empty.
  const Command* Find(std::span<const Bytes> args, TimePoint now, bool restricted) const;
  // Only what was learned, or the operator said. By full name ("name|subcommand"), any case.
  const Command* Known(Bytes full_name) const;
  // As Known(), by a call's arguments; a container when its subcommand is not known.
  const Command* KnownCall(std::span<const Bytes> args) const;
  // What the shards say of the name; nullptr: they have not yet.
  const Command* Learned(Bytes name) const;
  // Takes the operator's rows, in place of those before. They live as long as the table.
  void Take(std::shared_ptr<const OperatorCommands> rows);
  // The operator's, but for those that replace built-in ones.
  std::vector<const Command*> Added() const;
  // These, and the learned ones that they do not stand before, subcommands too.
  std::vector<const Command*> AddedAndLearned() const;
  // Takes a shard's reply to COMMAND INFO of the name. nullptr: it has no such command, or what it
  // says makes no sense.
  const Command* Learn(Bytes name, Bytes reply);
  // Takes what all shards said, in place of what they said before. Commands without a row are
  // learned, and stay; those that not all know are refused, unless the operator says how they are
  // served.
  void LearnAll(const AgreedCommands& agreed);
  // The arity by which calls are taken: the row's, or the one that all shards have.
  int ArityOf(const Command& command) const;
  // Of a call that does not fit the row: whether it fits the shards' arity. Not before LearnAll.
  bool FitsShards(const Command& command, size_t args) const;
  // No shard has such a command: none is asked again for a while.
  void Forget(Bytes name, TimePoint now);

 private:
  // A command with what its row points to.
  struct Entry {
    std::string name;
    std::string said;     // CommandFacts::said
    std::string lacking;  // the shard that does not know it; empty: all do, or nobody looked
    std::deque<std::string> words;
    Row row;
    Command command;
  };

  // The command of these facts, made when it is not there yet; nullptr: there are too many.
  Command* MadeOf(const CommandFacts& info, const std::string& lower, const std::string& lacking)
      RM_REQUIRES(mutex_);
  const Command* LearnOne(const CommandFacts& info, const std::string& lower,
                          const std::string& lacking) RM_REQUIRES(mutex_);
  Entry& Make(const CommandFacts& info, Bytes name, const std::string& lacking, Command* parent)
      RM_REQUIRES(mutex_);
  OperatorCommand* OfOperator(Bytes lower) const RM_REQUIRES(mutex_);
  const Command* LearnedAs(Bytes lower) const RM_REQUIRES(mutex_);

  const CommandTable& table_;
  const DefaultRecipes& recipes_;
  const Command* const asking_;
  mutable Mutex mutex_;
  std::shared_ptr<const OperatorCommands> operator_rows_ RM_GUARDED_BY(mutex_);  // nullptr: none
  std::deque<std::unique_ptr<Entry>> learned_ RM_GUARDED_BY(mutex_);
  // Lower case, without subcommands.
  std::map<std::string, Command*, std::less<>> by_name_ RM_GUARDED_BY(mutex_);
  std::map<const Command*, int> arities_ RM_GUARDED_BY(mutex_);  // of built-in commands
  std::map<std::string, TimePoint, std::less<>> absent_ RM_GUARDED_BY(mutex_);  // until when
};

// Whether a call has as many arguments as its command takes, by its row or by what all shards say.
// nullptr: nobody asks the shards.
inline bool ArityFits(const ModuleCommands* modules, const Command& command, size_t args) {
  if (command.ArityFits(args)) [[likely]]
    return true;
  return modules != nullptr && modules->FitsShards(command, args);
}

}  // namespace ringmaster
