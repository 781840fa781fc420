// Asks each shard what commands it has (COMMAND) when it is reached and whenever another server
// answers there, and tells the pool what all of them know. One that lacks what others know is asked
// again: a module may be loaded later.
//
// Owner: the first worker's part of a pool, on its thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backend/server_facts.h"
#include "base/clock.h"
#include "command/table/learned_rows.h"
#include "command/table/newer_commands.h"
#include "route/router.h"

namespace ringmaster {

class ShardTables {
 public:
  // All three outlive it; what is asked may be answered later still.
  ShardTables(Router& router, const CommandTable& table, ModuleCommands& modules);
  ~ShardTables();
  ShardTables(const ShardTables&) = delete;
  ShardTables& operator=(const ShardTables&) = delete;

  // Several times a second.
  void Tick(TimePoint now);

 private:
  struct Shard {
    std::shared_ptr<const ServerFacts> asked;  // of whom
    TimePoint again{};                         // not before
    bool under_way = false;
    bool news = false;
    bool lacks = false;                 // a command that others know
    std::optional<NewerCommands> said;  // nothing: it may not tell, or has not yet
  };

  bool Asks(const Shard& shard, const ShardLink& link, TimePoint now) const;
  void Ask(const std::shared_ptr<Shard>& shard, Backend& backend);
  void ForgetThoseThatLeft();
  void TellAll();

  Router& router_;
  const CommandTable& table_;
  ModuleCommands& modules_;
  std::map<std::string, std::shared_ptr<Shard>> shards_;
  uint64_t version_ = 0;  // of the router's shards when they last agreed
};

}  // namespace ringmaster
