#include "saga/simulator/proxy_model.h"

#include <algorithm>
#include <utility>

namespace ringmaster::sim {
namespace {

constexpr Duration kLockWait = std::chrono::milliseconds(500);

SagaLimits Limits(const Options& options) {
  SagaLimits limits;
  limits.timeout = std::chrono::milliseconds(600);
  limits.hold = std::chrono::milliseconds(1000);
  limits.retry_min = std::chrono::milliseconds(10);
  limits.retry_max = std::chrono::milliseconds(200);
  limits.bugs = options.bugs.saga;
  return limits;
}

std::vector<LockKey> KeysOf(const SagaPlan& plan) {
  std::vector<LockKey> keys;
  for (const SagaStep& step : plan.steps) {
    for (const StepKey& key : step.keys) keys.push_back({step.database, key.key});
    for (const std::string& copy : step.copies) keys.push_back({step.database, copy});
  }
  return keys;
}

}  // namespace

void JournalModel::Submit(Record record, std::function<void(bool)> done) {
  const bool fails = failing && clock_.Chance(60) && record.kind != Kind::kEnd;
  if (record.kind == Kind::kCommit && !fails) committing_.insert(record.saga);
  if (fails) {
    clock_.After(clock_.Around(0, 4), [done = std::move(done), this, generation = generation_] {
      if (generation == generation_) done(false);
    });
    return;
  }
  waiting_.push_back({std::move(record), std::move(done)});
  clock_.After(clock_.Around(0, 4), [this, generation = generation_] {
    if (generation != generation_ || waiting_.empty()) return;
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    durable_.push_back(std::move(first.record));
    clock_.After(clock_.Around(0, 1), [this, generation, done = std::move(first.done)] {
      if (generation == generation_) done(true);
    });
  });
}

void JournalModel::Kill() {
  ++generation_;
  size_t arrived = clock_.random.Below(waiting_.size() + 1);
  for (Waiting& each : waiting_) {
    if (arrived == 0) break;
    --arrived;
    durable_.push_back(std::move(each.record));
  }
  waiting_.clear();
}

std::vector<OpenSaga> JournalModel::Load() const {
  std::map<SagaId, OpenSaga> open;
  for (const Record& record : durable_) {
    if (record.kind == Kind::kBegin) open[record.saga].plan = record.plan;
    const auto found = open.find(record.saga);
    if (found == open.end()) continue;
    if (record.kind == Kind::kCommit) found->second.found = Saga::Found::kCommitted;
    if (record.kind == Kind::kPoison) {
      found->second.found = Saga::Found::kPoisoned;
      found->second.poisoned.push_back(record.step);
    }
    if (record.kind == Kind::kEnd) open.erase(found);
  }
  std::vector<OpenSaga> result;
  for (auto& [id, saga] : open) result.push_back(std::move(saga));
  return result;
}

ProxyModel::ProxyModel(Stage& stage, uint64_t incarnation)
    : stage_(stage), incarnation_(incarnation), run_ids_(stage.shards.size()) {}

void ProxyModel::Later(Duration delay, std::function<void(ProxyModel&)> what) {
  stage_.clock.After(delay, [self = shared_from_this(), what = std::move(what)] {
    if (!self->dead_) what(*self);
  });
}

void ProxyModel::Start() {
  // Before it serves it has talked to every shard that can be reached.
  std::vector<Recovery::Shard> shards;
  for (const auto& shard : stage_.shards) shards.push_back({shard->name(), "there"});
  std::vector<OpenSaga> open = stage_.journal.Load();
  stage_.figures.recovered += open.size();
  recovery_ = std::make_unique<Recovery>(open, shards, Limits(stage_.options));
  for (size_t i = 0; i < open.size(); ++i) {
    Running running{.saga = Saga(open[i].plan, Limits(stage_.options))};
    running.recovery_index = i;
    sagas_.emplace(open[i].plan.id, std::move(running));
  }
  RecoveryActions actions;
  recovery_->Start(actions);
  Recover(std::move(actions));
}

void ProxyModel::Kill() {
  dead_ = true;
  for (const auto& each : stage_.connections) {
    const auto connection = each.lock();
    if (connection && connection->process == incarnation_) connection->Abandon();
  }
  connections_.clear();
  connecting_.clear();
  stage_.journal.Kill();
}

bool ProxyModel::idle() const {
  if (!serving()) return false;
  for (const WorkerModel& worker : workers_) {
    if (!worker.parked.empty() || !worker.locked.empty() || !worker.draining.empty()) return false;
  }
  return locks_.locked_keys() == 0 && (recovery_ == nullptr || recovery_->done()) &&
         std::all_of(sagas_.begin(), sagas_.end(), [&](const auto& each) {
           return each.second.recovery_index != SIZE_MAX || each.second.saga.settled();
         });
}

std::string ProxyModel::Describe() const {
  std::string text = serving() ? "serving" : "not serving";
  text += ", " + std::to_string(locks_.locked_keys()) + " keys in locks";
  for (size_t w = 0; w < workers_.size(); ++w) {
    text += ", worker " + std::to_string(w) + ": " + std::to_string(workers_[w].parked.size()) +
            " parked, " + std::to_string(workers_[w].locked.size()) + " locked, " +
            std::to_string(workers_[w].draining.size()) + " draining";
  }
  for (const auto& [id, running] : sagas_) {
    const Saga& saga =
        running.recovery_index == SIZE_MAX ? running.saga : recovery_->saga(running.recovery_index);
    text += "; " + SagaName(id) + " " + saga.Describe();
  }
  return text;
}

// --- connections

void ProxyModel::Connect(size_t shard, int slot, Got got) {
  const std::pair<size_t, int> where{shard, slot};
  connecting_[where].push_back(std::move(got));
  if (connecting_[where].size() > 1) return;
  Later(stage_.clock.Around(0, 4), [shard, slot, where](ProxyModel& self) {
    ModelShard& server = *self.stage_.shards[shard];
    Link& link = self.stage_.links[shard];
    ConnectionPtr made;
    if (server.alive && !server.paused && !link.holds_requests && !link.holds_replies &&
        !link.refuses) {
      made = std::make_shared<Connection>(self.stage_.clock, server, link, self.incarnation_, slot);
      // The predecessor is fenced in the handshake, before anything else is sent.
      for (const auto& each : self.stage_.connections) {
        const auto old = each.lock();
        // And on the first connection of all, whatever former processes left.
        if (old && &old->shard() == &server && self.stage_.options.fences &&
            !self.stage_.options.bugs.skip_fence &&
            (old->process != self.incarnation_ || old->slot == slot)) {
          old->CloseAtShard();
        }
      }
      std::erase_if(self.stage_.connections, [](const auto& each) { return each.expired(); });
      self.stage_.connections.push_back(made);
      self.connections_[where] = made;
      made->on_loss = [weak = self.weak_from_this(), shard, slot] {
        const auto owner = weak.lock();
        if (owner && !owner->dead_) owner->Lost(shard, slot);
      };
      if (slot < kSagaSlot) {
        self.workers_[static_cast<size_t>(slot)].unfenced.erase(shard);
        self.TryAcks(static_cast<size_t>(slot));
      }
      if (self.run_ids_[shard] != made->run_id) {
        self.run_ids_[shard] = made->run_id;
        std::vector<SagaId> ids;
        for (const auto& [id, running] : self.sagas_) ids.push_back(id);
        for (SagaId id : ids) {
          self.Event(id, [&](Saga& saga, SagaActions& out) {
            saga.OnRunId(server.name(), made->run_id, out);
          });
        }
      }
    }
    const std::vector<Got> waiting = std::exchange(self.connecting_[where], {});
    for (const Got& each : waiting) each(made);
  });
}

void ProxyModel::WithConnection(size_t shard, int slot, Got got) {
  const auto found = connections_.find({shard, slot});
  if (found != connections_.end() && found->second->open()) return got(found->second);
  Connect(shard, slot, std::move(got));
}

void ProxyModel::Lost(size_t shard, int slot) {
  if (slot < kSagaSlot) return;
  std::vector<SagaId> ids;
  for (const auto& [id, running] : sagas_) ids.push_back(id);
  for (SagaId id : ids) {
    Running& running = sagas_.at(id);
    if (running.recovery_index == SIZE_MAX) {
      running.saga.OnConnectionLost(stage_.shards[shard]->name());
    }
  }
}

void ProxyModel::LoseShard(size_t shard) {
  std::vector<ConnectionPtr> lost;
  for (const auto& [where, connection] : connections_) {
    if (where.first == shard) lost.push_back(connection);
  }
  for (const ConnectionPtr& connection : lost) {
    connection->CloseAtShard();
    connection->CloseAtProxy();
  }
}

// --- plain commands

void ProxyModel::Plain(size_t worker, const std::string& key, Value value, PlainDone done) {
  HeldCall command{key, std::move(value), std::move(done)};
  WorkerModel& mine = workers_[worker];
  if (mine.locked.contains(key)) {
    mine.parked.push_back(std::move(command));
    return;
  }
  SendPlain(worker, std::move(command));
}

void ProxyModel::SendPlain(size_t worker, HeldCall command) {
  const size_t shard = stage_.ShardOf(command.key);
  ++workers_[worker].in_flight[command.key];
  const int slot = static_cast<int>(worker);
  WithConnection(
      shard, slot, [self = shared_from_this(), worker, shard, command](ConnectionPtr at) {
        const auto finish = [self, worker, shard, command](Said said, Value value) {
          if (self->dead_) return;
          WorkerModel& mine = self->workers_[worker];
          if (said == Said::kUncertain && self->stage_.options.fences) {
            mine.unfenced[shard].insert(command.key);
            // Somebody may be waiting for that key: reach the shard again soon.
            self->Connect(shard, static_cast<int>(worker), [](ConnectionPtr) {});
          }
          if (--mine.in_flight[command.key] == 0) mine.in_flight.erase(command.key);
          self->TryAcks(worker);
          command.done(said, std::move(value));
        };
        if (!at) return finish(Said::kNotApplied, {});
        const uint64_t process = self->incarnation_;
        at->Send(
            [command, at, self, process](ModelShard& server) -> Reply {
              if (command.value) {
                // A write that was given up must not land after one on the connection that
                // followed.
                for (const auto& each : self->stage_.connections) {
                  const auto other = each.lock();
                  if (!other || other == at || other->process != process ||
                      other->slot != at->slot || &other->shard() != &server ||
                      !self->stage_.options.fences) {
                    continue;
                  }
                  if (!at->open() && other->open()) {
                    self->stage_.Blame("a lost write landed behind its connection's successor");
                  }
                }
                self->stage_.Tell([&] { return "SET " + command.key + " " + *command.value; });
                server.Set(command.key, *command.value);
                return {};
              }
              return {.value = server.Get(command.key)};
            },
            [finish](std::optional<Reply> reply) {
              reply ? finish(Said::kOk, reply->value) : finish(Said::kUncertain, {});
            });
      });
}

void ProxyModel::Post(size_t worker, std::function<void(ProxyModel&)> what) {
  WorkerModel& mine = workers_[worker];
  mine.mailbox = std::max(mine.mailbox, stage_.clock.now() + stage_.clock.Around(0, 1));
  Later(mine.mailbox - stage_.clock.now(), std::move(what));
}

void ProxyModel::TryAcks(size_t worker) {
  WorkerModel& mine = workers_[worker];
  std::erase_if(mine.draining, [&](const auto& waiting) {
    const bool busy =
        std::any_of(waiting.second.begin(), waiting.second.end(), [&](const LockKey& key) {
          if (mine.in_flight.contains(key.key)) return true;
          return std::any_of(mine.unfenced.begin(), mine.unfenced.end(),
                             [&](const auto& lost) { return lost.second.contains(key.key); });
        });
    if (busy && !stage_.options.bugs.skip_barrier) return false;
    Later(stage_.clock.Around(0, 1), [ticket = waiting.first, worker](ProxyModel& self) {
      std::vector<LockAction> actions;
      self.locks_.OnAck(ticket, worker, actions);
      self.Locks(std::move(actions));
    });
    return true;
  });
}

void ProxyModel::Release(size_t worker) {
  WorkerModel& mine = workers_[worker];
  std::deque<HeldCall> parked = std::exchange(mine.parked, {});
  for (HeldCall& command : parked) {
    if (mine.locked.contains(command.key)) {
      mine.parked.push_back(std::move(command));
    } else {
      SendPlain(worker, std::move(command));
    }
  }
}

void ProxyModel::Locks(std::vector<LockAction> actions) {
  for (LockAction& action : actions) {
    if (action.kind == LockAction::Kind::kGranted) {
      const SagaId id = owners_[action.ticket];
      Later(Duration(1), [id](ProxyModel& self) { self.Locked(id); });
      continue;
    }
    const bool lock = action.kind == LockAction::Kind::kLockWorkers;
    for (size_t worker = 0; worker < kWorkers; ++worker) {
      Post(worker, [worker, lock, ticket = action.ticket, keys = action.keys](ProxyModel& self) {
        WorkerModel& mine = self.workers_[worker];
        for (const LockKey& key : *keys) {
          if (lock) {
            mine.locked[key.key].insert(ticket);
          } else if (mine.locked[key.key].erase(ticket), mine.locked[key.key].empty()) {
            mine.locked.erase(key.key);
          }
        }
        if (lock) {
          mine.draining.emplace_back(ticket, *keys);
          self.TryAcks(worker);
        } else {
          std::erase_if(mine.draining, [&](const auto& each) { return each.first == ticket; });
          self.Release(worker);
        }
      });
    }
  }
}

// --- sagas

Saga& ProxyModel::SagaOf(Running& running) {
  return running.recovery_index == SIZE_MAX ? running.saga
                                            : recovery_->saga(running.recovery_index);
}

void ProxyModel::Run(SagaOrder order, SagaDone done) {
  const SagaId id = order.plan.id;
  SagaLimits limits = Limits(stage_.options);
  // Some are in a hurry, as those that share a saga are: it may end in the middle of everything.
  if (id % 3 == 0) limits.patience = std::chrono::milliseconds(1 + id % 17);
  Running running{.saga = Saga(std::move(order.plan), limits),
                  .values = std::move(order.values),
                  .done = std::move(done),
                  .ticket = order.ticket,
                  .old = std::move(order.old)};
  sagas_.emplace(id, std::move(running));
  Event(id, [](Saga& saga, SagaActions& out) { saga.Start(out); });
}

void ProxyModel::Event(SagaId id, std::function<void(Saga&, SagaActions&)> what) {
  const auto found = sagas_.find(id);
  if (found == sagas_.end() || dead_) return;
  SagaActions actions;
  const size_t index = found->second.recovery_index;
  what(SagaOf(found->second), actions);
  if (index == SIZE_MAX) return Carry(id, std::move(actions));
  RecoveryActions more;
  recovery_->Take(index, std::move(actions), more);
  Recover(std::move(more));
}

void ProxyModel::Carry(SagaId id, SagaActions actions) {
  for (const SagaAction& action : actions) Do(id, action);
}

void ProxyModel::Recover(RecoveryActions actions) {
  for (RecoveryAction& action : actions) {
    switch (action.kind) {
      case RecoveryAction::Kind::kSaga:
        Do(recovery_->saga(action.saga).plan().id, action.action);
        break;
      case RecoveryAction::Kind::kOpen:
        serving_ = true;
        break;
      case RecoveryAction::Kind::kFence:
        Later(action.delay, [name = action.shard](ProxyModel& self) {
          const size_t shard = self.stage_.ShardNamed(name);
          self.Connect(shard, kSagaSlot, [&self, shard, name](ConnectionPtr made) {
            RecoveryActions more;
            self.recovery_->OnFenced(name, made != nullptr, more);
            self.Recover(std::move(more));
          });
        });
        break;
    }
  }
}

void ProxyModel::Do(SagaId id, const SagaAction& action) {
  using Kind = SagaAction::Kind;
  Running& running = sagas_.at(id);
  stage_.Tell([&] {
    static const char* const kNames[] = {"lock",  "begin", "send",    "reconnect", "commit",
                                         "reply", "undo",  "cleanup", "unlock",    "poison",
                                         "end",   "timer", "finished"};
    return SagaName(id) + " " + kNames[static_cast<size_t>(action.kind)] + " " +
           std::to_string(action.step) + (action.force ? " forced " : " ") +
           (action.keep.empty() ? "" : "keeping some ") + action.text;
  });
  const auto journal = [&](JournalModel::Kind kind,
                           std::function<void(Saga&, bool, SagaActions&)> then) {
    JournalModel::Record record{kind, id, {}, action.step};
    if (kind == JournalModel::Kind::kBegin) record.plan = SagaOf(running).plan();
    stage_.journal.Submit(std::move(record), [self = shared_from_this(), id, then](bool ok) {
      if (self->dead_ || !then) return;
      self->Event(id, [&](Saga& saga, SagaActions& out) { then(saga, ok, out); });
    });
  };
  switch (action.kind) {
    case Kind::kLock:
      return Lock(id);
    case Kind::kBegin:
      return journal(JournalModel::Kind::kBegin,
                     [](Saga& saga, bool ok, SagaActions& out) { saga.OnBegun(ok, out); });
    case Kind::kCommit:
      return journal(JournalModel::Kind::kCommit,
                     [](Saga& saga, bool ok, SagaActions& out) { saga.OnCommitted(ok, out); });
    case Kind::kPoison:
      ++stage_.figures.poisoned;
      stage_.poisoned.insert(id);
      if (!stage_.outside_writes) {
        stage_.Blame(SagaName(id) + " could not be undone: " + action.text);
      }
      return journal(JournalModel::Kind::kPoison, nullptr);
    case Kind::kEnd:
      return journal(JournalModel::Kind::kEnd, nullptr);
    case Kind::kSend:
      return SagaOf(running).plan().steps[action.step].kind == StepKind::kScript
                 ? SendStep(id, action.step)
                 : SendExecution(id, action.step);
    case Kind::kReconnect: {
      const size_t shard = stage_.ShardNamed(SagaOf(running).plan().steps[action.step].shard);
      const auto got = [self = shared_from_this(), id, step = action.step](ConnectionPtr made) {
        self->Event(id, [&](Saga& saga, SagaActions& out) {
          saga.OnReconnected(step, made != nullptr, made ? made->run_id : "", out);
        });
      };
      return Later(Duration(1),
                   [shard, got](ProxyModel& self) { self.WithConnection(shard, kSagaSlot, got); });
    }
    case Kind::kReply:
      if (running.done) {
        SagaResult result = SagaOf(running).result();
        if (result.interfered) result.ticket = std::exchange(running.ticket, 0);
        running.done(result);
      }
      return;
    case Kind::kUndo:
    case Kind::kCleanup:
      return SendUndo(id, action);
    case Kind::kUnlock:
      return Unlock(running, action);
    case Kind::kTimer:
      return Later(action.delay, [id, timer = action.timer, step = action.step](ProxyModel& self) {
        self.Event(id, [&](Saga& saga, SagaActions& out) { saga.OnTimer(timer, step, out); });
      });
    case Kind::kFinished:
      owners_.erase(running.ticket);
      for (const auto& where : running.executions) connections_.erase(where);
      return;
  }
}

void ProxyModel::Lock(SagaId id) {
  Running& running = sagas_.at(id);
  std::vector<LockAction> actions;
  if (running.ticket != 0) {  // the try before had them
    owners_[running.ticket] = id;
    return Later(Duration(1), [id](ProxyModel& self) { self.Locked(id); });
  }
  running.ticket = locks_.Request(KeysOf(SagaOf(running).plan()), actions);
  owners_[running.ticket] = id;
  const LockTicket ticket = running.ticket;
  Locks(std::move(actions));
  if (running.recovery_index != SIZE_MAX) return;
  Later(kLockWait, [id, ticket](ProxyModel& self) {
    if (self.locks_.granted(ticket)) return;
    const auto found = self.sagas_.find(id);
    if (found == self.sagas_.end() || found->second.saga.state() != Saga::State::kLocking) return;
    std::vector<LockAction> freed;
    self.locks_.Release(ticket, freed);
    self.Locks(std::move(freed));
    self.Event(id,
               [](Saga& saga, SagaActions& out) { saga.OnLockRefused("keys are in use", out); });
  });
}

void ProxyModel::GiveBack(LockTicket ticket) {
  std::vector<LockAction> actions;
  locks_.Release(ticket, actions);
  Locks(std::move(actions));
}

FetchedKeys ProxyModel::FetchedBy(SagaId id) const {
  FetchedKeys all;
  for (const auto& [shard, watch] : sagas_.at(id).watches) {
    all.insert(watch.keys.begin(), watch.keys.end());
  }
  return all;
}

// Before anything is journaled, foreign keys are read, each over a connection that watches it.
void ProxyModel::Locked(SagaId id) {
  const auto found = sagas_.find(id);
  if (found == sagas_.end()) return;
  std::map<size_t, std::vector<std::string>> by_shard;
  if (found->second.recovery_index == SIZE_MAX) {
    for (const SagaStep& step : found->second.saga.plan().steps) {
      for (const std::string& copy : step.copies) by_shard[stage_.ShardOf(copy)].push_back(copy);
    }
  }
  found->second.fetching = by_shard.size();
  if (by_shard.empty()) return Fetched(id, true);
  for (auto& [shard, keys] : by_shard) Fetch(id, shard, std::move(keys));
}

void ProxyModel::Fetch(SagaId id, size_t shard, std::vector<std::string> keys) {
  const int slot = ++last_slot_;
  sagas_.at(id).executions.emplace_back(shard, slot);
  const auto got = [self = shared_from_this(), id, shard, keys](ConnectionPtr at) {
    if (!at) return self->Fetched(id, false);
    const auto fetched = [self, id, shard, keys, at](std::optional<Reply> reply) {
      if (self->dead_) return;
      if (!reply) return self->Fetched(id, false);
      Running::Watch& watch = self->sagas_.at(id).watches[shard];
      watch = {at, reply->fetched};
      if (!self->stage_.options.bugs.watch_after_fetch) return self->Fetched(id, true);
      at->Send([keys](ModelShard& server) { return Reply{.fetched = server.Fetch(keys)}; },
               [self, id, shard](std::optional<Reply> later) {
                 if (self->dead_) return;
                 FetchedKeys& known = self->sagas_.at(id).watches[shard].keys;
                 for (auto& [key, each] : known) {
                   if (later) each.version = later->fetched[key].version;
                 }
                 self->Fetched(id, later.has_value());
               });
    };
    at->Send([keys](ModelShard& server) { return Reply{.fetched = server.Fetch(keys)}; }, fetched);
  };
  Later(Duration(1), [shard, slot, got](ProxyModel& self) { self.Connect(shard, slot, got); });
}

void ProxyModel::Fetched(SagaId id, bool all) {
  Running& running = sagas_.at(id);
  if (running.saga.state() != Saga::State::kLocking && running.recovery_index == SIZE_MAX) return;
  if (all && running.fetching > 1) {
    --running.fetching;
    return;
  }
  if (stage_.options.bugs.old_copies_again) {
    for (auto& [shard, watch] : running.watches) {
      for (auto& [key, each] : watch.keys) {
        if (running.old.contains(key)) each.value = running.old[key].value;
      }
    }
  }
  if (all) return Event(id, [](Saga& saga, SagaActions& out) { saga.OnLocked(out); });
  GiveBack(std::exchange(running.ticket, 0));
  Event(id, [](Saga& saga, SagaActions& out) { saga.OnLockRefused("it cannot be read", out); });
}

void ProxyModel::Unlock(Running& running, const SagaAction& action) {
  if (running.ticket == 0) return;  // handed back
  std::vector<LockAction> actions;
  const SagaPlan& plan = SagaOf(running).plan();
  if (action.keep.empty() || stage_.options.bugs.unlock_ignores_keep) {
    locks_.Release(running.ticket, actions);
  } else {
    SagaPlan kept;
    for (size_t step : action.keep) kept.steps.push_back(plan.steps[step]);
    locks_.ReleaseOthers(running.ticket, KeysOf(kept), actions);
  }
  Locks(std::move(actions));
}

void ProxyModel::SendStep(SagaId id, size_t step) {
  const size_t shard = stage_.ShardNamed(sagas_.at(id).saga.plan().steps[step].shard);
  const auto answer = [self = shared_from_this(), id, step](StepOutcome outcome,
                                                            std::string run_id) {
    self->Event(id, [&](Saga& saga, SagaActions& out) { saga.OnStep(step, outcome, run_id, out); });
  };
  const auto got = [self = shared_from_this(), id, step, answer](ConnectionPtr at) {
    if (!at) return answer(StepOutcome::kNotSent, "");
    Running& running = self->sagas_.at(id);
    const SagaStep& what = running.saga.plan().steps[step];
    const bool native = running.sent.insert(step).second && self->stage_.options.fences &&
                        std::all_of(what.keys.begin(), what.keys.end(), [](const StepKey& key) {
                          return key.image == ImageKind::kOverwrite;
                        });
    at->Send(
        [plan = running.saga.plan(), values = running.values[step], step,
         native](ModelShard& server) {
          return Reply{.step = native ? server.SetNatively(plan, step, values)
                                      : server.Step(plan, step, values)};
        },
        [answer, run_id = at->run_id](std::optional<Reply> reply) {
          answer(reply ? reply->step : StepOutcome::kLost, reply ? run_id : "");
        });
  };
  Later(Duration(1),
        [shard, got](ProxyModel& self) { self.WithConnection(shard, kSagaSlot, got); });
}

// On a connection of its own: prepare and wait, then execute.
void ProxyModel::SendExecution(SagaId id, size_t step) {
  if (sagas_.at(id).saga.plan().steps[step].phase > 0) return SendHome(id, step);
  const size_t shard = stage_.ShardNamed(sagas_.at(id).saga.plan().steps[step].shard);
  const int slot = ++last_slot_;
  // Kept until the saga ends: its loss is how a restart of the server shows.
  sagas_.at(id).executions.emplace_back(shard, slot);
  const auto answer = [self = shared_from_this(), id, step](StepOutcome outcome,
                                                            std::string run_id) {
    self->Event(id, [&](Saga& saga, SagaActions& out) { saga.OnStep(step, outcome, run_id, out); });
  };
  const auto got = [self = shared_from_this(), id, step, answer](ConnectionPtr at) {
    if (!at) return answer(StepOutcome::kNotSent, "");
    const SagaPlan plan = self->sagas_.at(id).saga.plan();
    const auto execute = [self, id, step, plan, at, answer](std::optional<Reply> reply) {
      if (!reply || reply->step != StepOutcome::kDone) {
        return answer(reply ? reply->step : StepOutcome::kLost, "");
      }
      at->Send(
          [self, plan, step, values = self->sagas_.at(id).values[step]](ModelShard& server) {
            const Reply reply{.step = server.Execute(plan, step, values)};
            for (const auto& [key, was] : self->FetchedBy(plan.id)) {
              const ModelShard& owner = *self->stage_.shards[self->stage_.ShardOf(key)];
              if (owner.Get(key) != was.value) self->stage_.stale[plan.id] = key;
            }
            self->stage_.Tell([&] {
              return SagaName(plan.id) + " executed on " + server.name() + " -> " +
                     std::to_string(static_cast<int>(reply.step));
            });
            return reply;
          },
          [answer, run_id = at->run_id](std::optional<Reply> done) {
            answer(done ? done->step : StepOutcome::kLost, done ? run_id : "");
          });
    };
    at->Send([plan, step](ModelShard& server) { return Reply{.step = server.Prepare(plan, step)}; },
             execute);
  };
  Later(Duration(1), [shard, slot, got](ProxyModel& self) { self.Connect(shard, slot, got); });
}

// Over the connection that watches what was fetched, or not at all.
void ProxyModel::SendHome(SagaId id, size_t step) {
  const size_t shard = stage_.ShardNamed(sagas_.at(id).saga.plan().steps[step].shard);
  const auto answer = [self = shared_from_this(), id, step](StepOutcome outcome,
                                                            std::string run_id) {
    self->Event(id, [&](Saga& saga, SagaActions& out) { saga.OnStep(step, outcome, run_id, out); });
  };
  const auto send = [self = shared_from_this(), id, step, shard, answer](ConnectionPtr at,
                                                                         bool watches) {
    if (!at) return answer(StepOutcome::kNotSent, "");
    Running& running = self->sagas_.at(id);
    at->Send(
        [self, plan = running.saga.plan(), step, values = running.values[step],
         fetched = running.watches[shard].keys, watches](ModelShard& server) {
          // As the server sees it before, since it is what would be lost.
          std::string lost;
          for (const StepKey& key : plan.steps[step].keys) {
            const Value now = server.Get(key.key);
            if (now != fetched.at(key.key).value) lost = key.key;
          }
          const size_t before = server.log().size();
          const Reply reply{
              .step = server.CarryHome(plan, step, values, watches ? fetched : FetchedKeys())};
          if (!lost.empty() && server.log().size() > before) {
            self->stage_.Blame(SagaName(plan.id) + " was carried home over a later write to " +
                               lost);
          }
          return reply;
        },
        [answer, run_id = at->run_id](std::optional<Reply> reply) {
          answer(reply ? reply->step : StepOutcome::kLost, reply ? run_id : "");
        });
  };
  Later(Duration(1), [id, shard, answer, send](ProxyModel& self) {
    const ConnectionPtr& at = self.sagas_.at(id).watches[shard].connection;
    if (at->open()) return send(at, true);
    if (!self.stage_.options.bugs.lost_watch_ignored) return answer(StepOutcome::kOutdated, "");
    self.Connect(shard, at->slot, [send](ConnectionPtr made) { send(made, false); });
  });
}

void ProxyModel::SendUndo(SagaId id, const SagaAction& action) {
  const SagaPlan plan = SagaOf(sagas_.at(id)).plan();
  const size_t step = action.step;
  const bool undo = action.kind == SagaAction::Kind::kUndo;
  const size_t shard = stage_.ShardNamed(plan.steps[step].shard);
  const auto answer = [self = shared_from_this(), id, step, undo](std::optional<Reply> reply) {
    self->Event(id, [&](Saga& saga, SagaActions& out) {
      if (undo) {
        saga.OnUndo(step, reply ? reply->undo : UndoOutcome::kLost, out);
      } else {
        saga.OnCleanup(step, reply.has_value(), out);
      }
    });
  };
  const auto got = [self = shared_from_this(), plan, step, undo, tombstone = action.force,
                    answer](ConnectionPtr at) {
    if (!at) return answer({});
    at->Send(
        [self, plan, step, undo, tombstone](ModelShard& server) {
          Reply reply;
          if (undo) {
            reply.undo = server.Undo(plan, step);
            self->stage_.Tell([&] {
              return SagaName(plan.id) + " undone " + std::to_string(step) + " on " +
                     server.name() + " -> " + std::to_string(static_cast<int>(reply.undo));
            });
          } else {
            server.Cleanup(plan, step, tombstone);
          }
          return reply;
        },
        answer);
  };
  Later(Duration(1),
        [shard, got](ProxyModel& self) { self.WithConnection(shard, kSagaSlot, got); });
}

}  // namespace ringmaster::sim
