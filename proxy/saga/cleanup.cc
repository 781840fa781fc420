#include "saga/cleanup.h"

#include "resp/request_writer.h"
#include "saga/scripts.h"

namespace ringmaster {

void Sweep::Add(const SagaPlan& plan, size_t step, Bytes had) {
  if (steps_.empty()) run_id_ = plan.steps[step].run_id;
  names_ += AppendLeftNames(words_, plan, step, had);
  steps_.emplace_back(plan.id, step);
}

void Sweep::Go(FencedConnection& connection) {
  if (steps_.empty() || !asked_.empty()) return;
  if (connection.run_id() != run_id_) [[unlikely]] {
    words_.clear();
    names_ = 0;
    return Tell(steps_, Outcome::kNotDone);
  }
  std::string request;
  request.reserve(words_.size() + 32);
  AppendRequestHeader(request, 1 + names_);
  AppendRequestArg(request, "UNLINK");
  request += words_;
  words_.clear();
  names_ = 0;
  asked_.swap(steps_);
  connection.Send(*this, request, 1);
}

void Sweep::OnAnswer(Answer answer) {
  if (answer.outcome == ringmaster::Outcome::kUncertain) return Tell(asked_, Outcome::kLost);
  const bool gone =
      answer.outcome == ringmaster::Outcome::kReplied && ReadCleanup(answer.reply, nullptr);
  Tell(asked_, gone ? Outcome::kGone : Outcome::kNotDone);
}

// Whoever hears of it may add more.
void Sweep::Tell(Steps& steps, Outcome outcome) {
  Steps told;
  told.swap(steps);
  for (const auto& [saga, step] : told) done_(saga, step, outcome);
}

}  // namespace ringmaster
