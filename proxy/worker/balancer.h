// Keeps the workers evenly loaded: reads how busy each is, asks them what their clients cost when
// it is worth while, and orders the migrations that schedule/balance_planner.h plans.
//
// Load is processor time: on a machine with fewer cores than busy threads, waiting for a core says
// nothing about a worker's clients.
//
// Push: every balance.interval. Pull: a worker about to sleep while another is overloaded asks for
// a client at once. What a client costs is measured over a short sample, so that what it did an
// hour ago does not count. Clients that are few and need little are all on one worker meanwhile
// (schedule/gathering.h).
//
// Owner: the WorkerGroup, on the main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "net/timer.h"
#include "schedule/balance_planner.h"
#include "schedule/gathering.h"
#include "worker/colleagues.h"
#include "worker/options.h"
#include "worker/worker.h"

namespace ringmaster {

class Loop;
class Mailbox;

class Balancer {
 public:
  // `main`, `mailbox`: of the main thread. Keeps `overloaded` as it is just now. What it borrows
  // outlives it.
  Balancer(Loop& main, Mailbox& mailbox, const std::vector<std::unique_ptr<Worker>>& workers,
           Overloaded& overloaded);
  Balancer(const Balancer&) = delete;
  Balancer& operator=(const Balancer&) = delete;

  // At start and with each reload.
  void Configure(const BalanceOptions& options);
  void Stop();

  // A worker about to sleep asks for one of the overloaded one's.
  void AskForClient(size_t thief);
  // Where a client that arrives besides `clients` others belongs; nullopt: where the fewest are.
  std::optional<size_t> HomeOf(size_t clients) const;
  void OnStayed(uint64_t client) { planner_.Undo(Move{client, 0, 0}); }

 private:
  enum class Phase : uint8_t { kResting, kSampling, kAsking };
  void Measure();
  void BeginSample(Duration length);
  void AskForReports();
  void Decide();
  void Gather(TimePoint now);
  void Shuffle();
  void AskForCosts(Worker& worker, uint64_t sample);
  void OnReport(size_t worker, CostReport report);
  static void OrderAllTo(Worker& worker, size_t to);

  Mailbox& mailbox_;
  const std::vector<std::unique_ptr<Worker>>& workers_;
  Overloaded& overloaded_;
  const bool shuffle_;
  BalanceOptions options_;
  BalancePlanner planner_;
  Gathering gathering_;
  TimePoint gather_at_{};  // not earlier again
  Timer interval_;
  Timer sample_end_;
  Phase phase_ = Phase::kResting;
  std::vector<Duration> worked_;  // by worker, when last measured
  TimePoint measured_at_{};
  std::vector<double> busy_;  // over the last interval
  std::vector<bool> asking_;  // workers that want a client
  std::vector<CostReport> reports_;
  size_t reports_due_ = 0;
  uint64_t sample_ = 0;
};

}  // namespace ringmaster
