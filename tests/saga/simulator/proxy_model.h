// One process of the proxy around the saga cores: two workers that lock and park, connections, and
// a journal that outlives it. What it does with the cores' actions is what the real one does.
#pragma once

#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lock/key_locks.h"
#include "saga/recovery.h"
#include "saga/simulator/network.h"
#include "saga/simulator/world.h"

namespace ringmaster::sim {

inline constexpr size_t kWorkers = 2;
inline constexpr int kSagaSlot = 100;  // below: workers; above: executions

// What is durable, and what is on its way there.
class JournalModel {
 public:
  enum class Kind { kBegin, kCommit, kPoison, kEnd };
  struct Record {
    Kind kind;
    SagaId saga;
    SagaPlan plan = {};
    size_t step = 0;
  };

  explicit JournalModel(Clock& clock) : clock_(clock) {}
  void Submit(Record record, std::function<void(bool)> done);
  // kill -9: some of what was on its way arrived, in order, and nobody hears of it.
  void Kill();
  std::vector<OpenSaga> Load() const;
  bool decided(SagaId saga) const { return committing_.contains(saga); }
  bool failing = false;

 private:
  struct Waiting {
    Record record;
    std::function<void(bool)> done;
  };
  Clock& clock_;
  std::vector<Record> durable_;
  std::deque<Waiting> waiting_;
  std::set<SagaId> committing_;
  uint64_t generation_ = 0;
};

// What all processes and the nemesis share.
struct Stage {
  explicit Stage(uint64_t seed) : clock(seed), journal(clock) {}

  Clock clock;
  Options options;
  Figures figures;
  std::vector<std::unique_ptr<ModelShard>> shards;
  std::vector<Link> links;
  std::vector<std::weak_ptr<Connection>> connections;
  JournalModel journal;
  std::string violation;
  bool outside_writes = false;  // somebody wrote to a shard directly: conflicts may be
  std::set<SagaId> poisoned;
  // Sagas that were executed beside copies that were not what their owners had any more.
  std::map<SagaId, std::string> stale;
  // A step took effect; the nemesis may have waited for it.
  std::function<void(size_t shard)> on_step;

  // A line of the trace; the text is only made when somebody reads it.
  template <typename Text>
  void Tell(Text text) {
    if (!options.trace) return;
    std::printf("%10.3f %s\n", std::chrono::duration<double, std::milli>(clock.now()).count(),
                std::string(text()).c_str());
  }
  void Blame(const std::string& what) {
    if (violation.empty()) violation = what;
  }
  size_t ShardOf(const std::string& key) const {
    return static_cast<size_t>(key[1] - '0') % shards.size();
  }
  size_t ShardNamed(const std::string& name) const { return static_cast<size_t>(name[1] - '0'); }
};

// What is asked for: the plan, and what each step writes to its keys.
struct SagaOrder {
  SagaPlan plan;
  std::vector<std::vector<Value>> values;
  // Locks of the try before this one; 0: none.
  LockTicket ticket = 0;
  // What the try before had fetched, for who makes that mistake.
  FetchedKeys old = {};
};

class ProxyModel : public std::enable_shared_from_this<ProxyModel> {
 public:
  enum class Said { kOk, kNotApplied, kUncertain };
  using PlainDone = std::function<void(Said, Value)>;
  using SagaDone = std::function<void(const SagaResult&)>;

  ProxyModel(Stage& stage, uint64_t incarnation);
  void Start();
  void Kill();
  bool serving() const { return serving_ && !dead_; }
  bool idle() const;
  std::string Describe() const;

  // A read when `value` is nothing.
  void Plain(size_t worker, const std::string& key, Value value, PlainDone done);
  void Run(SagaOrder order, SagaDone done);
  SagaId NextId() { return MakeSagaId(incarnation_, ++last_saga_); }
  // The locks of a saga that was interfered with and is not tried again.
  void GiveBack(LockTicket ticket);
  // What the saga had fetched.
  FetchedKeys FetchedBy(SagaId id) const;
  const std::string& run_id(size_t shard) const { return run_ids_[shard]; }
  // The nemesis says that a server went away, at once.
  void LoseShard(size_t shard);

 private:
  using ConnectionPtr = std::shared_ptr<Connection>;
  using Got = std::function<void(ConnectionPtr)>;
  struct HeldCall {
    std::string key;
    Value value;
    PlainDone done;
  };
  struct WorkerModel {
    std::map<std::string, std::set<LockTicket>> locked;
    std::deque<HeldCall> parked;
    std::map<std::string, int> in_flight;
    std::map<size_t, std::set<std::string>> unfenced;  // by shard: keys of lost commands
    std::vector<std::pair<LockTicket, std::vector<LockKey>>> draining;
    Duration mailbox{};
  };
  struct Running {
    Saga saga;
    std::vector<std::vector<Value>> values = {};
    SagaDone done = {};
    LockTicket ticket = 0;
    size_t recovery_index = SIZE_MAX;
    std::vector<std::pair<size_t, int>> executions = {};  // connections kept until the end
    std::set<size_t> sent = {};                           // steps of which one attempt was sent
    struct Watch {
      ConnectionPtr connection;
      FetchedKeys keys;
    };
    std::map<size_t, Watch> watches = {};  // by shard that foreign keys were fetched from
    size_t fetching = 0;
    FetchedKeys old = {};
  };

  void Later(Duration delay, std::function<void(ProxyModel&)> what);
  void Connect(size_t shard, int slot, Got got);
  void WithConnection(size_t shard, int slot, Got got);
  void Lost(size_t shard, int slot);

  void SendPlain(size_t worker, HeldCall command);
  void Post(size_t worker, std::function<void(ProxyModel&)> what);
  void TryAcks(size_t worker);
  void Release(size_t worker);
  void Locks(std::vector<LockAction> actions);

  void Carry(SagaId id, SagaActions actions);
  void Do(SagaId id, const SagaAction& action);
  void Event(SagaId id, std::function<void(Saga&, SagaActions&)> what);
  void Lock(SagaId id);
  void Unlock(Running& running, const SagaAction& action);
  void SendStep(SagaId id, size_t step);
  void SendExecution(SagaId id, size_t step);
  void Locked(SagaId id);
  void Fetch(SagaId id, size_t shard, std::vector<std::string> keys);
  void Fetched(SagaId id, bool all);
  void SendHome(SagaId id, size_t step);
  void SendUndo(SagaId id, const SagaAction& action);
  void Recover(RecoveryActions actions);
  Saga& SagaOf(Running& running);

  Stage& stage_;
  const uint64_t incarnation_;
  bool dead_ = false;
  bool serving_ = false;
  uint64_t last_saga_ = 0;
  int last_slot_ = kSagaSlot;
  KeyLocks locks_{kWorkers};
  std::map<LockTicket, SagaId> owners_;
  std::vector<WorkerModel> workers_{kWorkers};
  std::map<std::pair<size_t, int>, ConnectionPtr> connections_;
  std::map<std::pair<size_t, int>, std::vector<Got>> connecting_;
  std::vector<std::string> run_ids_;
  std::map<SagaId, Running> sagas_;
  std::unique_ptr<Recovery> recovery_;
};

}  // namespace ringmaster::sim
