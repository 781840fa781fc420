#include "saga/saga_set.h"

#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "base/log.h"
#include "saga/journal.h"
#include "saga/recovering_sagas.h"
#include "saga/running_saga.h"

namespace ringmaster {
namespace {

// Connections to one shard that are kept for the next who needs one to himself. Bringing one up
// costs the shard an INFO.
constexpr ptrdiff_t kSpare = 64;
constexpr Duration kIdleAfter = std::chrono::minutes(5);

}  // namespace

Task<StepOutcome> SagaWork::Execute(const SagaPlan&, size_t, FencedConnection&) {
  co_return StepOutcome::kNotSent;
}

SagaSet::SagaSet(SagaPool& pool, BackendContext& context, Router& router, Post post, Now now)
    : pool_(pool),
      context_(context),
      router_(router),
      post_(std::move(post)),
      now_(std::move(now)) {}

SagaSet::~SagaSet() {
  Close();
  *alive_ = false;
}

void SagaSet::Close() {
  closed_ = true;
  EndTurn();
  for (FencedConnection* connection : Connections()) {
    connection->Close("the proxy is shutting down");
  }
}

std::vector<FencedConnection*> SagaSet::Connections() const {
  std::vector<FencedConnection*> all;
  for (const auto& [key, connection] : shared_) all.push_back(connection.get());
  for (const auto& connection : spare_) all.push_back(connection.get());
  all.insert(all.end(), lent_.begin(), lent_.end());
  return all;
}

std::unique_ptr<FencedConnection> SagaSet::Open(uint32_t shard, int database, int resp) {
  const std::string name = router_.shard_name(shard);
  return std::make_unique<FencedConnection>(context_, router_.link(shard),
                                            router_.backend(shard).metrics(), database, resp,
                                            pool_.connection_name, [this, name] { OnLost(name); });
}

FencedConnection* SagaSet::Shared(const std::string& shard, int database) {
  for (uint32_t i = 0; i < router_.shard_count(); ++i) {
    if (router_.shard_name(i) != shard) continue;
    auto& place = shared_[{router_.link(i).get(), database}];
    if (place == nullptr) place = Open(i, database, 2);
    return place.get();
  }
  // It left the pool; what is under way there goes on.
  for (const auto& [key, connection] : shared_) {
    if (connection->shard() == shard && key.second == database) return connection.get();
  }
  return nullptr;
}

std::unique_ptr<FencedConnection> SagaSet::Lend(const std::string& shard, int database, int resp) {
  for (auto& each : spare_) {
    if (each->shard() != shard || each->database() != database || each->resp() != resp) continue;
    std::unique_ptr<FencedConnection> found = std::move(each);
    each = std::move(spare_.back());
    spare_.pop_back();
    lent_.insert(found.get());
    return found;
  }
  for (uint32_t i = 0; i < router_.shard_count(); ++i) {
    if (router_.shard_name(i) != shard) continue;
    std::unique_ptr<FencedConnection> made = Open(i, database, resp);
    lent_.insert(made.get());
    return made;
  }
  return nullptr;
}

void SagaSet::Return(std::unique_ptr<FencedConnection> connection) {
  if (!connection->idle()) connection->Close("what was asked over it was given up");
  lent_.erase(connection.get());
  const auto beside = std::count_if(spare_.begin(), spare_.end(), [&](const auto& each) {
    return each->link() == connection->link();
  });
  const bool good = connection->ready() && connection->idle() && beside < kSpare;
  (good ? spare_ : given_up_).push_back(std::move(connection));
}

void SagaSet::OnLost(const std::string& shard) {
  if (!*alive_) return;
  for (const auto& [id, saga] : sagas_) saga->OnConnectionLost(shard);
}

void SagaSet::OnRunId(const std::string& shard, const std::string& run_id) {
  std::string& known = run_ids_[shard];
  if (known == run_id) return;
  const bool other = !std::exchange(known, run_id).empty();
  if (!other) return;
  std::vector<SagaId> ids;
  for (const auto& [id, saga] : sagas_) ids.push_back(id);
  for (const SagaId id : ids) {
    if (Running* saga = Find(id)) saga->OnRunId(shard, run_id);
  }
}

Task<std::string> SagaSet::RunIdOf(uint32_t shard, int database) {
  const std::string name = router_.shard_name(shard);
  FencedConnection* connection = Shared(name, database);
  const bool reached = connection != nullptr && co_await connection->Ready();
  if (!reached) co_return std::string();
  OnRunId(name, connection->run_id());
  co_return connection->run_id();
}

const std::string* SagaSet::KnownRunId(uint32_t shard, int database) {
  const auto at = shared_.find({router_.link(shard).get(), database});
  if (at == shared_.end() || !at->second->ready()) return nullptr;
  return &at->second->run_id();
}

Task<SagaResult> SagaSet::Run(SagaPlan plan, std::shared_ptr<SagaWork> work, LockTicket ticket,
                              std::optional<Duration> patience) {
  const SagaId id = plan.id;
  auto reply = std::make_shared<Completion<SagaResult>>();
  auto made =
      std::make_unique<Running>(*this, std::move(plan), std::move(work), ticket, patience, reply);
  Running& running = *made;
  sagas_.emplace(id, std::move(made));
  pool_.figures.started.fetch_add(1, std::memory_order_relaxed);
  running.Start();
  co_return co_await *reply;
}

SagaSet::Running* SagaSet::Find(SagaId id) {
  const auto at = sagas_.find(id);
  return at == sagas_.end() ? nullptr : at->second.get();
}

void SagaSet::After(Duration delay, std::function<void()> then) {
  if (delay <= Duration(0)) return then();
  timers_.emplace(now_() + delay, std::move(then));
}

void SagaSet::Recover(std::vector<OpenSaga> open, std::function<void()> opened) {
  std::vector<Recovery::Shard> shards;
  for (uint32_t i = 0; i < router_.shard_count(); ++i) {
    shards.push_back({router_.shard_name(i), router_.link(i)->shard().address.ToString()});
  }
  recovering_ =
      std::make_unique<RecoveringSagas>(*this, std::move(open), shards, std::move(opened));
  recovering_->Start();
}

void SagaSet::Adopt(Saga& saga, size_t index, RecoveringSagas& recovery,
                    const std::vector<std::string>& notes) {
  const SagaId id = saga.plan().id;
  sagas_.emplace(id, std::make_unique<Running>(*this, saga, index, recovery, notes));
}

void SagaSet::CarryOut(SagaId id, SagaAction action) {
  if (Running* saga = Find(id)) saga->CarryOut(std::move(action));
}

// The shard of that name, or whoever is where it was.
FencedConnection* SagaSet::Reach(const std::string& shard, const std::string& address) {
  if (FencedConnection* known = Shared(shard, 0)) return known;
  const Result<Address> at = ParseAddress(address);
  if (!at || router_.shard_count() == 0) return nullptr;
  ShardAddress gone;
  gone.name = shard;
  gone.address = *at;
  const auto link = std::make_shared<ShardLink>(gone, BackendLimits(), 1);
  auto& place = shared_[{link.get(), 0}];
  place =
      std::make_unique<FencedConnection>(context_, link, router_.backend(0).metrics(), 0, 2,
                                         pool_.connection_name, [this, shard] { OnLost(shard); });
  return place.get();
}

void SagaSet::SweepLater(FencedConnection& connection, const SagaPlan& plan, size_t step,
                         Bytes had) {
  std::unique_ptr<Sweep>& sweep = sweeps_[&connection];
  if (sweep == nullptr) {
    sweep = std::make_unique<Sweep>([this](SagaId id, size_t index, Sweep::Outcome outcome) {
      if (Running* saga = Find(id)) saga->Swept(index, outcome);
    });
  }
  sweep->Add(plan, step, had);
  if (sweep->full() && connection.ready()) sweep->Go(connection);
}

void SagaSet::SweepWith(FencedConnection& connection) {
  const auto at = sweeps_.find(&connection);
  if (at != sweeps_.end()) at->second->Go(connection);
}

void SagaSet::SweepAll() {
  for (const auto& [connection, sweep] : sweeps_) {
    if (sweep->empty()) continue;
    if (connection->ready()) {
      sweep->Go(*connection);
    } else if (!connection->preparing()) {
      Spawn(Reopen(*connection));
    }
  }
}

// Whoever waits for it goes on at the next tick.
Task<void> SagaSet::Reopen(FencedConnection& connection) {
  static_cast<void>(co_await connection.Ready());
}

void SagaSet::WriteRecords() {
  // What comes of it may bring more.
  for (int i = 0; i < 4 && !records_.empty(); ++i) {
    auto asked = std::exchange(asked_, {});
    const auto later = [this, alive = alive_, post = post_, asked](const Status& status) {
      post([this, alive, asked, ok = status.ok()] {
        if (*alive) OnRecordsWritten(asked, ok);
      });
    };
    const std::optional<Status> now = pool_.journal->Write(std::exchange(records_, {}), later);
    if (now) OnRecordsWritten(asked, now->ok());
  }
}

void SagaSet::OnRecordsWritten(const std::vector<std::pair<SagaId, JournalBatch::Kind>>& asked,
                               bool ok) {
  for (const auto& [id, kind] : asked) {
    Running* saga = Find(id);
    if (saga == nullptr) continue;
    kind == JournalBatch::Kind::kBegin ? saga->OnBegun(ok) : saga->OnCommitted(ok);
  }
}

void SagaSet::Tick(TimePoint now) {
  std::erase_if(finished_, [](const auto& saga) { return !saga->busy(); });
  given_up_.clear();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const std::function<void()> then = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    then();
  }
  SweepAll();
  for (FencedConnection* connection : Connections()) connection->Tick(now);
  const auto unused = [&](const auto& connection) {
    return connection->idle() && now - connection->last_used() > kIdleAfter;
  };
  std::erase_if(spare_, unused);
  if (sagas_.empty()) {
    std::erase_if(shared_, [&](const auto& each) {
      if (!unused(each.second)) return false;
      sweeps_.erase(each.second.get());
      return true;
    });
  }
}

