// The sagas under way on one worker and pool: carries out what the state machine (saga/saga.h)
// wants done, over fenced connections and through the journal.
//
// Owner: a PoolWorker, on its thread, which outlives it by nothing: what is under way when it goes
// is found by the next process, as after a kill.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "backend/fenced_connection.h"
#include "coro/completion.h"
#include "coro/task.h"
#include "coro/task_set.h"
#include "lock/lock_service.h"
#include "route/router.h"
#include "saga/cleanup.h"
#include "saga/journal.h"
#include "saga/saga.h"
#include "saga/saga_record.h"
#include "saga/scripts.h"

namespace ringmaster {

class RecoveringSagas;

// What a saga says to its shards, beside its plan.
class SagaWork {
 public:
  virtual ~SagaWork() = default;
  // Appends the request of a kScript step. False: there is nothing to do, it counts as done.
  virtual bool AppendStep(std::string& out, const SagaPlan& plan, size_t step, ScriptForm form) = 0;
  // The first request of a kScript step, when it can do without a script: appends it and says how
  // many replies it brings. 0: it cannot.
  virtual size_t AppendNativeStep(std::string&, const SagaPlan&, size_t /*step*/) { return 0; }
  virtual StepAnswer ReadNativeStep(Bytes /*replies*/, const SagaStep&) { return {}; }
  virtual void OnAnswer(size_t /*step*/, const StepAnswer& /*answer*/) {}
  // The protocol version that executions speak.
  virtual int resp() const { return 2; }
  // The connection that a kExecute step has to go over, once; nullptr: any.
  virtual std::unique_ptr<FencedConnection> TakeConnection(size_t /*step*/) { return nullptr; }
  // It is being undone: what waits in Execute for other steps need not wait any more.
  virtual void GiveUp() {}
  // Runs a kExecute step over a connection of its own.
  virtual Task<StepOutcome> Execute(const SagaPlan& plan, size_t step,
                                    FencedConnection& connection);
};

// What the sagas of a pool share. Any thread.
struct SagaPool {
  explicit SagaPool(LockService& the_locks) : locks(the_locks) {}

  LockService& locks;
  SagaJournal* journal = nullptr;  // nullptr: nothing survives a crash
  std::string connection_name;
  std::string
      family_name;       // what connections of this proxy's lives begin with; empty: nobody knows
  std::string own_name;  // and those of this life
  std::function<SagaId()> next_id;  // any thread
  SagaFigures figures;
  SagaLimits limits;
};

class SagaSet {
 public:
  using Post = std::function<void(std::function<void()>)>;  // to this thread, from any

  using Now = std::function<TimePoint()>;  // the loop's

  SagaSet(SagaPool& pool, BackendContext& context, Router& router, Post post, Now now);
  ~SagaSet();
  SagaSet(const SagaSet&) = delete;
  SagaSet& operator=(const SagaSet&) = delete;

  SagaPool& pool() { return pool_; }
  // The run id of the server behind the shard; empty when it cannot be reached.
  Task<std::string> RunIdOf(uint32_t shard, int database);
  // The same at once, when it is known; or nullptr.
  const std::string* KnownRunId(uint32_t shard, int database);
  // Runs it, under locks that are released when it allows it. The result is the client's; the saga
  // goes on behind it. `patience`: see SagaLimits.
  Task<SagaResult> Run(SagaPlan plan, std::shared_ptr<SagaWork> work, LockTicket ticket,
                       std::optional<Duration> patience = std::nullopt);

  // A connection for whoever needs one to himself; he gives it back. nullptr: there is no such
  // shard.
  std::unique_ptr<FencedConnection> Lend(const std::string& shard, int database, int resp);
  // What is under way over it ends as by a loss.
  void Return(std::unique_ptr<FencedConnection> connection);
  // False when the set is gone.
  const std::shared_ptr<bool>& alive() const { return alive_; }

  // Takes up what a former process left open. `opened` runs when the listeners may open. Once.
  void Recover(std::vector<OpenSaga> open, std::function<void()> opened);

  // At the end of each turn: what it brought for the journal goes there together.
  void EndTurn() {
    if (!records_.empty()) [[unlikely]]
      WriteRecords();
  }
  void Tick(TimePoint now);
  // For good: what is under way is left as it is, as by a kill; the next process finds it.
  void Close();
  // Sagas that may still send something.
  size_t running() const;
  // None of those that began until then.
  bool SettledUpTo(TimePoint time);
  // Committed ones may have left something on the shards.
  bool unswept() const { return unswept_ > 0; }
  // None of those that were committed until then has.
  bool SweptUpTo(TimePoint time);
  // Those that are open, or the last that were undone or recovered.
  void Describe(TimePoint now, bool recent, std::vector<SagaRecord>& out) const;
  // The operator's orders; what came of it, or an error.
  Result<std::string> Order(SagaId id, const SagaOrder& order);

 private:
  class Running;
  friend class RecoveringSagas;

  FencedConnection* Shared(const std::string& shard, int database);
  std::unique_ptr<FencedConnection> Open(uint32_t shard, int database, int resp);
  std::vector<FencedConnection*> Connections() const;
  void OnLost(const std::string& shard);
  void OnRunId(const std::string& shard, const std::string& run_id);
  void After(Duration delay, std::function<void()> then);
  void Spawn(Task<void> task) { tasks_.Add(std::move(task)); }
  // For recovery.
  void Adopt(Saga& saga, size_t index, RecoveringSagas& recovery,
             const std::vector<std::string>& notes);
  void CarryOut(SagaId id, SagaAction action);
  FencedConnection* Reach(const std::string& shard, const std::string& address);
  Running* Find(SagaId id);
  void SweepLater(FencedConnection& connection, const SagaPlan& plan, size_t step, Bytes had);
  void SweepWith(FencedConnection& connection);
  void SweepAll();
  Task<void> Reopen(FencedConnection& connection);
  void WriteRecords();
  void OnRecordsWritten(const std::vector<std::pair<SagaId, JournalBatch::Kind>>& asked, bool ok);

  SagaPool& pool_;
  BackendContext& context_;
  Router& router_;
  const Post post_;
  const Now now_;
  std::map<std::pair<const ShardLink*, int>, std::unique_ptr<FencedConnection>> shared_;
  std::vector<std::unique_ptr<FencedConnection>> spare_;
  std::unordered_set<FencedConnection*> lent_;
  // Given back and of no use, until nobody can be in the middle of them.
  std::vector<std::unique_ptr<FencedConnection>> given_up_;
  std::map<std::string, std::string> run_ids_;  // last seen, by shard
  std::unordered_map<SagaId, std::unique_ptr<Running>> sagas_;
  std::vector<std::unique_ptr<Running>> finished_;  // freed at the next tick
  std::multimap<TimePoint, std::function<void()>> timers_;
  std::unique_ptr<RecoveringSagas> recovering_;
  std::deque<SagaRecord> recent_;
  std::map<FencedConnection*, std::unique_ptr<Sweep>> sweeps_;  // of those in shared_
  size_t unswept_ = 0;
  JournalBatch records_;  // of this turn
  // Whose BEGIN and COMMIT are among them, to be told when they are durable.
  std::vector<std::pair<SagaId, JournalBatch::Kind>> asked_;
  bool closed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  TaskSet tasks_;
};

}  // namespace ringmaster
