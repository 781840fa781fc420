// What operators' commands have done to the process: brings each order to the main thread or to
// that of the state database, and the answer back.
//
// Owner: the server, for longer than the workers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "command/operator/operator.h"
#include "server/jobs.h"
#include "server/rebalancer.h"
#include "server/state.h"

namespace ringmaster {

class Operations final : public Operator {
 public:
  // Reads the configuration again; on the main thread, as what it calls.
  using Reloads = std::function<void(uint64_t asker, Said done)>;

  // `mailbox`: of the main thread. What it borrows outlives it.
  Operations(Mailbox& mailbox, const std::vector<std::unique_ptr<Rebalancer>>& rebalancers,
             const State& state, ringmaster::Jobs& jobs, Reloads reload)
      : mailbox_(mailbox),
        rebalancers_(rebalancers),
        state_(state),
        jobs_(jobs),
        reload_(std::move(reload)) {}
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  void Reload(uint64_t asker, Said done) override;
  void Rebalance(size_t pool, std::vector<std::string> words, Said done) override;
  void Journal(bool verify, Said done) override;
  void Jobs(JobOrder order, Listed done) override { jobs_.Carry(order, std::move(done)); }

 private:
  Mailbox& mailbox_;
  const std::vector<std::unique_ptr<Rebalancer>>& rebalancers_;
  const State& state_;
  ringmaster::Jobs& jobs_;
  const Reloads reload_;
};

}  // namespace ringmaster
