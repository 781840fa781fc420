// All commands, looked up by name in any case. Built once at start from the families' rows;
// immutable, shared by all workers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "command/row.h"

namespace ringmaster {

// A row in the table.
struct Command {
  const Row* row = nullptr;
  uint32_t id = 0;        // dense, for metrics
  std::string full_name;  // "get", "client|setname"
  const Command* parent = nullptr;
  std::vector<const Command*> subcommands;

  bool Is(RowFlag flag) const { return (row->flags & flag) != 0; }
  bool ArityFits(size_t args) const {
    const auto count = static_cast<int64_t>(args);
    return row->arity >= 0 ? count == row->arity : count >= -row->arity;
  }
};

class CommandTable {
 public:
  CommandTable();
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // The command that args[0] names (and args[1], where it has subcommands); nullptr when there is
  // none. Does not look at the arity. A container command called without a known subcommand gives
  // the container itself. REQUIRES: args is not empty.
  const Command* Find(std::span<const Bytes> args) const;
  // By full name ("client|setname"), any case.
  const Command* FindByName(Bytes full_name) const;

  // All of them, containers and subcommands too, by id.
  const std::vector<std::unique_ptr<Command>>& all() const { return all_; }
  size_t size() const { return all_.size(); }

 private:
  struct Place {
    uint64_t hash = 0;
    const Command* command = nullptr;
  };
  void Add(std::span<const Row> family);
  const Command* Lookup(Bytes name) const;

  std::vector<std::unique_ptr<Command>> all_;
  std::vector<Place> places_;  // open addressing by hash of the lower-case name
};

}  // namespace ringmaster