size_t SagaSet::running() const {
  return static_cast<size_t>(std::count_if(
      sagas_.begin(), sagas_.end(), [](const auto& each) { return !each.second->settled(); }));
}

bool SagaSet::SettledUpTo(TimePoint time) {
  const bool settled = std::all_of(sagas_.begin(), sagas_.end(), [time](const auto& each) {
    return each.second->settled() || each.second->began() > time;
  });
  if (!settled) SweepAll();  // somebody waits
  return settled;
}

bool SagaSet::SweptUpTo(TimePoint time) {
  const bool swept = std::none_of(sagas_.begin(), sagas_.end(), [time](const auto& each) {
    const std::optional<TimePoint> committed = each.second->committed_at();
    return committed && *committed <= time;
  });
  if (!swept) SweepAll();
  return swept;
}

void SagaSet::Describe(TimePoint now, bool recent, std::vector<SagaRecord>& out) const {
  if (recent) {
    out.insert(out.end(), recent_.begin(), recent_.end());
    return;
  }
  for (const auto& [id, saga] : sagas_) out.push_back(saga->Record(now));
}

Result<std::string> SagaSet::Order(SagaId id, const SagaOrder& order) {
  Running* saga = Find(id);
  if (saga == nullptr) {
    return Error{ErrorCode::kNotFound, "there is no such saga; PROXY SAGAS LIST shows them"};
  }
  return saga->Carry(order);
}

}  // namespace ringmaster
