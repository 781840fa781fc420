// The background jobs of the process, seen by its workers: commands that wait for their turn, and
// the orders of PROXY JOBS. Jobs of the main thread (rebalancing, sagas) use background() directly.
//
// Owner: the server. Any thread, except where it says "main thread".
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "command/operator/operator.h"
#include "jobs/background.h"
#include "jobs/turns.h"

namespace ringmaster {

class Mailbox;

class Jobs final : public BackgroundTurns {
 public:
  // What is known of clients' requests as of now; asked on the main thread.
  struct Interactive {
    std::function<size_t()> requests;            // under way on all workers
    std::function<HistogramSnapshot()> latency;  // of all so far
  };

  // `main`, `mailbox`: of the main thread.
  Jobs(Loop& main, Mailbox& mailbox, Interactive interactive);

  Background& background() { return background_; }  // main thread
  const Background& background() const { return background_; }

  void AwaitTurn(Mailbox& home, std::string name, Turn turn) override;
  // As Operator::Jobs; `done` runs on the main thread.
  void Carry(JobOrder order, Operator::Listed done);

 private:
  void Submit(Mailbox& home, std::string name, const Turn& turn);
  Result<std::vector<JobFigures>> CarryOut(JobOrder order);

  Mailbox& mailbox_;
  const std::function<size_t()> requests_;
  size_t commands_ = 0;  // that wait for their turn or have it; each is a request under way
  Background background_;
};

}  // namespace ringmaster
