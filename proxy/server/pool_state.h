// What all workers of one pool share and change while it runs. Each member is safe on any thread.
#pragma once

#include "command/access/access_control.h"
#include "command/call/slow_log.h"
#include "command/gate/pause.h"
#include "command/script/script_memory.h"
#include "command/table/learned_rows.h"

namespace ringmaster {

struct PoolState {
  explicit PoolState(const CommandTable& table) : modules(table), access(table, &modules) {}

  ModuleCommands modules;
  AccessControl access;
  SlowLog slow_log;
  ScriptMemory scripts;
  Pause pause;
};

}  // namespace ringmaster
