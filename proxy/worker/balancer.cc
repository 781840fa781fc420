#include "worker/balancer.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "net/mailbox.h"

namespace ringmaster {
namespace {

constexpr Duration kBetweenGatherings = std::chrono::seconds(1);
constexpr Duration kShortSample = std::chrono::milliseconds(10);  // for a worker that waits

double Share(Duration part, Duration whole) {
  if (whole <= Duration(0)) return 0;
  return std::clamp(static_cast<double>(part.count()) / static_cast<double>(whole.count()), 0.0,
                    1.0);
}

}  // namespace

Balancer::Balancer(Loop& main, Mailbox& mailbox,
                   const std::vector<std::unique_ptr<Worker>>& workers, Overloaded& overloaded)
    : mailbox_(mailbox),
      workers_(workers),
      overloaded_(overloaded),
      shuffle_(std::getenv("RINGMASTER_SHUFFLE_CLIENTS") != nullptr),
      interval_(main, [this] { Measure(); }),
      sample_end_(main, [this] { AskForReports(); }) {}

void Balancer::Configure(const BalanceOptions& options) {
  options_ = options;
  BalanceRule rule;
  rule.threshold = options.threshold;
  rule.settle = std::max(rule.settle, 2 * options.interval);
  planner_.set_rule(rule);
  GatheringRule gathering;
  gathering.clients = options.push ? options.gather : 0;
  gathering_.set_rule(gathering);
  overloaded_.Set(Overloaded::kNobody);
  if (workers_.size() < 2 || !(options.push || options.pull)) return Stop();
  worked_.assign(workers_.size(), Duration(0));
  asking_.assign(workers_.size(), false);
  measured_at_ = TimePoint{};
  interval_.StartEvery(options.interval);
}

void Balancer::Stop() {
  interval_.Stop();
  sample_end_.Stop();
  phase_ = Phase::kResting;
}

void Balancer::Measure() {
  const TimePoint now = MonotonicNow();
  const Duration span = now - measured_at_;
  const bool first = measured_at_ == TimePoint{};
  measured_at_ = now;
  busy_.resize(worked_.size());
  size_t clients = 0;
  for (size_t i = 0; i < worked_.size(); ++i) {
    Worker& worker = *workers_[i];
    const Duration worked = worker.ProcessorTime();
    busy_[i] = Share(worked - std::exchange(worked_[i], worked), span);
    clients += worker.clients().load(std::memory_order_relaxed);
  }
  if (first) return;
  if (shuffle_) return Shuffle();
  gathering_.Update(clients, busy_, now);
  if (gathering_.together()) return Gather(now);
  const BalanceRule rule;
  const auto busiest = std::max_element(busy_.begin(), busy_.end());
  const bool pullable = options_.pull && *busiest >= rule.overloaded;
  overloaded_.Set(pullable ? static_cast<int>(busiest - busy_.begin()) : Overloaded::kNobody);
  if (phase_ == Phase::kSampling && !sample_end_.active()) return AskForReports();
  if (phase_ == Phase::kResting && options_.push && planner_.Uneven(busy_, now)) {
    BeginSample(Duration(0));
  }
}

// Zero: until the next Measure.
void Balancer::BeginSample(Duration length) {
  phase_ = Phase::kSampling;
  ++sample_;
  for (const auto& worker : workers_) AskForCosts(*worker, 0);
  if (length > Duration(0)) sample_end_.StartOnce(length);
}

void Balancer::AskForReports() {
  phase_ = Phase::kAsking;
  reports_.assign(workers_.size(), CostReport());
  reports_due_ = reports_.size();
  for (const auto& worker : workers_) AskForCosts(*worker, sample_);
}

// Zero: a sample begins, and nobody reports.
void Balancer::AskForCosts(Worker& worker, uint64_t sample) {
  worker.mailbox().Post([this, &worker, sample] {
    CostReport report = worker.TakeCosts();
    if (sample == 0) return;
    report.sample = sample;
    mailbox_.Post(
        [this, index = worker.index(), report = std::move(report)] { OnReport(index, report); });
  });
}

void Balancer::OrderAllTo(Worker& worker, size_t to) {
  worker.mailbox().Post([&worker, to] { worker.MigrateAll(to); });
}

void Balancer::AskForClient(size_t thief) {
  if (!options_.pull || !interval_.active() || thief >= asking_.size()) return;
  asking_[thief] = true;
  if (phase_ == Phase::kResting) BeginSample(std::min(kShortSample, options_.interval));
}

void Balancer::OnReport(size_t worker, CostReport report) {
  if (phase_ != Phase::kAsking || report.sample != sample_ || worker >= reports_.size()) return;
  reports_[worker] = std::move(report);
  if (--reports_due_ == 0) Decide();
}

void Balancer::Decide() {
  phase_ = Phase::kResting;
  const TimePoint now = MonotonicNow();
  std::vector<WorkerLoad> loads(reports_.size());
  for (size_t i = 0; i < loads.size(); ++i) {
    loads[i].busy = busy_[i];
    const auto total = static_cast<double>(std::max<uint64_t>(reports_[i].total, 1));
    for (const CostReport::Client& client : reports_[i].clients) {
      loads[i].connections.push_back({client.id, busy_[i] * client.cost / total, client.stays});
    }
  }
  std::vector<std::vector<MigrationOrder>> orders(loads.size());
  bool planned = false;
  if (options_.push) {
    for (const Move& move : planner_.Plan(loads, now)) {
      LogDebug("client {} is pushed from worker {} (busy {:.2f}) to worker {} (busy {:.2f})",
               move.connection, move.from, busy_[move.from], move.to, busy_[move.to]);
      orders[move.from].push_back({move.connection, move.to, false});
      planned = true;
    }
  }
  for (size_t thief = 0; thief < loads.size(); ++thief) {
    if (!asking_[thief]) continue;
    asking_[thief] = false;
    if (planned || !options_.pull) continue;
    if (const auto move = planner_.Pull(loads, thief, now)) {
      LogDebug("client {} is pulled from worker {} (busy {:.2f}) by worker {}, which was to sleep",
               move->connection, move->from, busy_[move->from], move->to);
      orders[move->from].push_back({move->connection, move->to, true});
      planned = true;  // the loads are others now
    }
  }
  for (size_t i = 0; i < orders.size(); ++i) {
    if (orders[i].empty()) continue;
    Worker* at = workers_[i].get();
    at->mailbox().Post([at, all = std::move(orders[i])] { at->Migrate(all); });
  }
}

// Those that are elsewhere come home, as far as their state allows; once in a while, for the sake
// of those that cannot.
void Balancer::Gather(TimePoint now) {
  overloaded_.Set(Overloaded::kNobody);
  phase_ = Phase::kResting;
  sample_end_.Stop();
  if (now < gather_at_) return;
  for (size_t i = 0; i < worked_.size(); ++i) {
    if (i == Gathering::kHome || workers_[i]->clients().load() == 0) continue;
    OrderAllTo(*workers_[i], Gathering::kHome);
    gather_at_ = now + kBetweenGatherings;
  }
}

std::optional<size_t> Balancer::HomeOf(size_t clients) const {
  if (!interval_.active() || !gathering_.Takes(clients)) return std::nullopt;
  return Gathering::kHome;
}

// For tests: every client goes to the next worker, each time.
void Balancer::Shuffle() {
  const size_t workers = workers_.size();
  for (size_t i = 0; i < workers; ++i) OrderAllTo(*workers_[i], (i + 1) % workers);
}

}  // namespace ringmaster
