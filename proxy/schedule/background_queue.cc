#include "schedule/background_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ringmaster {
namespace {

constexpr double kFaster = 0.05;       // of all time, for each good p99
constexpr double kRateWeight = 0.2;    // of the last step in the rate
constexpr double kQuiet = 0.01;        // share of time below which a p99 counts as undisturbed
constexpr double kLearnQuiet = 0.125;  // weight of such a p99 in the baseline
constexpr double kLearnSlow = 0.02;    // and of one at the lowest pace

Duration Scale(Duration duration, double by) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * by));
}

double Ratio(Duration part, Duration whole) {
  return static_cast<double>(part.count()) / static_cast<double>(whole.count());
}

constexpr double kSlowest = 0.01;  // pace, when the guaranteed share is less
constexpr Duration kMostOverdrawn = std::chrono::seconds(1);  // by a step that was not small

}  // namespace

BackgroundQueue::Entry* BackgroundQueue::Find(JobId id) {
  for (Entry& job : jobs_) {
    if (job.id == id) return &job;
  }
  return nullptr;
}

BackgroundQueue::Entry* BackgroundQueue::Current() {
  for (Entry& job : jobs_) {
    if (!job.paused) return &job;
  }
  return nullptr;
}

std::optional<BackgroundQueue::JobId> BackgroundQueue::current() const {
  for (const Entry& job : jobs_) {
    if (!job.paused) return job.id;
  }
  return std::nullopt;
}

// The bucket fills only while somebody wants to run: an idle night must not be paid back at noon.
void BackgroundQueue::Accrue(TimePoint now) {
  if (accrued_at_ != TimePoint::min() && now > accrued_at_ && chosen_ != 0) {
    owed_ = std::min(rule_.credit, owed_ + Scale(now - accrued_at_, rule_.share));
  }
  accrued_at_ = now;
}

// After any change of the queue: somebody else may be the one to run.
void BackgroundQueue::Settle(TimePoint now) {
  Accrue(now);
  Entry* job = Current();
  const JobId id = job != nullptr ? job->id : 0;
  if (id == chosen_) return;
  chosen_ = id;
  if (job != nullptr) job->rated_at = now;
}

Result<BackgroundQueue::JobId> BackgroundQueue::Add(std::string name, uint64_t total,
                                                    TimePoint now) {
  if (jobs_.size() >= rule_.jobs) {
    return Error{ErrorCode::kLimit, "too many background jobs are waiting; cancel some first"};
  }
  const JobId id = next_id_++;
  jobs_.push_back(Entry{.id = id, .name = std::move(name), .total = total, .added_at = now});
  Settle(now);
  return id;
}

void BackgroundQueue::Remove(JobId id, TimePoint now) {
  std::erase_if(jobs_, [id](const Entry& job) { return job.id == id; });
  if (stepping_ == id) cancelled_ = true;
  Settle(now);
}

void BackgroundQueue::Finish(JobId id, TimePoint now) { Remove(id, now); }

bool BackgroundQueue::Cancel(JobId id, TimePoint now) {
  if (Find(id) == nullptr) return false;
  Remove(id, now);
  return true;
}

bool BackgroundQueue::Pause(JobId id, TimePoint now) {
  Entry* job = Find(id);
  if (job == nullptr) return false;
  job->paused = true;
  Settle(now);
  return true;
}

bool BackgroundQueue::Resume(JobId id, TimePoint now) {
  Entry* job = Find(id);
  if (job == nullptr) return false;
  job->paused = false;
  Settle(now);
  return true;
}

void BackgroundQueue::SetTotal(JobId id, uint64_t total) {
  if (Entry* job = Find(id)) job->total = total;
}

std::optional<Duration> BackgroundQueue::Wait(bool busy, TimePoint now) {
  Accrue(now);
  if (chosen_ == 0 || stepping_ != 0) return std::nullopt;
  if (rest_until_ > now) return rest_until_ - now;
  guaranteed_ = busy;
  if (!busy || owed_ > Duration(0)) return Duration(0);
  if (rule_.share <= 0) return std::nullopt;
  return Scale(Duration(1) - owed_, 1 / rule_.share) + Duration(1);
}

