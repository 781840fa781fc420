#include "worker/pool_worker.h"

#include <utility>

#include "command/call/blocked_client.h"
#include "command/serve/dispatch.h"

namespace ringmaster {

PoolWorker::Delayed::Delayed(Loop& loop, std::function<void()> callback)
    : then(std::move(callback)), timer(loop, [this] {
        done = true;
        then();
      }) {}

PoolWorker::PoolWorker(WorkerParts& worker, Colleagues& colleagues, const WorkerServices& services,
                       size_t number, Pool& pool, PoolSettings settings, PoolRoute route)
    : worker_(worker),
      colleagues_(colleagues),
      services_(services),
      number_(number),
      pool_(pool),
      settings_(std::move(settings)),
      backends_{worker.loop, worker.blocks, worker.read_block, worker.connections_to_flush},
      router_(backends_, settings_.facts.databases),
      shard_tables_(router_, worker.table, pool.modules),
      scatters_(worker.blocks, settings_.limits.reply_buffer),
      commands_{worker.table, router_, scatters_, worker.blocks, recipes_, worker.metrics, *this},
      push_(commands_, pool.push_counts),
      moves_(commands_, ServingByDispatch()),
      locks_(commands_, ServingByDispatch(), pool.locks, worker.index),
      sagas_(
          pool.sagas, backends_, router_,
          [at = &worker](std::function<void()> message) { at->mailbox.Post(std::move(message)); },
          [loop = &worker.loop] { return loop->Now(); }),
      mset_batches_([sagas = &sagas_](uint32_t shard, int database) {
        return sagas->KnownRunId(shard, database) != nullptr;
      }),
      puller_(
          backends_, router_, worker.mailbox,
          [this](Duration delay, std::function<void()> then) { After(delay, std::move(then)); }),
      freeze_poll_(worker.loop,
                   [this] {
                     moves_.Poll();
                     if (!moves_.freezing()) freeze_poll_.Stop();
                   }),
      parser_(settings_.limits.request),
      guests_(settings_.limits.guest),
      sessions_{worker.loop,       worker.blocks,
                worker.read_block, backends_,
                commands_,         worker.requests,
                worker.reaper,     settings_.limits,
                parser_,           guests_,
                worker.line,       worker.windows,
                worker.gate,       worker.sessions_to_flush,
                worker.stalled,    closed_} {
  commands_.push = &push_;
  commands_.pause = &pool.pause;
  commands_.slow_log = &pool.slow_log;
  commands_.recent = &recent_;
  commands_.moves = &moves_;
  commands_.locks = &locks_;
  commands_.sagas = &sagas_;
  commands_.mset_batches = &mset_batches_;
  commands_.scripts = &pool.scripts;
  commands_.script_teller = &pool.scripts;
  commands_.script_rights = &script_rights_;
  commands_.modules = &pool.modules;
  TakeSettings();
  if (route.snapshot->move != nullptr) {
    Switch(std::move(route.snapshot), std::move(route.movers));
  } else {
    router_.Use(std::move(route.snapshot));
  }
}

PoolWorker::~PoolWorker() {
  CloseClients();
  FreeClosed();
  recipes_.Clear();
  puller_.Close("the proxy is shutting down");
}

void PoolWorker::AddClient(int fd, uint64_t id, const std::shared_ptr<TlsContext>& tls) {
  auto* session = new Session(sessions_, fd, id, tls.get());
  access().Welcome(session->view().state());
  all_.PushBack(*session);
  worker_.metrics.accepted.Add();
  worker_.metrics.clients.Add();
  if (worker_.draining) session->Drain();
}

void PoolWorker::AddMoved(MovedClient& client, bool pulled) {
  auto* session = new Session(sessions_, client);
  all_.PushBack(*session);
  RenewUser(access(), session->view(), false);  // on its way it was out of ACL SETUSER's sight
  worker_.metrics.moved_in.Add();
  if (pulled) worker_.metrics.pulled_in.Add();
  worker_.metrics.clients.Add();
  if (worker_.draining) session->Drain();
}

std::shared_ptr<MovedClient> PoolWorker::Release(Session& session) {
  std::shared_ptr<MovedClient> client = session.Depart();
  IntrusiveList<Session, AllTag>::Remove(session);
  delete &session;
  worker_.metrics.moved_out.Add();
  worker_.metrics.clients.Subtract(1);
  worker_.clients.fetch_sub(1, std::memory_order_relaxed);
  return client;
}

void PoolWorker::Configure(PoolSettings settings) {
  settings_ = std::move(settings);
  TakeSettings();
}

void PoolWorker::TakeSettings() {
  commands_.background = settings_.background.get();
  commands_.saga_rules = settings_.saga_rules.get();
}

void PoolWorker::Use(std::shared_ptr<const RouteSnapshot> snapshot) {
  const bool same = snapshot->topology->spec() == router_.topology().spec();
  router_.Use(std::move(snapshot));
  push_.TopologyChanged();
  if (!same) SendWaitersAgain();
}

// Who waits for data on an old owner would wait for ever.
void PoolWorker::SendWaitersAgain() {
  EachSession([](Session& session) {
    BlockedClient* blocked = session.view().state().blocked;
    if (blocked != nullptr) blocked->GiveWay();
  });
}

void PoolWorker::Freeze(std::shared_ptr<const RingMove> move, std::function<void()> drained) {
  SendWaitersAgain();  // to come when their keys are here
  moves_.Freeze(std::move(move), worker_.loop.Now(), std::move(drained));
  if (moves_.freezing()) freeze_poll_.StartEvery(std::chrono::milliseconds(1));
}

void PoolWorker::Switch(std::shared_ptr<const RouteSnapshot> snapshot,
                        std::shared_ptr<MoverSet> movers) {
  puller_.Use(std::move(movers));
  const std::shared_ptr<const RingMove> move = snapshot->move;
  router_.Use(std::move(snapshot));
  moves_.Switch(move);
  push_.TopologyChanged();
}

void PoolWorker::Settle(std::shared_ptr<const RouteSnapshot> snapshot) {
  router_.Use(std::move(snapshot));
  moves_.Settle();
  push_.TopologyChanged();
  puller_.Use(nullptr);
}

void PoolWorker::Pull(uint64_t epoch, uint32_t old_owner, int database, std::string key,
                      Pulling pulling) {
  puller_.Pull(epoch, old_owner, database, std::move(key), std::move(pulling));
}

void PoolWorker::HoldTransfers(std::function<void(Result<TransferHold>)> done) {
  puller_.HoldTransfers(std::move(done));
}

void PoolWorker::ResetStatistics() {
  for (CommandMetrics& command : worker_.metrics.per_command) command.Reset();
  worker_.metrics.error_replies.Set(0);
}

void PoolWorker::EndPause() {
  EachSession([](Session& session) { session.EndPause(); });
}

void PoolWorker::RenewUsers(uint64_t asker) {
  EachClient([this, asker](ClientView& client) {
    RenewUser(access(), client, client.state().id == asker);
  });
}

// Every connection is looked after there.
void PoolWorker::CloseRevoked() { Tick(worker_.loop.Now()); }

void PoolWorker::Tick(TimePoint now) {
  if (pause().what() != Pause::What::kNothing && pause().over(now)) pause().End();
  if (pause().what() == Pause::What::kNothing && worker_.metrics.paused.value() > 0) EndPause();
  router_.Tick(now);
  if (worker_.index == 0) {
    router_.Greet();
    shard_tables_.Tick(now);
  }
  locks_.Tick(now);
  sagas_.Tick(now);
  mset_batches_.Tick(now);
  script_rights_.Tick(now);
  puller_.Tick(now);
  push_.Tick(now);
  std::erase_if(timers_, [](const auto& timer) { return timer->done; });
}

void PoolWorker::CheckIdle(TimePoint now) {
  if (settings_.limits.idle_timeout <= Duration(0)) return;
  for (Session* session = all_.front(); session != nullptr; session = all_.next(*session)) {
    session->CheckIdle(now);
  }
}

void PoolWorker::FreeClosed() {
  while (Session* session = closed_.PopFront()) {
    IntrusiveList<Session, AllTag>::Remove(*session);
    if (!worker_.migrations.empty()) [[unlikely]]
      worker_.migrations.Forget(*session);
    delete session;
    worker_.metrics.clients.Subtract(1);
    worker_.clients.fetch_sub(1, std::memory_order_relaxed);
  }
}

void PoolWorker::Drain() {
  for (Session* session = all_.front(); session != nullptr; session = all_.next(*session)) {
    session->Drain();
  }
}

void PoolWorker::CloseClients() {
  push_.Stop();
  for (Session* session = all_.front(); session != nullptr; session = all_.next(*session)) {
    session->view().Kill(false);
  }
}

void PoolWorker::VisitWorkers(Visit visit, std::function<void(std::vector<std::string>)> done) {
  colleagues_.VisitPool(number_, worker_.index, visit, std::move(done));
}

void PoolWorker::After(Duration delay, std::function<void()> then) {
  timers_.push_back(std::make_unique<Delayed>(worker_.loop, std::move(then)));
  timers_.back()->timer.StartOnce(delay);
}

void PoolWorker::AwaitTurn(std::string name, Turn turn) {
  services_.turns.AwaitTurn(worker_.mailbox, std::move(name), std::move(turn));
}

template <typename Value>
std::function<void(Result<Value>)> PoolWorker::AtHome(std::function<void(Result<Value>)> done) {
  return [home = &worker_.mailbox, done = std::move(done)](const Result<Value>& value) {
    home->Post([done, value] { done(value); });
  };
}

void PoolWorker::Jobs(JobOrder order, std::function<void(Result<std::vector<JobFigures>>)> done) {
  services_.operators.Jobs(order, AtHome(std::move(done)));
}

void PoolWorker::Rebalance(std::vector<std::string> words,
                           std::function<void(Result<std::string>)> done) {
  services_.operators.Rebalance(number_, std::move(words), AtHome(std::move(done)));
}

void PoolWorker::Reload(uint64_t asker, std::function<void(Result<std::string>)> done) {
  services_.operators.Reload(asker, AtHome(std::move(done)));
}

void PoolWorker::Journal(bool verify, std::function<void(Result<std::string>)> done) {
  services_.operators.Journal(verify, AtHome(std::move(done)));
}

void PoolWorker::EachClient(const std::function<void(ClientView&)>& visit) {
  for (Session* session = all_.front(); session != nullptr; session = all_.next(*session)) {
    if (!session->closed()) visit(session->view());
  }
}

}  // namespace ringmaster
