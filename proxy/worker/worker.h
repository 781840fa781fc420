// One thread with its loop, its clients and its connections to the shards. Nothing of it is touched
// by another thread but its mailbox, its metrics and its client count.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "net/timer.h"
#include "worker/options.h"
#include "worker/pool_worker.h"

namespace ringmaster {

// What one worker's clients cost during a sample, in commands.
struct CostReport {
  struct Client {
    uint64_t id = 0;
    uint32_t cost = 0;
    bool stays = false;
  };
  uint64_t sample = 0;
  std::vector<Client> clients;  // the costliest, without those that cost nothing
  uint64_t total = 0;           // of all
};

class Worker {
 public:
  // What it borrows outlives it.
  Worker(size_t index, const CommandTable& table, const TurnOptions& turns, Colleagues& colleagues,
         const WorkerServices& services);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  size_t index() const { return parts_.index; }
  Mailbox& mailbox() { return parts_.mailbox; }
  Loop& loop() { return parts_.loop; }
  const WorkerMetrics& metrics() const { return parts_.metrics; }
  // Clients given to this worker and not gone yet. Any thread.
  std::atomic<size_t>& clients() { return parts_.clients; }
  const std::atomic<size_t>& clients() const { return parts_.clients; }

  // Before Start: it serves this pool, too, the next by number.
  void AddPool(Pool& pool, PoolSettings settings, PoolRoute route);
  // On its thread, but for what WorkerView lets others read. REQUIRES: it was added.
  PoolWorker& pool(size_t pool) { return *pools_[pool]; }

  void Start();
  void Join();
  // Of its thread. REQUIRES: it runs, and nobody joins it meanwhile.
  Duration ProcessorTime();
  // A client was turned away before any worker had it; counted here. One thread, the main one.
  void NoteRefused() { parts_.metrics.refused.Add(); }
  // When one of its interactive clients was last served. Any thread.
  TimePoint interactive_at() const {
    return TimePoint(TimePoint::duration(interactive_at_.load(std::memory_order_relaxed)));
  }

  // On its thread, as all below.
  void SetTurns(const TurnOptions& turns);
  // For the balancer: what each client cost since the last call; who is to go.
  CostReport TakeCosts();
  void Migrate(const std::vector<MigrationOrder>& orders);
  void MigrateAll(size_t to);
  // Lets clients finish what they asked, then ends; at once when `now`.
  void Drain(bool now);

 private:
  void Run();
  void EndOfTurn();
  void SettleMigrations();
  void NoteStayed(uint64_t client);
  void Tick();
  void TellOfInteractive();
  void EverySecond();
  void EndWhenDrained();
  void BeforeSleep();

  Colleagues& colleagues_;
  const WorkerServices& services_;
  WorkerParts parts_;
  Timer ticker_;
  std::atomic<TimePoint::rep> interactive_at_{
      TimePoint::min().time_since_epoch().count()};  // of parts_.windows.latest()
  std::vector<std::unique_ptr<PoolWorker>> pools_;
  TimePoint may_ask_at_{};  // for somebody else's client
  int ticks_ = 0;
  std::thread thread_;
};

}  // namespace ringmaster
