#include "backend/shard_link.h"

#include <utility>

namespace ringmaster {
namespace {

constexpr Duration kForgotten = std::chrono::minutes(1);

const char* Meaning(ShardRefusal refusal) {
  switch (refusal) {
    case ShardRefusal::kReadOnly:
      return "READONLY: it is a replica, and gets no commands until it is a primary";
    case ShardRefusal::kLoading:
      return "LOADING: it reads its data from disk, and commands fail until it has";
    case ShardRefusal::kOutOfMemory:
      return "OOM: its maxmemory is reached, and writes fail until there is room";
    case ShardRefusal::kMisconf:
      return "MISCONF: it cannot write to its disk, and refuses writes";
    case ShardRefusal::kMasterDown:
      return "MASTERDOWN: it is a replica that has lost its primary";
    case ShardRefusal::kNoReplicas:
      return "NOREPLICAS: it has fewer replicas than it must have for writes";
  }
  return "";
}

}  // namespace

std::optional<ShardRefusal> RefusalOf(Bytes error) {
  constexpr std::pair<Bytes, ShardRefusal> kWords[] = {
      {"-READONLY ", ShardRefusal::kReadOnly},     {"-LOADING ", ShardRefusal::kLoading},
      {"-OOM ", ShardRefusal::kOutOfMemory},       {"-MISCONF ", ShardRefusal::kMisconf},
      {"-MASTERDOWN ", ShardRefusal::kMasterDown}, {"-NOREPLICAS ", ShardRefusal::kNoReplicas}};
  for (const auto& [word, refusal] : kWords) {
    if (error.starts_with(word)) return refusal;
  }
  return std::nullopt;
}

ShardLink::ShardLink(ShardAddress shard, const BackendLimits& limits, uint64_t seed,
                     std::shared_ptr<ShardPlace> place)
    : shard_(std::move(shard)),
      limits_(limits),
      place_(place != nullptr ? std::move(place) : std::make_shared<ShardPlace>(shard_.address)),
      breaker_(BreakerOptions{}, seed) {}

void ShardLink::OnSwitched() {
  const MutexLock lock(mutex_);
  breaker_.OnSuccess();
  last_error_.clear();
  failing_.store(false, std::memory_order_relaxed);
  facts_at_ = TimePoint{};
  role_ = Role();
}

bool ShardLink::AllowAttempt(TimePoint now) {
  if (!place_->open()) return false;
  const MutexLock lock(mutex_);
  return breaker_.AllowAttempt(now);
}

TimePoint ShardLink::NextAttempt(TimePoint now) {
  const MutexLock lock(mutex_);
  return breaker_.NextAttempt(now);
}

void ShardLink::OnConnected(TimePoint) {
  const MutexLock lock(mutex_);
  if (breaker_.failures() > 0) {
    LogInfo("shard {} at {} answers again", shard_.name, address().ToString());
  }
  breaker_.OnSuccess();
  last_error_.clear();
  failing_.store(false, std::memory_order_relaxed);
}

void ShardLink::OnFailure(TimePoint now, const std::string& why) {
  const MutexLock lock(mutex_);
  place_->Doubt();
  breaker_.OnFailure(now);
  last_error_ = why;
  failures_.fetch_add(1, std::memory_order_relaxed);
  const bool was_failing = failing_.exchange(breaker_.open(), std::memory_order_relaxed);
  uint64_t held = 0;
  if (breaker_.open() && !was_failing) {
    LogError("shard {} at {} is unavailable, its commands fail at once until it answers: {}",
             shard_.name, address().ToString(), why);
  } else if (log_limiter_.Allow(now, &held)) {
    LogWarning("shard {} at {}: {} ({} more since the last such line)", shard_.name,
               address().ToString(), why, held);
  }
}

void ShardLink::OnRefusal(ShardRefusal refusal, TimePoint now) {
  const TimePoint::rep at = now.time_since_epoch().count();
  const TimePoint::rep before =
      refused_at_[static_cast<size_t>(refusal)].exchange(at, std::memory_order_relaxed);
  if (before != 0 && Duration(at - before) < kForgotten) return;
  LogWarning("shard {} at {} answers {}; further ones are counted (shard_refusals)", shard_.name,
             address().ToString(), Meaning(refusal));
}

bool ShardLink::refused_lately(ShardRefusal refusal, TimePoint now) const {
  const TimePoint::rep at =
      refused_at_[static_cast<size_t>(refusal)].load(std::memory_order_relaxed);
  return at != 0 && now.time_since_epoch() - Duration(at) < kForgotten;
}

ShardLink::Role ShardLink::role() const {
  const MutexLock lock(mutex_);
  return role_;
}

void ShardLink::OnRole(TimePoint now, const RoleAnswer& said) {
  const MutexLock lock(mutex_);
  const RoleAnswer before = role_.said;
  if (role_.since == Duration(0) || before.role != said.role) {
    role_.since = std::chrono::system_clock::now().time_since_epoch();
  }
  role_.said = said;
  if (said.serves()) {
    if (!before.serves()) {
      LogInfo("shard {} at {}: {} again", shard_.name, address().ToString(), said.Text());
    }
    return;
  }
  breaker_.OnRefusal(now);
  last_error_ = said.Text();
  failures_.fetch_add(1, std::memory_order_relaxed);
  failing_.store(true, std::memory_order_relaxed);
  place_->Revoke();
  place_->Doubt();
  if (before == said) return;
  LogError("shard {} at {}: {}; it gets no commands until it is a primary", shard_.name,
           address().ToString(), said.Text());
}

std::string ShardLink::last_error() const {
  const MutexLock lock(mutex_);
  return last_error_;
}

std::shared_ptr<const ServerFacts> ShardLink::facts() const {
  const MutexLock lock(mutex_);
  return facts_;
}

bool ShardLink::WantsFacts(TimePoint now) const {
  const MutexLock lock(mutex_);
  return facts_ == nullptr || facts_at_ == TimePoint{} || now - facts_at_ >= kFactsFresh;
}

void ShardLink::OnLost() {
  const MutexLock lock(mutex_);
  facts_at_ = TimePoint{};
}

void ShardLink::OnFacts(TimePoint now, ServerFacts facts) {
  const MutexLock lock(mutex_);
  facts_at_ = now;
  if (facts_ != nullptr && *facts_ == facts) return;
  if (facts_ != nullptr && facts_->redis_version != facts.redis_version) {
    LogInfo("shard {} at {} is now version {}, it was {}", shard_.name, address().ToString(),
            facts.redis_version, facts_->redis_version);
  }
  facts_ = std::make_shared<const ServerFacts>(std::move(facts));
}

}  // namespace ringmaster
