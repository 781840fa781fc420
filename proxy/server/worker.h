// One thread with its loop, its clients and its connections to the shards. Nothing of it is touched
// by another thread but its mailbox, its metrics and its client count.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/block.h"
#include "base/object_pool.h"
#include "command/table/table.h"
#include "config/config.h"
#include "coro/frame_pool.h"
#include "metrics/metrics.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/timer.h"
#include "server/departures.h"
#include "server/evener.h"
#include "session/session.h"

namespace ringmaster {

class PoolWorker;
class Server;

class Worker {
 public:
  Worker(Server& server, size_t index, const CommandTable& table);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  size_t index() const { return index_; }
  Mailbox& mailbox() { return mailbox_; }
  Loop& loop() { return loop_; }
  const WorkerMetrics& metrics() const { return metrics_; }
  // Clients given to this worker and not gone yet. Any thread.
  std::atomic<size_t>& clients() { return clients_; }

  // Before Start, or on the worker's thread.
  PoolWorker& AddPool(size_t pool);
  PoolWorker& pool(size_t pool) { return *pools_[pool]; }
  size_t pool_count() const { return pools_.size(); }

  void Start();
  void Join();
  // Of its thread. REQUIRES: it runs, and nobody joins it meanwhile.
  Duration ProcessorTime();
  // A client was turned away before any worker had it; counted here. One thread, the main one.
  void NoteRefused() { metrics_.refused.Add(); }
  // On its thread, or before Start.
  void SetSchedule(const ScheduleConfig& schedule);
  // When one of its interactive clients was last served. Any thread.
  TimePoint interactive_at() const {
    return TimePoint(TimePoint::duration(interactive_at_.load(std::memory_order_relaxed)));
  }

  // On its thread, for the evener: what each client cost since the last call; moves.
  CostReport TakeCosts();
  void Move(const std::vector<MoveOrder>& orders) { departures_.Begin(orders, loop_.Now()); }
  void MoveAll(size_t to);
  void NoteStayed() { metrics_.stayed.Add(); }

  // On its thread: lets clients finish what they asked, then ends; at once when `now`.
  void Drain(bool now);

 private:
  friend class PoolWorker;
  void Run();
  void EndOfTurn();
  void Tick();
  void TellOfInteractive();
  void EverySecond();
  void EndWhenDrained();
  void BeforeSleep();

  Server& server_;
  const size_t index_;
  const CommandTable& table_;
  Loop loop_;
  Mailbox mailbox_;
  Timer ticker_;
  WorkerMetrics metrics_;
  std::atomic<size_t> clients_{0};
  BlockPool blocks_;
  FramePool frames_;
  ObjectPool<Request> requests_;
  Reaper reaper_;
  BlockRef read_block_;
  IntrusiveList<Connection> connections_to_flush_;
  RoundRobin<Session> line_;
  WindowGroup windows_;
  TransferGate<Session> gate_;
  std::atomic<TimePoint::rep> interactive_at_{
      TimePoint::min().time_since_epoch().count()};  // of windows_.latest()
  IntrusiveList<Session, FlushTag> sessions_to_flush_;
  IntrusiveList<Session, StalledTag> stalled_;
  std::vector<std::unique_ptr<PoolWorker>> pools_;
  Departures departures_;
  TimePoint may_ask_at_{};  // for somebody else's client
  int ticks_ = 0;
  bool draining_ = false;
  std::thread thread_;
};

}  // namespace ringmaster
