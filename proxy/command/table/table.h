// All commands, looked up by name in any case. Built once at start from the families' rows, shared
// by all workers; only the operator's rows come and go, in place of built-in ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "command/table/command_set.h"
#include "command/table/row.h"

namespace ringmaster {

// A row in the table.
struct Command {
  const Row* row = nullptr;
  uint32_t id = 0;        // dense, for metrics
  std::string full_name;  // "get", "client|setname"
  // What of the key specifications first, last and step can say, as in COMMAND's reply (and Redis's
  // populateCommandLegacyRangeSpec): last is relative to the end where it is negative.
  int first_key = 0;  // 0: none
  int last_key = 0;
  int key_step = 0;
  // The position of the command's only key, which every call that fits the arity has; 0: none, more
  // than one, or it may be missing.
  uint32_t single_key = 0;
  // That key alone says where a call goes: as it is, no script, without exceptions. What the warm
  // path asks.
  bool by_key_alone = false;
  // Its latency tells what clients feel of their shards (see CountsForClients).
  bool of_clients = true;
  const Command* parent = nullptr;
  std::vector<Command*> subcommands;
  uint32_t categories = 0;  // ACL's (command/table/categories.h)
  // No row of ours: users' rules know it by its name and categories, not by its number.
  bool learned = false;
  // Only a shard can tell what keys a call has and what it does to them.
  bool keys_said_by_shard = false;
  // The command that users' rules are asked for; nullptr: itself. Of an operator's row what it
  // replaces, or what shards know by its name, as soon as one said it.
  std::atomic<const Command*> rights = nullptr;

  const Command& judged() const {
    const Command* other = rights.load(std::memory_order_acquire);
    return other != nullptr ? *other : *this;
  }
  bool Is(RowFlag flag) const { return (row->flags & flag) != 0; }
  bool ArityFits(size_t args) const { return Fits(row->arity, args); }
  static bool Fits(int arity, size_t args) {
    const auto count = static_cast<int64_t>(args);
    return arity >= 0 ? count == arity : count >= -arity;
  }
};

// What of the key specifications first, last, step and single_key can say, and what follows of
// them. REQUIRES: they are 0.
void DeriveKeySpan(Command& command);

// Not what operators ask (@admin, @dangerous, PROXY), what the proxy answers itself, and what waits
// for others by its nature.
bool CountsForClients(const Row& row);

struct OperatorCommand;

class CommandTable {
 public:
  explicit CommandTable(const CommandSet& commands);
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // The command that args[0] names (and args[1], where it has subcommands); nullptr when there is
  // none. Does not look at the arity. A container command called without a known subcommand gives
  // the container itself. REQUIRES: args is not empty.
  const Command* Find(std::span<const Bytes> args) const;
  // By full name ("client|setname"), any case.
  const Command* FindByName(Bytes full_name) const;

  // The same without the operator's rows.
  const Command* BuiltIn(Bytes full_name) const;
  // Puts the operator's rows in place of those they replace, and others back; keeps them for good,
  // because commands under way have them. One thread; who looks one up meanwhile gets the one or
  // the other.
  void Replace(std::shared_ptr<const std::vector<std::unique_ptr<OperatorCommand>>> rows);

  // The subcommand of a container that args name; else the command itself. REQUIRES: args is not
  // empty.
  static const Command* Subcommand(const Command& command, std::span<const Bytes> args);

  // All that are built in, containers and subcommands too, by id.
  const std::vector<std::unique_ptr<Command>>& all() const { return all_; }
  const DefaultRecipes& recipes() const { return recipes_; }
  size_t size() const { return all_.size(); }

 private:
  // A name's bytes with letters folded to lower case.
  struct Fold {
    uint64_t first = 0;
    uint64_t last = 0;
    size_t size = 0;
    bool operator==(const Fold&) const = default;
  };
  struct Place {
    Fold fold;
    std::atomic<const Command*> command = nullptr;
    const Command* built_in = nullptr;
    bool told_by_fold = false;  // no other name has this fold
  };
  static Fold FoldOf(Bytes name);
  size_t PlaceOf(const Fold& fold) const;
  Command* Add(const Row& row, Command* parent);
  const Place* Lookup(Bytes name) const;

  const DefaultRecipes recipes_;
  std::vector<std::unique_ptr<Command>> all_;
  std::vector<Place> places_;  // open addressing by hash of the fold; commands, not subcommands
  std::vector<std::shared_ptr<const std::vector<std::unique_ptr<OperatorCommand>>>> replacing_;
};

}  // namespace ringmaster
