#include "server/jobs.h"

#include <utility>

#include "net/mailbox.h"

namespace ringmaster {

Jobs::Jobs(Loop& main, Mailbox& mailbox, Interactive interactive)
    : mailbox_(mailbox),
      requests_(std::move(interactive.requests)),
      background_(main, {.waits = [this] { return requests_() > commands_; },
                         .latency = std::move(interactive.latency)}) {}

void Jobs::AwaitTurn(Mailbox& home, std::string name, Turn turn) {
  mailbox_.Post(
      [this, &home, name = std::move(name), turn = std::move(turn)] { Submit(home, name, turn); });
}

// One step: the command as a whole. Shards do not take it in pieces.
void Jobs::Submit(Mailbox& home, std::string name, const Turn& turn) {
  Background::Job job;
  job.name = std::move(name);
  job.total = 1;
  job.step = [this, &home, turn](const Background::Done& done) {
    Over over = [this, done] {
      mailbox_.Post([this, done] {
        --commands_;
        done(1, true);
      });
    };
    home.Post([turn, over = std::move(over)] { turn(over); });
  };
  job.cancelled = [this, &home, turn] {
    --commands_;
    home.Post([turn] {
      turn(Error{ErrorCode::kRefused, "the command was cancelled by PROXY JOBS CANCEL"});
    });
  };
  ++commands_;
  const Result<Background::JobId> id = background_.Submit(std::move(job));
  if (id) return;
  --commands_;
  home.Post([turn, why = id.error()] { turn(why); });
}

void Jobs::Carry(JobOrder order, Operator::Listed done) {
  mailbox_.Post([this, order, done = std::move(done)] { done(CarryOut(order)); });
}

Result<std::vector<JobFigures>> Jobs::CarryOut(JobOrder order) {
  bool known = true;
  switch (order.what) {
    case JobOrder::What::kList:
      break;
    case JobOrder::What::kPause:
      known = background_.Pause(order.id);
      break;
    case JobOrder::What::kResume:
      known = background_.Resume(order.id);
      break;
    case JobOrder::What::kCancel:
      known = background_.Cancel(order.id);
      break;
  }
  if (!known) {
    return Error{ErrorCode::kNotFound, "there is no such job; PROXY JOBS LIST shows them"};
  }
  std::vector<JobFigures> figures;
  for (const BackgroundQueue::Job& job : background_.List()) {
    figures.push_back({job.id, job.name, StateName(job.state), job.place, job.done, job.total,
                       job.steps, job.rate, job.left});
  }
  return figures;
}

}  // namespace ringmaster
