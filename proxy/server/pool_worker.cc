#include "server/pool_worker.h"

#include <utility>

#include "command/access/access_control.h"
#include "command/call/blocked_client.h"
#include "command/serve/dispatch.h"
#include "server/server.h"

namespace ringmaster {

PoolWorker::Delayed::Delayed(Loop& loop, std::function<void()> callback)
    : then(std::move(callback)), timer(loop, [this] {
        done = true;
        then();
      }) {}

PoolWorker::PoolWorker(Worker& worker, Server& server, size_t pool, ProxyFacts facts,
                       std::shared_ptr<const RouteSnapshot> snapshot,
                       std::shared_ptr<MoverSet> movers, const SessionLimits& limits,
                       std::shared_ptr<PushCounts> push_counts)
    : worker_(worker),
      server_(server),
      pool_(pool),
      facts_(std::move(facts)),
      limits_(limits),
      backends_{worker.loop_, worker.blocks_, worker.read_block_, worker.connections_to_flush_},
      router_(backends_, facts_.databases),
      scatters_(worker.blocks_, limits.reply_buffer),
      commands_{worker.table_, router_,         scatters_, worker.blocks_,
                recipes_,      worker.metrics_, *this},
      push_(commands_, std::move(push_counts)),
      moves_(commands_, ServingByDispatch()),
      locks_(commands_, ServingByDispatch(), server.locks(pool), worker.index()),
      sagas_(
          server.sagas(pool), backends_, router_,
          [at = &worker](std::function<void()> message) { at->mailbox().Post(std::move(message)); },
          [loop = &worker.loop_] { return loop->Now(); }),
      set_groups_([sagas = &sagas_](uint32_t shard, int database) {
        return sagas->KnownRunId(shard, database) != nullptr;
      }),
      puller_(*this, worker, backends_, router_),
      freeze_poll_(worker.loop_,
                   [this] {
                     moves_.Poll();
                     if (!moves_.freezing()) freeze_poll_.Stop();
                   }),
      parser_(limits_.request),
      guests_(limits_.guest),
      sessions_{worker.loop_,
                worker.blocks_,
                worker.read_block_,
                backends_,
                commands_,
                worker.requests_,
                worker.reaper_,
                limits_,
                parser_,
                guests_,
                worker.line_,
                worker.windows_,
                worker.gate_,
                worker.sessions_to_flush_,
                worker.stalled_,
                closed_} {
  commands_.push = &push_;
  commands_.pause = &pause();
  commands_.slow_log = &slow_log();
  commands_.recent = &recent_;
  commands_.moves = &moves_;
  commands_.locks = &locks_;
  commands_.sagas = &sagas_;
  commands_.set_groups = &set_groups_;
  commands_.scripts = &server_.state(pool_).scripts;
  commands_.script_teller = &server_.state(pool_).scripts;
  commands_.script_rights = &script_rights_;
  commands_.modules = &server_.state(pool_).modules;
  if (snapshot->move != nullptr) {
    Switch(std::move(snapshot), std::move(movers));
  } else {
    router_.Use(std::move(snapshot));
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
  worker_.metrics_.accepted.Add();
  worker_.metrics_.clients.Add();
  if (worker_.draining_) session->Drain();
}

void PoolWorker::AddMoved(MovedClient& client, bool pulled) {
  auto* session = new Session(sessions_, client);
  all_.PushBack(*session);
  RenewUser(access(), session->view(), false);  // on its way it was out of ACL SETUSER's sight
  worker_.metrics_.moved_in.Add();
  if (pulled) worker_.metrics_.pulled_in.Add();
  worker_.metrics_.clients.Add();
  if (worker_.draining_) session->Drain();
}

std::shared_ptr<MovedClient> PoolWorker::Release(Session& session) {
  std::shared_ptr<MovedClient> client = session.Depart();
  IntrusiveList<Session, AllTag>::Remove(session);
  delete &session;
  worker_.metrics_.moved_out.Add();
  worker_.metrics_.clients.Subtract(1);
  worker_.clients_.fetch_sub(1, std::memory_order_relaxed);
  return client;
}

void PoolWorker::Configure(const SessionLimits& limits, ProxyFacts facts) {
  limits_ = limits;
  facts_ = std::move(facts);
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
  moves_.Freeze(std::move(move), worker_.loop_.Now(), std::move(drained));
  if (moves_.freezing()) freeze_poll_.StartEvery(std::chrono::milliseconds(1));
}

void PoolWorker::Switch(std::shared_ptr<const RouteSnapshot> snapshot,
                        std::shared_ptr<MoverSet> movers) {
  movers_ = std::move(movers);
  const std::shared_ptr<const RingMove> move = snapshot->move;
  router_.Use(std::move(snapshot));
  moves_.Switch(move);
  push_.TopologyChanged();
}

void PoolWorker::Settle(std::shared_ptr<const RouteSnapshot> snapshot) {
  router_.Use(std::move(snapshot));
  moves_.Settle();
  push_.TopologyChanged();
  movers_.reset();
}

void PoolWorker::Pull(uint64_t epoch, uint32_t old_owner, int database, std::string key,
                      Pulling pulling) {
  Mover* mover = nullptr;
  if (movers_ != nullptr && movers_->context.move->epoch() == epoch) mover = movers_->Of(old_owner);
  if (mover == nullptr) return pulling.done("nobody moves it; try again");
  puller_.Pull(movers_, *mover, database, std::move(key), std::move(pulling));
}

void PoolWorker::HoldTransfers(std::function<void(Result<Resume>)> done) {
  if (movers_ == nullptr) return done(Resume([] {}));
  struct Round {
    std::shared_ptr<MoverSet> set;
    size_t left;
    std::string trouble;
    std::function<void(Result<Resume>)> done;
  };
  auto round = std::make_shared<Round>(Round{movers_, movers_->movers.size(), "", std::move(done)});
  const auto resume = [set = movers_] {
    for (const auto& mover : set->movers) mover->Release();
  };
  for (const auto& mover : movers_->movers) {
    mover->Hold([home = &worker_, round, resume](const std::string& trouble) {
      home->mailbox().Post([round, resume, trouble] {
        if (!trouble.empty()) round->trouble = trouble;
        if (--round->left > 0) return;
        if (round->trouble.empty()) return round->done(Resume(resume));
        resume();
        round->done(Error{ErrorCode::kUnavailable, round->trouble});
      });
    });
  }
}

void PoolWorker::Rebalance(std::vector<std::string> words,
                           std::function<void(Result<std::string>)> done) {
  server_.RebalanceFor(worker_.index(), pool_, std::move(words), std::move(done));
}

AccessControl& PoolWorker::access() { return server_.state(pool_).access; }
SlowLog& PoolWorker::slow_log() { return server_.state(pool_).slow_log; }
Pause& PoolWorker::pause() { return server_.state(pool_).pause; }

void PoolWorker::ResetStatistics() {
  for (CommandMetrics& command : worker_.metrics_.per_command) command.Reset();
  worker_.metrics_.error_replies.Set(0);
}

void PoolWorker::EndPause() {
  EachSession([](Session& session) { session.EndPause(); });
}

void PoolWorker::RenewUsers(uint64_t asker) {
  EachClient([this, asker](ClientView& client) {
    RenewUser(access(), client, client.state().id == asker);
  });
}

void PoolWorker::Tick(TimePoint now) {
  if (pause().what() != Pause::What::kNothing && pause().over(now)) pause().End();
  if (pause().what() == Pause::What::kNothing && worker_.metrics_.paused.value() > 0) EndPause();
  router_.Tick(now);
  if (worker_.index() == 0) router_.Greet();
  locks_.Tick(now);
  sagas_.Tick(now);
  set_groups_.Tick(now);
  script_rights_.Tick(now);
  puller_.Tick(now);
  push_.Tick(now);
  std::erase_if(timers_, [](const auto& timer) { return timer->done; });
}

void PoolWorker::CheckIdle(TimePoint now) {
  if (limits_.idle_timeout <= Duration(0)) return;
  for (Session* session = all_.front(); session != nullptr; session = all_.next(*session)) {
    session->CheckIdle(now);
  }
}

void PoolWorker::FreeClosed() {
  while (Session* session = closed_.PopFront()) {
    IntrusiveList<Session, AllTag>::Remove(*session);
    if (!worker_.departures_.empty()) [[unlikely]]
      worker_.departures_.Forget(*session);
    delete session;
    worker_.metrics_.clients.Subtract(1);
    worker_.clients_.fetch_sub(1, std::memory_order_relaxed);
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

TimePoint PoolWorker::Now() { return worker_.loop_.Now(); }
uint32_t PoolWorker::max_clients() const { return server_.max_clients(); }
uint32_t PoolWorker::possible_clients() const { return Server::possible_clients(); }
void PoolWorker::SetMaxClients(uint32_t count) { server_.SetMaxClients(count); }

void PoolWorker::VisitWorkers(Visit visit, std::function<void(std::vector<std::string>)> done) {
  server_.VisitWorkers(pool_, worker_.index(), visit, std::move(done));
}

void PoolWorker::After(Duration delay, std::function<void()> then) {
  timers_.push_back(std::make_unique<Delayed>(worker_.loop_, std::move(then)));
  timers_.back()->timer.StartOnce(delay);
}

void PoolWorker::SetBackground(std::shared_ptr<const BackgroundClass> commands) {
  background_ = std::move(commands);
  commands_.background = background_.get();
}

void PoolWorker::SetSagaRules(std::shared_ptr<const SagaRules> rules) {
  saga_rules_ = std::move(rules);
  commands_.saga_rules = saga_rules_.get();
}

void PoolWorker::AwaitTurn(std::string name, Turn turn) {
  server_.jobs().AwaitTurn(worker_, std::move(name), std::move(turn));
}

void PoolWorker::Jobs(JobOrder order, std::function<void(Result<std::vector<JobFigures>>)> done) {
  server_.jobs().Carry(worker_, order, std::move(done));
}

void PoolWorker::Reload(uint64_t asker, std::function<void(Result<std::string>)> done) {
  server_.ReloadFor(worker_.index(), asker, std::move(done));
}

void PoolWorker::Journal(bool verify, std::function<void(Result<std::string>)> done) {
  server_.JournalFor(worker_.index(), verify, std::move(done));
}

size_t PoolWorker::index() const { return worker_.index(); }

void PoolWorker::EachClient(const std::function<void(ClientView&)>& visit) {
  for (Session* session = all_.front(); session != nullptr; session = all_.next(*session)) {
    if (!session->closed()) visit(session->view());
  }
}

const WorkerMetrics& PoolWorker::metrics() const { return worker_.metrics_; }

}  // namespace ringmaster
