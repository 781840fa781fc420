// What all workers of one pool share and change while it runs. Each member is safe on any thread.
#pragma once

#include "command/access_control.h"
#include "command/modules.h"
#include "command/pause.h"
#include "command/script_memory.h"
#include "command/slow_log.h"

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
