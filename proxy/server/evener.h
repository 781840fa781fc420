// Keeps the workers evenly loaded: reads how busy each is, asks them what their clients cost when
// it is worth while, and orders the moves that schedule/balance_planner.h plans.
//
// Load is processor time: on a machine with fewer cores than busy threads, waiting for a core says
// nothing about a worker's clients.
//
// Push: every balance.interval. Pull: a worker about to sleep while another is overloaded asks for
// a client at once. What a client costs is measured over a short sample, so that what it did an
// hour ago does not count. Clients that are few and need little are all on one worker meanwhile
// (schedule/gathering.h).
//
// Owner: the server, on the main thread, except where it says "any thread".
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "config/config.h"
#include "net/timer.h"
#include "schedule/balance_planner.h"
#include "schedule/gathering.h"

namespace ringmaster {

class Loop;
class Server;

// What one worker's clients cost during a sample, in commands.
struct CostReport {
  struct Client {
    uint64_t id = 0;
    uint32_t cost = 0;
    bool stays = false;
  };
  uint64_t sample = 0;
  std::vector<Client> clients;  // the costliest, without those that cost nothing
  uint64_t total = 0;           // of all
};

class Evener {
 public:
  Evener(Server& server, Loop& loop);

  // At start and with each reload.
  void Configure(const BalanceConfig& config);
  void Stop();

  // A worker about to sleep may ask once in a while. Any thread.
  bool MayPull(size_t thief) const {
    const int busiest = overloaded_.load(std::memory_order_relaxed);
    return busiest >= 0 && static_cast<size_t>(busiest) != thief;
  }
  void AskForClient(size_t thief);
  void OnReport(size_t worker, CostReport report);
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

  Server& server_;
  const bool shuffle_;
  BalanceConfig config_;
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
  std::atomic<int> overloaded_{-1};  // a worker that may be pulled from; -1: none
};

}  // namespace ringmaster
