// Whether all clients sit on one worker. Few clients that need little gain nothing from several
// threads: together they wake one thread instead of many, its writes carry more requests each, and
// what one client sends after another has sent arrives after it, as with one Redis.
//
// They part as soon as they are more than `clients` or keep their worker busier than `full`. They
// gather again when they have been few, and all workers together less busy than `fits`, for `calm`.
//
// Owner: the balancer, one thread.
#pragma once

#include <cstddef>
#include <span>

#include "base/clock.h"

namespace ringmaster {

struct GatheringRule {
  size_t clients = 8;  // 0: they never gather
  double fits = 0.4;   // of one worker's time
  double full = 0.6;
  Duration calm = std::chrono::milliseconds(300);
};

class Gathering {
 public:
  // Where they gather.
  static constexpr size_t kHome = 0;

  void set_rule(const GatheringRule& rule) { rule_ = rule; }

  // After each measurement: clients of all workers, and each worker's busy share of its time.
  void Update(size_t clients, std::span<const double> busy, TimePoint now);
  bool together() const { return together_; }
  // Whether a client that arrives as number `clients` + 1 belongs to the home.
  bool Takes(size_t clients) const { return clients < rule_.clients && !full_; }

 private:
  GatheringRule rule_;
  bool together_ = false;
  bool full_ = false;
  TimePoint calm_since_ = TimePoint::max();
};

}  // namespace ringmaster
