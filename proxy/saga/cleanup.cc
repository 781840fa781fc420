#include "saga/cleanup.h"

#include "resp/request_writer.h"
#include "saga/scripts.h"

namespace ringmaster {

void Sweep::Add(const SagaPlan& plan, size_t step, Bytes had) {
  names_ += AppendLeftNames(words_, plan, step, had);
  steps_.emplace_back(plan.id, step);
}

void Sweep::Go(FencedConnection& connection) {
  if (steps_.empty() || !asked_.empty()) return;
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
  const bool gone = answer.outcome == Outcome::kReplied && ReadCleanup(answer.reply, nullptr);
  Steps asked;
  asked.swap(asked_);
  for (const auto& [saga, step] : asked) done_(saga, step, gone);
}

}  // namespace ringmaster
