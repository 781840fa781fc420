// Which connections should move to which worker, so that no worker is much busier than the others.
// Only the plan: who moves them, and when they are quiet enough to be moved, is the worker's
// matter.
//
// Push: when the busiest worker has more than 1 + threshold times the mean, connections move from
// the busiest to the least busy, each time the one that evens out the two best, until the plan
// predicts balance. Pull: a worker with nothing to do takes one connection from an overloaded one.
// Hysteresis: no connection moves twice within `rest`, a plan must lower the busiest worker by
// `gain` of its load, and so must a single pull; after a plan the next waits for `settle`, so that
// it sees loads which the moved connections are part of. A plan may consist of many connections
// that each carry little; what counts is what it gains as a whole, and it holds no move without
// gain.
//
// Owner: the balancer, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"

namespace ringmaster {

struct BalanceRule {
  double threshold = 0.15;   // of the mean
  double gain = 0.02;        // of the busiest worker's load
  double least_load = 0.05;  // of a worker's time; below that nobody is too busy
  double overloaded = 0.5;   // of a worker's time: from here on it may be pulled from
  Duration rest = std::chrono::seconds(1);
  Duration settle = std::chrono::milliseconds(200);
  size_t moves = 256;  // of one plan at most
  bool operator==(const BalanceRule&) const = default;
};

// As measured over the last interval. Loads are shares of one worker's time, 0 to 1.
struct ConnectionLoad {
  uint64_t id = 0;
  double load = 0;
  bool stays = false;  // in a stateful mode
};
struct WorkerLoad {
  double busy = 0;
  std::vector<ConnectionLoad> connections;
};

struct Move {
  uint64_t connection = 0;
  size_t from = 0;
  size_t to = 0;
  bool operator==(const Move&) const = default;
};

class BalancePlanner {
 public:
  explicit BalancePlanner(const BalanceRule& rule = {}) : rule_(rule) {}
  BalancePlanner(const BalancePlanner&) = delete;
  BalancePlanner& operator=(const BalancePlanner&) = delete;

  // Whether it is worth while to gather the connections' loads for a Plan.
  bool Uneven(std::span<const double> busy, TimePoint now) const;
  // What to push. The moves count as made; Undo those that could not be made.
  std::vector<Move> Plan(std::span<const WorkerLoad> workers, TimePoint now);
  // What the idle worker `thief` should take, if anything.
  std::optional<Move> Pull(std::span<const WorkerLoad> workers, size_t thief, TimePoint now);
  void Undo(const Move& move) { moved_.erase(move.connection); }

  void set_rule(const BalanceRule& rule) { rule_ = rule; }

 private:
  bool Rests(uint64_t connection, TimePoint now) const;
  void Note(const Move& move, TimePoint now);
  void Forget(TimePoint now);
  std::vector<ConnectionLoad> Movable(const WorkerLoad& worker, TimePoint now) const;

  BalanceRule rule_;
  std::unordered_map<uint64_t, TimePoint> moved_;  // within the last `rest`
  TimePoint settled_at_ = TimePoint::min();
};

// The busiest worker's load over the mean; 1 when there is no load.
double Imbalance(std::span<const double> busy);

}  // namespace ringmaster
