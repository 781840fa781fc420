// The process as a whole, on the main thread: listens and hands clients to the workers, reloads the
// configuration, stops in order.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "base/mutex.h"
#include "command/call/proxy.h"
#include "command/push/push_counts.h"
#include "command/rows/all_rows.h"
#include "command/table/table.h"
#include "lock/lock_service.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/signal.h"
#include "net/timer.h"
#include "route/router.h"
#include "saga/journal.h"
#include "saga/saga_set.h"
#include "server/compile.h"
#include "server/evener.h"
#include "server/jobs.h"
#include "server/listeners.h"
#include "server/observer.h"
#include "server/pool_state.h"
#include "server/rebalancer.h"
#include "server/watchdog.h"
#include "server/worker.h"
#include "storage/database.h"

namespace ringmaster {

class PoolWorker;

class Server {
 public:
  // `config_file` may be empty (the demo): then there is nothing to reload.
  static Result<std::unique_ptr<Server>> Create(ConfigFile file, std::string config_file);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until a signal stops it.
  void Run();

  // For workers. Any thread.
  void VisitWorkers(size_t pool, size_t asking, const Proxy::Visit& visit,
                    std::function<void(std::vector<std::string>)> done);
  void ReloadFor(size_t worker, uint64_t asker, std::function<void(Result<std::string>)> done);
  // What PROXY SAGAS JOURNAL says; `done` runs on the worker.
  void JournalFor(size_t worker, bool verify, std::function<void(Result<std::string>)> done);
  // The last time an interactive client of any worker but this was served.
  TimePoint InteractiveElsewhere(size_t worker) const;
  // How long clients' commands took so far, and how busy workers are; while the server lives.
  HistogramSnapshot ClientLatency() const;
  ClientFigures client_figures() const;
  // An order of PROXY REBALANCE; `done` runs on the worker.
  void RebalanceFor(size_t worker, size_t pool, std::vector<std::string> words,
                    std::function<void(Result<std::string>)> done);
  // Runs on every worker's thread; what a client that moves meets, it meets there too. Main thread.
  void PostToPool(size_t pool, const std::function<void(PoolWorker&)>& message);
  size_t configured_workers() const { return worker_count_; }
  size_t worker_count() const { return workers_.size(); }
  Worker& worker(size_t index) { return *workers_[index]; }
  Evener& evener() { return evener_; }
  Jobs& jobs() { return jobs_; }
  Mailbox& mailbox() { return mailbox_; }
  const std::string& run_id() const { return run_id_; }
  const std::string& config_file() const { return config_file_; }  // empty: there is none
  // How many clients the process has descriptors for. Any thread.
  static uint32_t possible_clients();
  // limits.clients, or what CONFIG SET made of it. Any thread.
  uint32_t max_clients() const { return max_clients_.load(std::memory_order_relaxed); }
  void SetMaxClients(uint32_t count) { max_clients_.store(count, std::memory_order_relaxed); }
  // Runs `move` while no visit to all workers is under way, so that each of those meets every
  // client exactly once and what is posted to all workers is there before a client that moves.
  // False: not now.
  template <typename Function>
  bool WhileNobodyIsVisited(Function&& move) {
    const MutexLock lock(moves_);
    if (visits_ > 0 || stopping_moves_) return false;
    move();
    return true;
  }
  // An ordered move did not happen.
  void NoteStayed(uint64_t client);
  // For the evener: `sample` 0 begins one, otherwise the worker reports. Main thread.
  void AskForCosts(size_t worker, uint64_t sample);
  void OrderMoves(size_t worker, std::vector<MoveOrder> orders);
  void OrderAllTo(size_t worker, size_t to);
  void AskForClient(size_t thief);
  std::unique_ptr<PoolWorker> MakePoolWorker(Worker& worker, size_t pool);
  PoolState& state(size_t pool) { return *pool_states_[pool]; }
  LockService& locks(size_t pool) { return *locks_[pool]; }
  SagaPool& sagas(size_t pool) { return *sagas_[pool]; }

