#include "jobs/background.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace ringmaster {
namespace {

// Nobody tells us when the last interactive command is answered.
constexpr Duration kLookAgain = std::chrono::milliseconds(2);
// The main thread has other things to do.
constexpr Duration kInARow = std::chrono::milliseconds(5);
constexpr Duration kLatencyEvery = std::chrono::milliseconds(250);
constexpr double kTail = 0.99;

// The p99 of what was recorded between two snapshots; zero: nothing was.
Duration TailSince(const HistogramSnapshot& before, const HistogramSnapshot& now) {
  const uint64_t count = now.count() - before.count();
  if (count == 0) return Duration(0);
  const auto wanted = static_cast<uint64_t>(static_cast<double>(count) * kTail);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    seen += now.bucket(bucket) - before.bucket(bucket);
    if (seen > wanted) return std::chrono::microseconds(Histogram::UpperBound(bucket) + 1);
  }
  return std::chrono::microseconds(Histogram::UpperBound(Histogram::kBuckets - 1));
}

}  // namespace

Background::Background(Loop& loop, Interactive interactive)
    : interactive_(std::move(interactive)),
      next_(loop, [this] { Run(); }),
      latency_timer_(loop, [this] { TakeLatency(); }) {}

Result<Background::JobId> Background::Submit(Job job) {
  const Result<JobId> id = queue_.Add(job.name, job.total, MonotonicNow());
  if (!id) return id;
  jobs_.emplace(*id, std::make_shared<Job>(std::move(job)));
  if (!latency_timer_.active() && !stopped_) {
    latency_before_ = interactive_.latency();
    latency_timer_.StartEvery(kLatencyEvery);
  }
  Run();
  return id;
}

bool Background::Pause(JobId id) {
  const bool known = queue_.Pause(id, MonotonicNow());
  Run();
  return known;
}

bool Background::Resume(JobId id) {
  const bool known = queue_.Resume(id, MonotonicNow());
  Run();
  return known;
}

bool Background::Cancel(JobId id) {
  const bool stepping = queue_.stepping() == id;
  if (!queue_.Cancel(id, MonotonicNow())) return false;
  // One in the middle of a step hears of it at the step's end.
  if (!stepping) Drop(id);
  Run();
  return true;
}

void Background::Drop(JobId id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  const std::shared_ptr<Job> job = std::move(found->second);
  jobs_.erase(found);
  if (job->cancelled) job->cancelled();
}

void Background::Stop() {
  stopped_ = true;
  next_.Stop();
  latency_timer_.Stop();
  jobs_.clear();
}

// Steps that end at once are followed by the next one here, not by recursion.
void Background::Run() {
  if (in_run_ || stopped_) return;
  in_run_ = true;
  const TimePoint until = MonotonicNow() + kInARow;
  while (RunStep()) {
    if (MonotonicNow() < until) continue;
    next_.StartOnce(Duration(0));
    break;
  }
  in_run_ = false;
}

// True: a step began, and may be over.
bool Background::RunStep() {
  const auto current = queue_.current();
  if (!current || stopped_) return false;
  const std::shared_ptr<Job> job = jobs_.at(*current);  // it may end within its step
  const bool busy = job->waits ? job->waits() : interactive_.waits();
  const TimePoint now = MonotonicNow();
  const std::optional<Duration> wait = queue_.Wait(busy, now);
  if (!wait) {
    if (queue_.stepping() == 0) next_.StartOnce(kLookAgain);
    return false;
  }
  if (*wait > Duration(0)) {
    next_.StartOnce(busy ? std::min(*wait, kLookAgain) : *wait);
    return false;
  }
  queue_.BeginStep(now);
  job->step([this, id = *current](uint64_t units, bool finished) { EndStep(id, units, finished); });
  return true;
}

void Background::EndStep(JobId id, uint64_t units, bool finished) {
  if (stopped_) return;
  const TimePoint now = MonotonicNow();
  if (!queue_.EndStep(units, now)) {
    Drop(id);
  } else if (finished) {
    queue_.Finish(id, now);
    jobs_.erase(id);
  }
  Run();
}

void Background::TakeLatency() {
  const HistogramSnapshot now = interactive_.latency();
  queue_.OnInteractiveP99(TailSince(latency_before_, now), MonotonicNow());
  latency_before_ = now;
  if (queue_.size() == 0) latency_timer_.Stop();
}

}  // namespace ringmaster
