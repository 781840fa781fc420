// What all workers of one pool share and change while it runs. Each member is safe on any thread.
//
// Owner: the WorkerGroup, for longer than its workers.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "command/access/access_control.h"
#include "command/call/slow_log.h"
#include "command/gate/pause.h"
#include "command/push/push_counts.h"
#include "command/script/script_memory.h"
#include "command/table/learned_rows.h"
#include "lock/lock_service.h"
#include "saga/saga_set.h"

namespace ringmaster {

struct Pool {
  Pool(const CommandTable& table, size_t workers, LockService::Post post)
      : modules(table), access(table, &modules), locks(workers, std::move(post)), sagas(locks) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  ModuleCommands modules;
  AccessControl access;
  SlowLog slow_log;
  ScriptMemory scripts;
  Pause pause;
  std::shared_ptr<PushCounts> push_counts = std::make_shared<PushCounts>();
  LockService locks;
  SagaPool sagas;
};

}  // namespace ringmaster
