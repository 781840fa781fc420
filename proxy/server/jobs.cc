#include "server/jobs.h"

#include <memory>
#include <utility>

#include "server/server.h"

namespace ringmaster {

Jobs::Jobs(Server& server, Loop& loop)
    : server_(server),
      background_(loop, {.waits = [this] { return InteractiveWaits(); },
                         .latency = [this] { return server_.ClientLatency(); }}) {}

bool Jobs::InteractiveWaits() const {
  size_t requests = 0;
  for (size_t i = 0; i < server_.worker_count(); ++i) {
    requests += server_.worker(i).metrics().in_flight.value();
  }
  return requests > commands_;
}

void Jobs::AwaitTurn(Worker& worker, std::string name, Proxy::Turn turn) {
  server_.mailbox().Post([this, &worker, name = std::move(name), turn = std::move(turn)] {
    Submit(worker, name, turn);
  });
}

// One step: the command as a whole. Shards do not take it in pieces.
void Jobs::Submit(Worker& worker, std::string name, Proxy::Turn turn) {
  Background::Job job;
  job.name = std::move(name);
  job.total = 1;
  job.step = [this, &worker, turn](const Background::Done& done) {
    Proxy::TurnOver over = [this, done] {
      server_.mailbox().Post([this, done] {
        --commands_;
        done(1, true);
      });
    };
    worker.mailbox().Post([turn, over = std::move(over)] { turn(over); });
  };
  job.cancelled = [this, &worker, turn] {
    --commands_;
    worker.mailbox().Post([turn] {
      turn(Error{ErrorCode::kRefused, "the command was cancelled by PROXY JOBS CANCEL"});
    });
  };
  ++commands_;
  const Result<Background::JobId> id = background_.Submit(std::move(job));
  if (id) return;
  --commands_;
  worker.mailbox().Post([turn, why = id.error()] { turn(why); });
}

void Jobs::Carry(Worker& worker, JobOrder order, Listed done) {
  server_.mailbox().Post([this, &worker, order, done = std::move(done)] {
    worker.mailbox().Post([done, result = CarryOut(order)] { done(result); });
  });
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
