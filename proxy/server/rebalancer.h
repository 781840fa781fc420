// The ring of one pool and its changes: what serves now, where it shall go, and the move in
// between. Carries out what move/move_coordinator.h decides: the epoch log, the checks, the
// orders to the workers, the movers.
//
// Owner: the server, on the main thread; only Pull and the answers of others come from elsewhere.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "admin/overview.h"
#include "base/executor.h"
#include "control/rebalance/epoch_log.h"
#include "control/rebalance/move_checks.h"
#include "move/move_coordinator.h"
#include "move/mover.h"
#include "net/mailbox.h"
#include "net/timer.h"
#include "route/router.h"
#include "server/compile.h"
#include "server/snapshot.h"

namespace ringmaster {

class State;
class WorkerGroup;
struct ServerStatus;

class Rebalancer {
 public:
  // Of this pool, by its number. `main`, `mailbox`: of the main thread. Without a state database
  // owners cannot change. What it borrows outlives it, the workers up to Stop.
  Rebalancer(const ServerStatus& status, const State& state, WorkerGroup& workers, Loop& main,
             Mailbox& mailbox, size_t pool);
  ~Rebalancer();
  Rebalancer(const Rebalancer&) = delete;
  Rebalancer& operator=(const Rebalancer&) = delete;

  // How this process names its connections to shards. REQUIRES: Begin ran.
  ShardClientName NameOf(const std::string& what) const;
  // Before the workers serve the pool: the ring that serves, from the epoch log or else `config`'s.
  // A move that was cut short goes on.
  Status Begin(std::shared_ptr<const CompiledConfig> compiled);
  const std::shared_ptr<const RouteSnapshot>& snapshot() const { return snapshot_; }
  std::shared_ptr<MoverSet> movers() const { return movers_; }
  // The workers run: what the configuration asks for may begin.
  void Start();

  // A reload. Prepare says what is wrong with it and changes nothing; Use takes it, posts the new
  // snapshot to the workers and says what happens to the keys. It cannot fail. REQUIRES: nothing
  // happened since Prepare.
  struct Prepared;
  Result<std::shared_ptr<Prepared>> Prepare(std::shared_ptr<const CompiledConfig> next) const;
  std::string Use(Prepared& prepared);

  // PROXY REBALANCE.
  Result<std::string> Order(const std::vector<std::string>& words);
  // PROXY REBALANCE PLAN: what would move. `done` runs on the main thread, when a thread beside it
  // has read and planned.
  void Plan(const std::vector<std::string>& words, std::function<void(Result<std::string>)> done);
  // For operators: the same as figures.
  void Describe(RebalanceOverview& out) const;
  // For the shutdown: no mover works after it.
  void Stop();
  // Keys are on the move, or about to be.
  bool busy() const;
  // Those that have keys, also where the configuration does not have them any more.
  std::vector<ShardConfig> shards() const {
    return move_ != nullptr ? ShardsOf(*move_, ring_.pool, next_.pool) : ring_.pool.shards;
  }

 private:
  // A ring as the epoch log keeps it.
  struct Ring {
    uint64_t epoch = 0;
    PoolConfig pool;  // its ring and shards; nothing else of it counts
  };
  using Actions = MoveCoordinator::Actions;

  static std::string DigestOf(const PoolConfig& pool);
  void TellOfMissing() const;
  std::string WorkersName() const;
  LinkOptions Links() const;
  ShardTarget TargetOf(const ShardConfig& shard) const;
  RingMark MarkOf(const Ring& ring, const Ring* next) const;
  MoveCheckOptions CheckOptions() const;
  void MarkShards();
  std::string Write(const PoolConfig& pool) const;
  Result<PoolConfig> Read(const std::string& text) const;
  const Config& config() const { return compiled_->config(); }
  const PoolConfig& Wanted() const { return config().pools[pool_]; }
  static std::vector<ShardConfig> ShardsOf(const RingMove& move, const PoolConfig& from,
                                           const PoolConfig& to);
  Result<std::shared_ptr<const RouteSnapshot>> SnapshotOf(const Ring& ring, const Ring& next,
                                                          const CompiledConfig& compiled) const;
  Status MakeCurrent();
  void KeepLoginsOfLeaving();
  void PostSnapshot();
  void Consider();
  void RetryLater(const std::string& why);
  void CarryOut(const Actions& actions);
  void Do(MoveCoordinator::Action action);
  void WriteRing(EpochLog::State state, const Ring& ring,
                 void (MoveCoordinator::*answer)(bool, Actions&));
  void Answer(void (MoveCoordinator::*answer)(bool, Actions&), bool ok);
  void WriteSettled();
  void PostSwitch();
  void PostSettle();
  void CheckShards();
  void EndPrepare(uint64_t attempt, const Status& result);
  void PostFreeze();
  void MakeMovers();
  void HaltMovers();
  void RetireMovers();
  std::string StatusText() const;
  const char* StateName() const;
  struct PlanRequest {
    TopologySpec from;
    uint64_t epoch;
    std::string pool;
    std::optional<std::string> text;  // of a configuration; none: what is in the file
    std::string folder;
    std::string file;
  };
  static Result<std::string> PlanFor(const PlanRequest& request);  // any thread
  Result<std::string> Reverse();
  Result<std::string> Abandon(const std::vector<std::string>& words);
  Result<std::string> GiveUp(const std::string& shard);
  Result<std::string> Claim();
  void Post(std::function<void()> message);
  ClientFigures Clients() const;

  const ServerStatus& status_;
  WorkerGroup& workers_;
  Mailbox& mailbox_;
  const size_t pool_;
  Database* const database_;  // nullptr: there is none
  const std::string why_no_state_;
  std::unique_ptr<EpochLog> log_;
  std::string identity_;
  std::shared_ptr<const CompiledConfig> compiled_;  // the last one taken
  Ring ring_;                                  // in force; while keys move: where they come from
  Ring next_;                                  // while keys move: where they go
  std::shared_ptr<const RingMove> move_;       // in force; empty: none
  std::shared_ptr<const RingMove> next_move_;  // being planned, up to its barrier
  Ring next_from_;                             // of next_move_
  Ring next_to_;
  std::shared_ptr<const RouteSnapshot> snapshot_;
  MoveCoordinator coordinator_;
  std::vector<std::unique_ptr<MoverSet>> sets_;  // this move's, and those that workers still know
  std::shared_ptr<MoverSet> movers_;  // this move's; while anybody has it, it is in sets_
  MoverFigures retired_figures_;      // keys, bytes and pulls of all that were
  Executor executor_;
  Executor planner_;
  size_t plans_waiting_ = 0;
  uint64_t attempt_ = 0;  // tells answers of the checks apart
  Timer freeze_timer_;
  Timer retry_timer_;
  Timer settle_timer_;
  Duration retry_after_{};
  std::string refused_;             // why the last attempt came to nothing
  std::string other_proxy_;         // who else works with the shards
  bool claim_ = false;              // told that whoever left marks there is gone
  std::set<std::string> given_up_;  // shards whose keys the operator gave up before they moved
  bool abandoned_ = false;
  bool stopping_ = false;
  TimePoint moving_since_{};
  TimePoint frozen_at_{};
  Duration last_freeze_{};
  Duration longest_freeze_{};
  uint64_t freezes_ = 0;
  uint64_t moves_ = 0;        // that ended
  std::string last_moved_;    // what came of the last move
  std::string safe_to_stop_;  // shards that left
};

}  // namespace ringmaster
