// The process as a whole, on the main thread: starts and wires its parts, reloads the
// configuration, stops in order.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "command/rows/all_rows.h"
#include "command/table/table.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/signal.h"
#include "net/timer.h"
#include "server/compile.h"
#include "server/jobs.h"
#include "server/listeners.h"
#include "server/operations.h"
#include "server/overviews.h"
#include "server/primaries.h"
#include "server/rebalancer.h"
#include "server/shard_survey.h"
#include "server/state.h"
#include "server/status.h"
#include "server/watchdog.h"
#include "worker/client_limit.h"
#include "worker/worker_group.h"

namespace ringmaster {

class Server {
 public:
  // `config_file` may be empty (the demo): then there is nothing to reload.
  static Result<std::unique_ptr<Server>> Create(ConfigFile file, std::string config_file);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until a signal stops it.
  void Run();

 private:
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
  const CompiledConfig& compiled() const { return *status_.compiled; }
  const Config& config() const { return status_.config(); }
  Status Start(ConfigFile file);
  Status MakeWorkers();
  Status Recover();
  void StartWatchdog();
  Result<Listeners::Prepared> PrepareListeners(const CompiledConfig& compiled);
  void CommitListeners(Listeners::Prepared prepared, const AdminConfig& admin);
  void Reload(uint64_t asker, std::function<void(const Result<std::string>&)> done);
  KnownServers Serving() const;
  Read ReadAgain(const KnownServers& serving) const;
  Result<Prepared> PrepareReload(std::shared_ptr<const CompiledConfig> next);
  Result<std::string> TakeReload(uint64_t asker, const Read& read);
  std::string Commit(uint64_t asker, Prepared prepared);
  void SetBackgroundRule();
  void LogListeners() const;
  void OnTerminate();
  void Stop(bool now);

  ServerStatus status_;
  CommandTable table_{AllCommands()};
  Loop loop_;
  Mailbox mailbox_;
  State state_;
  ClientLimit client_limit_;
  Jobs jobs_;
  std::vector<std::unique_ptr<Rebalancer>> rebalancers_;  // by pool
  Operations operations_;
  std::unique_ptr<WorkerGroup> workers_;  // while it serves
  Listeners listeners_;
  std::vector<std::unique_ptr<SignalWatcher>> signals_;
  Primaries primaries_;
  Timer drain_deadline_;
  Timer heartbeat_;  // so that the main loop turns, also while nothing happens
  Watchdog watchdog_;
  std::unique_ptr<Overviews> overviews_;  // while it serves
  std::atomic<bool> stopping_errands_{false};
  Executor errands_;  // reloads, as far as they wait for files and shards
  // Waits for the workers, so that the main thread's loop still hears a second signal meanwhile.
  std::thread waiter_;
};

}  // namespace ringmaster
