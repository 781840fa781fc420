#include "backend/breaker.h"

#include <algorithm>

namespace ringmaster {

bool Breaker::AllowAttempt(TimePoint now) {
  // A healthy shard takes connections as they are needed; only a failing one is spared.
  if (failures_ == 0) return true;
  if (attempting_ && now - attempt_started_ < options_.longest_delay) return false;
  if (now < next_attempt_) return false;
  attempting_ = true;
  attempt_started_ = now;
  return true;
}

TimePoint Breaker::NextAttempt(TimePoint now) const {
  if (attempting_) return now + options_.first_delay;
  return std::max(now, next_attempt_);
}

void Breaker::OnSuccess() {
  failures_ = 0;
  attempting_ = false;
  next_attempt_ = TimePoint();
}

void Breaker::OnFailure(TimePoint now) {
  attempting_ = false;
  const int doublings = std::min(failures_, 20);
  failures_ = std::min(failures_ + 1, 1 << 20);
  const Duration ceiling =
      std::min(options_.longest_delay, options_.first_delay * (int64_t{1} << doublings));
  // Full jitter, but never at once: a tenth is the least.
  const auto jittered =
      static_cast<int64_t>(static_cast<double>(ceiling.count()) * (0.1 + 0.9 * random_.Fraction()));
  next_attempt_ = now + Duration(jittered);
}

void Breaker::OnRefusal(TimePoint now) {
  OnFailure(now);
  failures_ = std::max(failures_, options_.failures);
}

}  // namespace ringmaster