void BackgroundQueue::BeginStep(TimePoint now) {
  RM_CHECK(chosen_ != 0 && stepping_ == 0);
  Accrue(now);
  stepping_ = chosen_;
  cancelled_ = false;
  step_began_ = now;
}

bool BackgroundQueue::EndStep(uint64_t units, TimePoint now) {
  RM_CHECK(stepping_ != 0);
  Accrue(now);
  const Duration took = std::max(now - step_began_, Duration(1));
  ++steps_;
  step_time_ += took;
  busy_time_ += now - std::max(step_began_, p99_at_);
  // Time that nobody else wanted is not held against the background.
  const Duration least = guaranteed_ ? -kMostOverdrawn : std::min(owed_, Duration(0));
  owed_ = std::max(owed_ - took, least);
  rest_until_ = now + Scale(took, 1 / pace_ - 1);
  Entry* job = Find(std::exchange(stepping_, 0));
  if (cancelled_ || job == nullptr) return false;
  job->done += units;
  ++job->steps;
  const Duration since = std::max(now - job->rated_at, Duration(1));
  const double rate = static_cast<double>(units) / Ratio(since, std::chrono::seconds(1));
  job->rate = job->steps == 1 ? rate : job->rate + kRateWeight * (rate - job->rate);
  job->rated_at = now;
  return true;
}

void BackgroundQueue::OnInteractiveP99(Duration p99, TimePoint now) {
  Duration busy_time = std::exchange(busy_time_, Duration(0));
  if (stepping_ != 0) busy_time += now - std::max(step_began_, p99_at_);
  const TimePoint before = std::exchange(p99_at_, now);
  const bool measured = before != TimePoint::min() && now > before;
  const double share = measured ? Ratio(busy_time, now - before) : 0;
  const double slowest = std::max(rule_.share, kSlowest);
  if (p99 == Duration(0)) {
    pace_ = std::min(1.0, pace_ + kFaster);
    return;
  }
  const bool lowest = pace_ <= slowest;
  if (baseline_ == Duration(0)) {
    baseline_ = p99;
  } else if (share < kQuiet || lowest) {
    baseline_ += Scale(p99 - baseline_, share < kQuiet ? kLearnQuiet : kLearnSlow);
  }
  const Duration most = std::max(Scale(baseline_, 1 + rule_.tolerance), baseline_ + rule_.slack);
  pace_ = p99 > most ? std::max(slowest, pace_ / 2) : std::min(1.0, pace_ + kFaster);
}

std::vector<BackgroundQueue::Job> BackgroundQueue::List() const {
  std::vector<Job> list;
  list.reserve(jobs_.size());
  for (const Entry& job : jobs_) {
    Job& shown = list.emplace_back();
    shown.id = job.id;
    shown.name = job.name;
    shown.state = job.paused          ? State::kPaused
                  : job.id == chosen_ ? State::kRunning
                                      : State::kWaiting;
    shown.place = list.size() - 1;
    shown.done = job.done;
    shown.total = job.total;
    shown.steps = job.steps;
    shown.rate = job.rate;
    shown.added_at = job.added_at;
    if (job.total > 0 && job.rate > 0) {
      const uint64_t rest = job.total > job.done ? job.total - job.done : 0;
      const double seconds = std::min(static_cast<double>(rest) / job.rate, 1e9);
      shown.left = Scale(std::chrono::seconds(1), seconds);
    }
  }
  return list;
}

const char* StateName(BackgroundQueue::State state) {
  switch (state) {
    case BackgroundQueue::State::kWaiting:
      return "waiting";
    case BackgroundQueue::State::kRunning:
      return "running";
    case BackgroundQueue::State::kPaused:
      return "paused";
  }
  return "";
}

}  // namespace ringmaster
