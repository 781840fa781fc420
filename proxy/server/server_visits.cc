// What the server passes between its workers: visits to all of them, and clients that move.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "server/pool_worker.h"
#include "server/server.h"

namespace ringmaster {

TimePoint Server::InteractiveElsewhere(size_t worker) const {
  TimePoint latest = TimePoint::min();
  for (const auto& each : workers_) {
    if (each->index() != worker) latest = std::max(latest, each->interactive_at());
  }
  return latest;
}

void Server::VisitWorkers(size_t pool, size_t asking, const Proxy::Visit& visit,
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
  const MutexLock lock(moves_);
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

void Server::PostToPool(size_t pool, const std::function<void(PoolWorker&)>& message) {
  const MutexLock lock(moves_);
  for (const auto& worker : workers_) {
    Worker* at = worker.get();
    at->mailbox().Post([at, pool, message] { message(at->pool(pool)); });
  }
}

HistogramSnapshot Server::ClientLatency() const {
  HistogramSnapshot sum;
  if (!workers_made_) return sum;
  for (const auto& worker : workers_) sum.Add(worker->metrics().latencies[1]);
  return sum;
}

ClientFigures Server::client_figures() const {
  const auto busiest = [this] {
    uint64_t permille = 0;
    if (!workers_made_) return 0.0;
    for (const auto& worker : workers_) {
      permille = std::max(permille, worker->metrics().busy_permille.value());
    }
    return static_cast<double>(permille) / 1000;
  };
  return {.latency = [this] { return ClientLatency(); }, .busiest = busiest};
}

void Server::RebalanceFor(size_t worker, size_t pool, std::vector<std::string> words,
                          std::function<void(Result<std::string>)> done) {
  Worker* home = workers_[worker].get();
  mailbox_.Post([this, home, pool, words = std::move(words), done = std::move(done)] {
    const auto tell = [home, done](const Result<std::string>& result) {
      home->mailbox().Post([done, result] { done(result); });
    };
    if (!words.empty() && EqualsIgnoreCase(words[0], "PLAN")) {
      return rebalancers_[pool]->Plan(words, tell);
    }
    tell(rebalancers_[pool]->Order(words));
  });
}

std::string Server::DescribeState() const {
  const Database::Figures figures = state_->figures();
  return fmt::format(
      "path: {}\nincarnation: {}\nrecords: {}\ntransactions: {}\nfailures: {}\ntrouble: {}\n",
      state_->path(), state_->incarnation(), figures.submissions, figures.transactions,
      figures.failures, state_->trouble());
}

void Server::JournalFor(size_t worker, bool verify, std::function<void(Result<std::string>)> done) {
  if (state_ == nullptr) return done(Error{ErrorCode::kUnavailable, why_no_state_});
  const auto tell = [this, done = std::move(done),
                     home = workers_[worker].get()](const Status& checked) {
    const Result<std::string> said =
        checked ? Result<std::string>(DescribeState()) : Result<std::string>(checked.error());
    home->mailbox().Post([done, said] { done(said); });
  };
  if (!verify) return tell(Done());
  // On the thread that writes: nobody waits for it but what is to be written next.
  state_->Submit([](DatabaseSession& session) { return Database::Check(session); }, tell);
}

void Server::EndVisit() {
  const MutexLock lock(moves_);
  --visits_;
}

void Server::NoteStayed(uint64_t client) {
  mailbox_.Post([this, client] { evener_.OnStayed(client); });
}

void Server::AskForCosts(size_t worker, uint64_t sample) {
  Worker* at = workers_[worker].get();
  at->mailbox().Post([this, at, sample] {
    CostReport report = at->TakeCosts();
    if (sample == 0) return;
    report.sample = sample;
    mailbox_.Post(
        [this, at, report = std::move(report)] { evener_.OnReport(at->index(), report); });
  });
}

void Server::OrderMoves(size_t worker, std::vector<MoveOrder> orders) {
  Worker* at = workers_[worker].get();
  at->mailbox().Post([at, orders = std::move(orders)] { at->Move(orders); });
}

void Server::OrderAllTo(size_t worker, size_t to) {
  Worker* at = workers_[worker].get();
  at->mailbox().Post([at, to] { at->MoveAll(to); });
}

void Server::AskForClient(size_t thief) {
  mailbox_.Post([this, thief] { evener_.AskForClient(thief); });
}

}  // namespace ringmaster
