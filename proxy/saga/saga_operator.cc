// What an operator can do with a saga that could not be undone, and what he sees of any.
#include <fmt/format.h>

#include "saga/saga.h"

namespace ringmaster {

std::string Saga::Retry(bool force, SagaActions& out) {
  if (state_ != State::kPoisoned) return "only a poisoned saga can be undone once more";
  state_ = State::kUndoing;
  for (Step& step : steps_) {
    if (step.progress != Progress::kPoisoned) continue;
    step.progress = Progress::kSent;
    step.lost_image = false;
    step.force = force;
    step.failures = 0;
    step.attempts = 0;
  }
  UndoPhase(out);
  return "";
}

std::string Saga::Skip(size_t index, SagaActions& out) {
  if (state_ != State::kPoisoned || index >= steps_.size() ||
      steps_[index].progress != Progress::kPoisoned) {
    return "only a poisoned step can be skipped";
  }
  steps_[index].progress = Progress::kNothing;
  for (const Step& step : steps_) {
    if (step.progress == Progress::kPoisoned) return "";
  }
  Unlock(out);
  Finish(out);
  return "";
}

std::string Saga::Forget(SagaActions& out) {
  if (state_ != State::kPoisoned) return "only a poisoned saga can be forgotten";
  Unlock(out);
  Finish(out);
  return "";
}

std::vector<size_t> Saga::Unreachable() const {
  std::vector<size_t> steps;
  if (state_ != State::kUndoing || !timed_out_) return steps;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (!UndoSettled(steps_[i])) steps.push_back(i);
  }
  return steps;
}

bool Saga::WaitsForShards() const {
  if (state_ != State::kUndoing && state_ != State::kCleaning) return false;
  for (const Step& step : steps_) {
    const bool tried = step.attempts > 0;
    if (state_ == State::kUndoing && !UndoSettled(step) && !tried) return false;
    if (state_ == State::kCleaning && step.progress != Progress::kCleaned && !tried) return false;
  }
  return true;
}

std::string Saga::StepName(size_t index) const { return plan_.steps[index].shard; }

std::string Saga::Describe() const {
  static constexpr Bytes kStates[] = {"new",     "locking",  "beginning", "running", "committing",
                                      "undoing", "cleaning", "poisoned",  "finished"};
  size_t settled = 0;
  for (const Step& step : steps_) {
    settled += step.progress == Progress::kDone || step.progress == Progress::kCleaned ||
               UndoSettled(step);
  }
  return fmt::format("{}, {} of {} steps settled", kStates[static_cast<size_t>(state_)], settled,
                     steps_.size());
}

}  // namespace ringmaster
