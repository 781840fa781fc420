// All workers of the process, and what goes to every one of them: visits, messages, clients on
// their way from one to another. With the pools that they serve, and who spreads the clients.
//
// Owner: the server. On the main thread, except where it says "any thread".
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "metrics/metrics.h"
#include "worker/balancer.h"
#include "worker/colleagues.h"
#include "worker/options.h"
#include "worker/pool.h"
#include "worker/services.h"
#include "worker/worker.h"

namespace ringmaster {

class WorkerGroup final : private Colleagues {
 public:
  // `main`: the loop of the thread that owns it, with its mailbox. What it borrows outlives it.
  WorkerGroup(size_t workers, const CommandTable& table, const TurnOptions& turns, Loop& main,
              Mailbox& mailbox, const WorkerServices& services);
  // REQUIRES: Stop ran, if Start did.
  ~WorkerGroup();
  WorkerGroup(const WorkerGroup&) = delete;
  WorkerGroup& operator=(const WorkerGroup&) = delete;

  // Before Start: a pool that is still to be filled, the next by number; then what its workers
  // begin with.
  Pool& AddPool();
  void Serve(size_t pool, const PoolSettings& settings, const PoolRoute& route);
  Pool& pool(size_t pool) { return *pools_[pool]; }
  const Pool& pool(size_t pool) const { return *pools_[pool]; }
  void Start();

  // Takes over a connected socket: a client of the pool, or one too many, which is told so.
  void Accept(int fd, size_t pool, const std::shared_ptr<TlsContext>& tls);
  // Runs on every worker's thread; what a client that migrates meets, it meets there too.
  void Post(size_t pool, const std::function<void(PoolWorker&)>& message);
  void SetTurns(const TurnOptions& turns);
  void SetBalance(const BalanceOptions& options) { balancer_.Configure(options); }

  // Clients get their replies, or are closed at once when `now`; then the workers end. Nobody
  // migrates from here on.
  void Drain(bool now);
  // Waits for their threads. Any one thread, at a time.
  void Join();
  // Ends what has not ended: Drains at once and Joins.
  void Stop();

  size_t size() const { return workers_.size(); }
  Worker& worker(size_t index) { return *workers_[index]; }
  std::span<const std::unique_ptr<Worker>> workers() const { return workers_; }
  // How many clients it takes.
  uint32_t most_clients() const { return services_.clients.most(); }
  // Sums over all workers, any thread: clients; requests under way; how long clients' commands took
  // so far (WorkerMetrics::latencies[1]); and of the busiest the share of its time that it was not
  // asleep.
  size_t clients() const;
  size_t requests() const;
  HistogramSnapshot latency() const;
  double busiest() const;

 private:
  // Colleagues.
  void AskForClient(size_t thief) override;
  TimePoint InteractiveElsewhere(size_t worker) const override;
  bool HandOver(const MigrationOrder& order, size_t pool, const Release& release) override;
  void NoteStayed(uint64_t client) override;
  void VisitPool(size_t pool, size_t asking, const Proxy::Visit& visit,
                 std::function<void(std::vector<std::string>)> done) override;

  void EndVisit();
  Worker& LeastLoaded();
  void TurnAway(int fd, bool plain, const std::string& why);
  LockService::Post PostToLocks(size_t pool);

  const CommandTable& table_;
  Mailbox& mailbox_;
  const WorkerServices services_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Balancer balancer_;
  Mutex migrations_;
  size_t visits_ RM_GUARDED_BY(migrations_) = 0;  // of all workers, under way
  bool stopping_ RM_GUARDED_BY(migrations_) = false;
  size_t next_worker_ = 0;
  uint64_t next_client_ = 1;
};

}  // namespace ringmaster
