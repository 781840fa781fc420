// One pool on one worker: its clients, its router, and what its commands see of the process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "command/call/call.h"
#include "command/call/proxy.h"
#include "command/call/slow_log.h"
#include "command/gate/lock_gate.h"
#include "command/gate/move_gate.h"
#include "command/multikey/mset_batches.h"
#include "command/push/push_hub.h"
#include "command/script/script_rights.h"
#include "command/serve/background.h"
#include "command/serve/recipe.h"
#include "command/serve/saga_rules.h"
#include "command/whole/shard_tables.h"
#include "net/timer.h"
#include "route/router.h"
#include "saga/saga_set.h"
#include "session/session.h"
#include "worker/colleagues.h"
#include "worker/key_puller.h"
#include "worker/pool.h"
#include "worker/services.h"
#include "worker/worker_parts.h"

namespace ringmaster {

// What the configuration says about a pool's workers; a reload brings another.
struct PoolSettings {
  ProxyFacts facts;
  SessionLimits limits;
  std::shared_ptr<const BackgroundClass> background;  // nullptr: no command
  std::shared_ptr<const SagaRules> saga_rules;        // nullptr: as built in
};

// How it reaches the shards at first.
struct PoolRoute {
  std::shared_ptr<const RouteSnapshot> snapshot;
  std::shared_ptr<MoverSet> movers;  // of its move; nullptr: no range moves
};

class PoolWorker final : public Proxy, public WorkerView {
 public:
  // `number` of `pool` among the process's. All but the last two outlive it.
  PoolWorker(WorkerParts& worker, Colleagues& colleagues, const WorkerServices& services,
             size_t number, Pool& pool, PoolSettings settings, PoolRoute route);
  ~PoolWorker();

  // All on the worker's thread.
  void AddClient(int fd, uint64_t id, const std::shared_ptr<TlsContext>& tls);
  // A client of another worker, which asked for it or not.
  void AddMoved(MovedClient& client, bool pulled);
  // Gives a client up to another worker. REQUIRES: it is quiet.
  std::shared_ptr<MovedClient> Release(Session& session);
  template <typename Function>
  void EachSession(Function&& visit) {
    for (Session* session = all_.front(); session != nullptr; session = all_.next(*session)) {
      visit(*session);
    }
  }
  void Configure(PoolSettings settings);
  void Use(std::shared_ptr<const RouteSnapshot> snapshot);
  // Closes at once whatever is connected to a server that is its shard's no more
  // (ShardPlace::Leave), and connects to where a shard is now for whoever waits.
  void CloseRevoked();
  // The orders of a move (command/gate/move_gate.h).
  void Freeze(std::shared_ptr<const RingMove> move, std::function<void()> drained);
  void Thaw() { moves_.Thaw(); }
  void Switch(std::shared_ptr<const RouteSnapshot> snapshot, std::shared_ptr<MoverSet> movers);
  void Settle(std::shared_ptr<const RouteSnapshot> snapshot);
  // Clients get their users as they are now; those of users that are gone are closed, the one
  // whose command asked for it after its reply.
  void RenewUsers(uint64_t asker);
  void Tick(TimePoint now);
  void CheckIdle(TimePoint now);
  void EndTurn() {
    locks_.EndTurn();
    sagas_.EndTurn();
    push_.EndTurn();
    puller_.EndTurn();
  }
  LockParticipant& lock_participant() { return locks_; }
  void FreeClosed();
  void Drain();
  void CloseClients();
  void CloseBackends(const std::string& why) {
    router_.Close(why);
    sagas_.Close();
    puller_.Close(why);
  }
  // Nothing is under way.
  bool idle() const { return all_.empty() && recipes_.running() == 0 && sagas_.running() == 0; }
  void ForgetTimers() { timers_.clear(); }

  // Proxy.
  const ProxyFacts& facts() const override { return settings_.facts; }
  TimePoint Now() override { return worker_.loop.Now(); }
  uint32_t max_clients() const override { return services_.clients.most(); }
  void SetMaxClients(uint32_t count) override { services_.clients.Set(count); }
  uint32_t possible_clients() const override { return ClientLimit::possible(); }
  AccessControl& access() override { return pool_.access; }
  SlowLog& slow_log() override { return pool_.slow_log; }
  Pause& pause() override { return pool_.pause; }
  void VisitWorkers(Visit visit, std::function<void(std::vector<std::string>)> done) override;
  void After(Duration delay, std::function<void()> then) override;
  void AwaitTurn(std::string name, Turn turn) override;
  void Jobs(JobOrder order, std::function<void(Result<std::vector<JobFigures>>)> done) override;
  void Pull(uint64_t epoch, uint32_t old_owner, int database, std::string key,
            Pulling pulling) override;
  void HoldTransfers(std::function<void(Result<TransferHold>)> done) override;
  void Rebalance(std::vector<std::string> words,
                 std::function<void(Result<std::string>)> done) override;
  void Reload(uint64_t asker, std::function<void(Result<std::string>)> done) override;
  void Journal(bool verify, std::function<void(Result<std::string>)> done) override;

  // WorkerView.
  size_t index() const override { return worker_.index; }
  void EachClient(const std::function<void(ClientView&)>& visit) override;
  const WorkerMetrics& metrics() const override { return worker_.metrics; }
  void ResetStatistics() override;
  void EndPause() override;
  void SetIdleTimeout(Duration timeout) override {
    settings_.limits.idle_timeout = settings_.facts.idle_timeout = timeout;
  }
  Router& router() override { return router_; }
  PushHub* push() override { return &push_; }
  SagaSet* sagas() override { return &sagas_; }

 private:
  void TakeSettings();
  void SendWaitersAgain();
  // `done` comes to this thread.
  template <typename Value>
  std::function<void(Result<Value>)> AtHome(std::function<void(Result<Value>)> done);
  // A timer of After(), kept until it has run.
  struct Delayed {
    Delayed(Loop& loop, std::function<void()> callback);
    std::function<void()> then;
    bool done = false;
    Timer timer;
  };

  WorkerParts& worker_;
  Colleagues& colleagues_;
  const WorkerServices& services_;
  const size_t number_;
  Pool& pool_;
  PoolSettings settings_;
  BackendContext backends_;
  Router router_;
  ShardTables shard_tables_;
  ScatterPool scatters_;
  RecipeSet recipes_;
  CommandContext commands_;
  PushHub push_;
  MoveGate moves_;
  LockGate locks_;
  SagaSet sagas_;
  MsetBatches mset_batches_;
  ScriptRights script_rights_{router_};
  KeyPuller puller_;
  Timer freeze_poll_;
  RecentRequests recent_;
  RequestParser parser_;
  RequestParser guests_;
  IntrusiveList<Session, ClosedTag> closed_;
  IntrusiveList<Session, AllTag> all_;
  SessionContext sessions_;
  std::vector<std::unique_ptr<Delayed>> timers_;
};

}  // namespace ringmaster
