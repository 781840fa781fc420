#include "worker/worker_group.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "resp/errors.h"

namespace ringmaster {

WorkerGroup::WorkerGroup(size_t workers, const CommandTable& table, const TurnOptions& turns,
                         Loop& main, Mailbox& mailbox, const WorkerServices& services)
    : table_(table),
      mailbox_(mailbox),
      services_(services),
      balancer_(main, mailbox, workers_, overloaded_) {
  for (size_t i = 0; i < workers; ++i) {
    Colleagues& others = *this;
    workers_.push_back(std::make_unique<Worker>(i, table, turns, others, services_));
  }
}

// They look at each other until the last of them has ended.
WorkerGroup::~WorkerGroup() { workers_.clear(); }

// Who locks a key on one worker hears of all in one order; with one worker there is no way to go.
LockService::Post WorkerGroup::PostToLocks(size_t pool) {
  return [this, pool](size_t worker, std::function<void(LockParticipant&)> message) {
    Worker* at = workers_[worker].get();
    if (workers_.size() == 1) return message(at->pool(pool).lock_participant());
    at->mailbox().Post(
        [at, pool, message = std::move(message)] { message(at->pool(pool).lock_participant()); });
  };
}

Pool& WorkerGroup::AddPool() {
  pools_.push_back(std::make_unique<Pool>(table_, workers_.size(), PostToLocks(pools_.size())));
  return *pools_.back();
}

void WorkerGroup::Serve(size_t pool, const PoolSettings& settings, const PoolRoute& route) {
  for (const auto& worker : workers_) worker->AddPool(*pools_[pool], settings, route);
}

void WorkerGroup::Start() {
  for (const auto& worker : workers_) worker->Start();
}

// Equal numbers of clients on every worker, whatever the order of their coming and going.
Worker& WorkerGroup::LeastLoaded() {
  size_t best = next_worker_;
  for (size_t i = 0; i < workers_.size(); ++i) {
    const size_t at = (next_worker_ + i) % workers_.size();
    if (workers_[at]->clients().load(std::memory_order_relaxed) <
        workers_[best]->clients().load(std::memory_order_relaxed)) {
      best = at;
    }
  }
  next_worker_ = (best + 1) % workers_.size();
  return *workers_[best];
}

void WorkerGroup::TurnAway(int fd, bool plain, const std::string& why) {
  static LogLimiter limiter;
  uint64_t held = 0;
  workers_[0]->NoteRefused();
  if (limiter.Allow(MonotonicNow(), &held)) LogWarning("refused a client: {} ({} more)", why, held);
  const std::string error = errors::MaxClients();
  if (plain) (void)!send(fd, error.data(), error.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  close(fd);
}

void WorkerGroup::Accept(int fd, size_t pool, const std::shared_ptr<TlsContext>& tls) {
  const size_t others = clients();
  const std::string refusal = services_.clients.Refusal(others, fd);
  if (!refusal.empty()) return TurnAway(fd, tls == nullptr, refusal);
  const std::optional<size_t> home = balancer_.HomeOf(others);
  Worker& worker = home ? *workers_[*home] : LeastLoaded();
  worker.clients().fetch_add(1, std::memory_order_relaxed);
  const uint64_t id = next_client_++;
  worker.mailbox().Post([&worker, pool, fd, id, tls] { worker.pool(pool).AddClient(fd, id, tls); });
}

void WorkerGroup::Post(size_t pool, const std::function<void(PoolWorker&)>& message) {
  const MutexLock lock(migrations_);
  for (const auto& worker : workers_) {
    Worker* at = worker.get();
    at->mailbox().Post([at, pool, message] { message(at->pool(pool)); });
  }
}

void WorkerGroup::SetTurns(const TurnOptions& turns) {
  const MutexLock lock(migrations_);
  for (const auto& worker : workers_) {
    Worker* at = worker.get();
    at->mailbox().Post([at, turns] { at->SetTurns(turns); });
  }
}

void WorkerGroup::Drain(bool now) {
  balancer_.Stop();
  const MutexLock lock(migrations_);
  stopping_ = true;
  for (const auto& worker : workers_) {
    Worker* at = worker.get();
    at->mailbox().Post([at, now] { at->Drain(now); });
  }
}

void WorkerGroup::Join() {
  for (const auto& worker : workers_) worker->Join();
}

void WorkerGroup::Stop() {
  Drain(true);
  Join();
  for (const auto& pool : pools_) pool->locks.Stop();
}

size_t WorkerGroup::clients() const {
  size_t sum = 0;
  for (const auto& worker : workers_) sum += worker->clients().load(std::memory_order_relaxed);
  return sum;
}

size_t WorkerGroup::requests() const {
  size_t sum = 0;
  for (const auto& worker : workers_) sum += worker->metrics().in_flight.value();
  return sum;
}

HistogramSnapshot WorkerGroup::latency() const {
  HistogramSnapshot sum;
  for (const auto& worker : workers_) sum.Add(worker->metrics().latencies[1]);
  return sum;
}

double WorkerGroup::busiest() const {
  uint64_t permille = 0;
  for (const auto& worker : workers_) {
    permille = std::max(permille, worker->metrics().busy_permille.value());
  }
  return static_cast<double>(permille) / 1000;
}

void WorkerGroup::AskForClient(size_t thief) {
  mailbox_.Post([this, thief] { balancer_.AskForClient(thief); });
}

TimePoint WorkerGroup::InteractiveElsewhere(size_t worker) const {
  TimePoint latest = TimePoint::min();
  for (const auto& each : workers_) {
    if (each->index() != worker) latest = std::max(latest, each->interactive_at());
  }
  return latest;
}

bool WorkerGroup::HandOver(const MigrationOrder& order, size_t pool, const Release& release) {
  Worker& to = *workers_[order.to];
  const MutexLock lock(migrations_);
  if (visits_ > 0 || stopping_) return false;
  const std::shared_ptr<MovedClient> client = release();
  to.clients().fetch_add(1, std::memory_order_relaxed);
  to.mailbox().Post(
      [&to, client, pool, pulled = order.pulled] { to.pool(pool).AddMoved(*client, pulled); });
  return true;
}

void WorkerGroup::NoteStayed(uint64_t client) {
  mailbox_.Post([this, client] { balancer_.OnStayed(client); });
}

void WorkerGroup::VisitPool(size_t pool, size_t asking, const Proxy::Visit& visit,
                            std::function<void(std::vector<std::string>)> done) {
  struct Round {
    std::vector<std::string> reports;
    size_t left;
    std::function<void(std::vector<std::string>)> done;
  };
  auto round = std::make_shared<Round>();
  round->reports.resize(workers_.size());
  round->left = workers_.size();
  round->done = std::move(done);
  Worker* home = workers_[asking].get();
  const MutexLock lock(migrations_);
  ++visits_;
  for (const auto& worker : workers_) {
    Worker* at = worker.get();
    at->mailbox().Post([this, at, home, pool, visit, round] {
      std::string report;
      visit(at->pool(pool), report);
      home->mailbox().Post([this, at, round, report = std::move(report)] {
        round->reports[at->index()] = report;
        if (--round->left > 0) return;
        EndVisit();
        round->done(std::move(round->reports));
      });
    });
  }
}

void WorkerGroup::EndVisit() {
  const MutexLock lock(migrations_);
  --visits_;
}

}  // namespace ringmaster