 private:
  friend class Observer;  // reads what it shows
  // A configuration read again: compiled, and what the shards say about it.
  using Read = Result<std::pair<std::shared_ptr<const CompiledConfig>, std::vector<std::string>>>;
  // All parts of a reload, ready to be taken; dropped, they leave nothing changed.
  struct Prepared {
    std::shared_ptr<const CompiledConfig> next;
    std::vector<std::shared_ptr<Rebalancer::Prepared>> rings;  // by pool
    PreparedLog log;
    Listeners::Prepared listeners;
  };

  explicit Server(std::string config_file);
  const Config& config() const { return compiled_->config(); }
  Status Start(ConfigFile file);
  void StartWatchdog();
  Status OpenState();
  Status Recover();
  std::string DescribeState() const;
  std::unique_ptr<LockService> MakeLocks(size_t pool);
  std::unique_ptr<SagaPool> MakeSagas(size_t pool);
  Result<Listeners::Prepared> PrepareListeners(const CompiledConfig& compiled);
  void CommitListeners(Listeners::Prepared prepared, const AdminConfig& admin);
  void CheckClientLimit() const;
  void TurnAway(int fd, bool plain, const std::string& why);
  void Accept(const Door& door, int fd);
  Worker& LeastLoaded();
  void Reload(uint64_t asker, std::function<void(const Result<std::string>&)> done);
  Read ReadAgain() const;
  Result<Prepared> PrepareReload(std::shared_ptr<const CompiledConfig> next);
  Result<std::string> TakeReload(uint64_t asker, const Read& read);
  std::string Commit(uint64_t asker, Prepared prepared);
  ProxyFacts FactsOf(const PoolConfig& pool) const;
  void EndVisit();
  void SetBackgroundRule();
  void OnTerminate();
  void Stop(bool now);

  std::shared_ptr<const CompiledConfig> compiled_;  // the one that serves
  const std::string config_file_;
  const std::string run_id_;
  const TimePoint started_at_;
  size_t worker_count_ = 1;
  CommandTable table_{AllCommands()};
  std::vector<std::unique_ptr<PoolState>> pool_states_;  // by pool
  std::vector<std::unique_ptr<LockService>> locks_;      // by pool
  std::vector<std::unique_ptr<SagaPool>> sagas_;         // by pool
  Loop loop_;
  Mailbox mailbox_;
  std::vector<std::shared_ptr<PushCounts>> push_counts_;  // by pool
  std::unique_ptr<Database> state_;  // nullptr: there is none, for the reason beside it
  std::string why_no_state_;
  std::unique_ptr<SagaJournal> journal_;  // nullptr when state_ is
  std::atomic<uint64_t> last_saga_{0};    // without a journal
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<bool> workers_made_{false};  // movers of a move that goes on are there before them
  Listeners listeners_;
  std::vector<std::unique_ptr<SignalWatcher>> signals_;
  Timer drain_deadline_;
  Evener evener_;
  Jobs jobs_;
  std::vector<std::unique_ptr<Rebalancer>> rebalancers_;  // by pool
  Mutex moves_;
  size_t visits_ RM_GUARDED_BY(moves_) = 0;  // of all workers, under way
  bool stopping_moves_ RM_GUARDED_BY(moves_) = false;
  size_t next_worker_ = 0;
  uint64_t next_client_ = 1;
  std::atomic<uint32_t> max_clients_{0};
  uint64_t epoch_ = 1;
  uint64_t reloads_ = 0;
  uint64_t reloads_refused_ = 0;
  bool stopping_ = false;
  Observer observer_;
  Timer heartbeat_;  // so that the main loop turns, also while nothing happens
  Watchdog watchdog_;
  std::atomic<bool> stopping_errands_{false};
  Executor errands_;  // reloads, as far as they wait for files and shards
  // Waits for the workers, so that the main thread's loop still hears a second signal meanwhile.
  std::thread waiter_;
};

}  // namespace ringmaster
