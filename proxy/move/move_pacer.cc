#include "move/move_pacer.h"

#include <algorithm>
#include <utility>

namespace ringmaster {
namespace {

constexpr double kLeastFloor = 0.01;

MovePaceRule RuleOf(double floor) {
  MovePaceRule rule;
  rule.floor = std::clamp(floor, kLeastFloor, rule.most);
  return rule;
}

}  // namespace

MovePacer::MovePacer(ClientFigures clients, double floor, size_t movers)
    : clients_(std::move(clients)), pace_(RuleOf(floor), movers) {
  if (clients_.latency) seen_ = clients_.latency();
}

MovePace::Turn MovePacer::Ask(size_t mover, bool urgent) {
  const MutexLock lock(mutex_);
  while (true) {
    const TimePoint now = MonotonicNow();
    const MovePace::Turn turn = pace_.Ask(mover, urgent, now);
    if (turn.what != MovePace::Do::kLook) return turn;
    Look(now);
  }
}

void MovePacer::Look(TimePoint now) {
  since_.clear();
  if (clients_.latency) {
    const HistogramSnapshot seen = clients_.latency();
    for (size_t i = 0; i < Histogram::kBuckets; ++i) {
      if (seen.bucket(i) <= seen_.bucket(i)) continue;
      since_.push_back({static_cast<uint32_t>(std::min<uint64_t>(Histogram::UpperBound(i), ~0U)),
                        static_cast<uint32_t>(seen.bucket(i) - seen_.bucket(i))});
    }
    seen_ = seen;
  }
  if (clients_.busiest) pace_.OnBusiest(clients_.busiest());
  pace_.OnLatencies(since_, now);
}

void MovePacer::OnStep(Duration took) {
  const MutexLock lock(mutex_);
  pace_.OnStep(took);
}

void MovePacer::OnRoundTrip(uint32_t shard, Duration took) {
  const MutexLock lock(mutex_);
  pace_.OnRoundTrip(shard, took);
}

void MovePacer::set_floor(double floor) {
  const MutexLock lock(mutex_);
  pace_.set_floor(RuleOf(floor).floor);
}

MovePacer::Figures MovePacer::figures() const {
  const MutexLock lock(mutex_);
  const double share = pace_.alone() ? 1 : pace_.share();
  return {.alone = pace_.alone(), .share = share, .past_p99 = pace_.past_p99()};
}

}  // namespace ringmaster
