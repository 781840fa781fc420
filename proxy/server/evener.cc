#include "server/evener.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "server/server.h"

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

Evener::Evener(Server& server, Loop& loop)
    : server_(server),
      shuffle_(std::getenv("RINGMASTER_SHUFFLE_CLIENTS") != nullptr),
      interval_(loop, [this] { Measure(); }),
      sample_end_(loop, [this] { AskForReports(); }) {}

void Evener::Configure(const BalanceConfig& config) {
  config_ = config;
  BalanceRule rule;
  rule.threshold = config.threshold;
  rule.settle = std::max(rule.settle, 2 * config.interval);
  planner_.set_rule(rule);
  GatheringRule gathering;
  gathering.clients = config.push ? config.gather : 0;
  gathering_.set_rule(gathering);
  overloaded_.store(-1, std::memory_order_relaxed);
  if (server_.worker_count() < 2 || !(config.push || config.pull)) return Stop();
  worked_.assign(server_.worker_count(), Duration(0));
  asking_.assign(server_.worker_count(), false);
  measured_at_ = TimePoint{};
  interval_.StartEvery(config.interval);
}

void Evener::Stop() {
  interval_.Stop();
  sample_end_.Stop();
  phase_ = Phase::kResting;
}

void Evener::Measure() {
  const TimePoint now = MonotonicNow();
  const Duration span = now - measured_at_;
  const bool first = measured_at_ == TimePoint{};
  measured_at_ = now;
  busy_.resize(worked_.size());
  size_t clients = 0;
  for (size_t i = 0; i < worked_.size(); ++i) {
    Worker& worker = server_.worker(i);
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
  const bool pullable = config_.pull && *busiest >= rule.overloaded;
  overloaded_.store(pullable ? static_cast<int>(busiest - busy_.begin()) : -1,
                    std::memory_order_relaxed);
  if (phase_ == Phase::kSampling && !sample_end_.active()) return AskForReports();
  if (phase_ == Phase::kResting && config_.push && planner_.Uneven(busy_, now)) {
    BeginSample(Duration(0));
  }
}

// Zero: until the next Measure.
void Evener::BeginSample(Duration length) {
  phase_ = Phase::kSampling;
  ++sample_;
  for (size_t i = 0; i < server_.worker_count(); ++i) server_.AskForCosts(i, 0);
  if (length > Duration(0)) sample_end_.StartOnce(length);
}

void Evener::AskForReports() {
  phase_ = Phase::kAsking;
  reports_.assign(server_.worker_count(), CostReport());
  reports_due_ = reports_.size();
  for (size_t i = 0; i < reports_.size(); ++i) server_.AskForCosts(i, sample_);
}

void Evener::AskForClient(size_t thief) {
  if (!config_.pull || !interval_.active() || thief >= asking_.size()) return;
  asking_[thief] = true;
  if (phase_ == Phase::kResting) BeginSample(std::min(kShortSample, config_.interval));
}

void Evener::OnReport(size_t worker, CostReport report) {
  if (phase_ != Phase::kAsking || report.sample != sample_ || worker >= reports_.size()) return;
  reports_[worker] = std::move(report);
  if (--reports_due_ == 0) Decide();
}

void Evener::Decide() {
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
  std::vector<std::vector<MoveOrder>> orders(loads.size());
  bool planned = false;
  if (config_.push) {
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
    if (planned || !config_.pull) continue;
    if (const auto move = planner_.Pull(loads, thief, now)) {
      LogDebug("client {} is pulled from worker {} (busy {:.2f}) by worker {}, which was to sleep",
               move->connection, move->from, busy_[move->from], move->to);
      orders[move->from].push_back({move->connection, move->to, true});
      planned = true;  // the loads are others now
    }
  }
  for (size_t i = 0; i < orders.size(); ++i) {
    if (!orders[i].empty()) server_.OrderMoves(i, std::move(orders[i]));
  }
}

// Those that are elsewhere come home, as far as their state allows; once in a while, for the sake
// of those that cannot.
void Evener::Gather(TimePoint now) {
  overloaded_.store(-1, std::memory_order_relaxed);
  phase_ = Phase::kResting;
  sample_end_.Stop();
  if (now < gather_at_) return;
  for (size_t i = 0; i < worked_.size(); ++i) {
    if (i == Gathering::kHome || server_.worker(i).clients().load() == 0) continue;
    server_.OrderAllTo(i, Gathering::kHome);
    gather_at_ = now + kBetweenGatherings;
  }
}

std::optional<size_t> Evener::HomeOf(size_t clients) const {
  if (!interval_.active() || !gathering_.Takes(clients)) return std::nullopt;
  return Gathering::kHome;
}

// For tests: every client goes to the next worker, each time.
void Evener::Shuffle() {
  const size_t workers = server_.worker_count();
  for (size_t i = 0; i < workers; ++i) server_.OrderAllTo(i, (i + 1) % workers);
}

}  // namespace ringmaster
