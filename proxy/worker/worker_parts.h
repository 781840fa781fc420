// What a worker lends the pools that it serves.
//
// Owner: the Worker. On its thread, but for the mailbox, the metrics and the count of clients.
#pragma once

#include <atomic>
#include <cstddef>

#include "base/block.h"
#include "base/intrusive_list.h"
#include "base/object_pool.h"
#include "command/table/table.h"
#include "coro/frame_pool.h"
#include "metrics/metrics.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "session/session.h"
#include "worker/migrations.h"

namespace ringmaster {

struct WorkerParts {
  WorkerParts(size_t at, const CommandTable& commands)
      : index(at), table(commands), mailbox(loop), metrics(table.size()), reaper(requests) {}
  WorkerParts(const WorkerParts&) = delete;
  WorkerParts& operator=(const WorkerParts&) = delete;

  const size_t index;
  const CommandTable& table;
  Loop loop;
  Mailbox mailbox;
  WorkerMetrics metrics;
  // Given to this worker and not gone yet.
  std::atomic<size_t> clients{0};
  BlockPool blocks;
  FramePool frames;
  ObjectPool<Request> requests;
  Reaper reaper;
  BlockRef read_block;
  IntrusiveList<Connection> connections_to_flush;
  RoundRobin<Session> line;
  WindowGroup windows;
  BulkLimiter<Session> gate;
  IntrusiveList<Session, FlushTag> sessions_to_flush;
  IntrusiveList<Session, StalledTag> stalled;
  Migrations migrations;
  bool draining = false;
};

}  // namespace ringmaster
