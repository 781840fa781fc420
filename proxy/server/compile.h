// From a configuration file to what serves: everything that start, --test-config and a reload check
// is checked here and nowhere else, and what they need is made of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "command/access/access.h"
#include "command/serve/background.h"
#include "command/serve/saga_rules.h"
#include "command/table/operator_rows.h"
#include "command/table/table.h"
#include "config/config_file.h"
#include "net/tls.h"
#include "server/shard_tls.h"
#include "server/state_place.h"

namespace ringmaster {

// Immutable once made.
struct CompiledConfig {
  struct Pool {
    std::vector<std::shared_ptr<const AclUser>> users;    // empty: none are configured
    std::vector<std::shared_ptr<TlsContext>> listen_tls;  // by listener; nullptr: without
  };

  ConfigFile file;
  StatePlace state;
  std::shared_ptr<const OperatorCommands> commands;
  std::shared_ptr<const BackgroundClass> background;  // nullptr: no command
  std::shared_ptr<const SagaRules> saga_rules;
  ShardTls shard_tls;
  std::vector<Pool> pools;
  std::vector<std::string> notes;  // what is no mistake and still worth saying, with its place

  const Config& config() const { return file.config(); }
};

// Reads certificates and keys; changes nothing. The error holds every mistake, one
// "file:line:column: what is wrong and what to do" a line. What comes back must not outlive
// `table`, whose built-in commands count, not what an operator put in their place.
Result<std::shared_ptr<const CompiledConfig>> Compile(const CommandTable& table, ConfigFile file);

// Everything in `next` that cannot change while the process runs, likewise, with the reason.
Status CheckChange(const CompiledConfig& now, const CompiledConfig& next, size_t workers);

}  // namespace ringmaster
