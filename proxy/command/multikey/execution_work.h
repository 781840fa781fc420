// The client's own commands as steps of a saga: they run in MULTI and EXEC on each shard that they
// were placed on, and the new values of foreign keys are carried home (saga/scripts.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "command/multikey/gather.h"
#include "saga/saga_set.h"

namespace ringmaster {

class ExecutionWork final : public SagaWork {
 public:
  // What runs in one kExecute step.
  struct Part {
    std::vector<std::string> requests;  // as a shard shall see them
    std::vector<std::string> replies;   // after it ran: one for each
  };
  struct Foreign {
    ForeignKey before;
    bool writes = false;
    ForeignKey after = {};  // as the execution left it
  };

  // `max_reply`: what the replies of one shard may have together, in bytes.
  ExecutionWork(int resp, size_t max_reply) : resp_(resp), max_reply_(max_reply) {}

  // By step.
  std::map<size_t, Part> parts;
  // With one part only: foreign keys, in the order of its step's copies, and for each step that
  // carries home the indexes of its keys.
  std::vector<Foreign> foreign;
  std::map<size_t, std::vector<size_t>> homes;
  TimePoint fetched_at{};
  std::string refusal;  // what a shard said that refused its step

  int resp() const override { return resp_; }
  bool AppendStep(std::string& out, const SagaPlan& plan, size_t step, ScriptForm form) override;
  void OnAnswer(size_t step, const StepAnswer& answer) override;
  Task<StepOutcome> Execute(const SagaPlan& plan, size_t step,
                            FencedConnection& connection) override;

 private:
  Task<StepOutcome> Prepare(const SagaPlan& plan, size_t step, FencedConnection& connection);
  Task<StepOutcome> ReadBack(FencedConnection& connection);
  bool Changed(const Foreign& key) const;

  const int resp_;
  const size_t max_reply_;
};

}  // namespace ringmaster
