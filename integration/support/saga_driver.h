// Runs one saga at a time with the cores of proxy/saga, a real journal and real redis-servers, one
// request after the other over blocking sockets: enough to be killed anywhere and to recover.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "saga/journal.h"
#include "saga/recovery.h"
#include "saga/saga.h"
#include "saga/scripts.h"
#include "support/client.h"

namespace ringmaster::integration {

// What a saga writes: every shard i has key k<i>.
enum class SagaKind {
  kSet,      // k<i> = new, everywhere
  kRefused,  // the same, but the last shard refuses
  kExecute,  // k0 = new and n + 1 by MULTI on shard 0, which also writes the others' keys
  kRename,   // k1 becomes k0
};

class SagaDriver {
 public:
  // Opens the journal, recovers what it finds and cleans up.
  SagaDriver(const std::string& journal, const std::vector<uint16_t>& ports);
  // Empty: all is well.
  const std::string& failure() const { return failure_; }
  size_t recovered() const { return recovered_; }

  // "committed", "refused", "not applied", "uncertain", written to `reply_file` when it is decided.
  void Run(SagaKind kind, const std::string& reply_file);

 private:
  struct Work {
    size_t recovery_index;  // SIZE_MAX: the saga of Run
    SagaAction action;
  };

  SagaPlan MakePlan(SagaKind kind);
  std::string Ask(size_t shard, const std::string& request);
  void Recover();
  void Carry(size_t index, SagaActions actions);
  void Take(RecoveryActions actions);
  void Work_();
  void Do(size_t index, const SagaAction& action);
  void Journal(size_t index, const SagaAction& action, SagaActions& out);
  StepOutcome Send(const SagaPlan& plan, size_t step);
  StepOutcome SendExecution(const SagaPlan& plan, size_t step);
  UndoOutcome SendUndo(const SagaPlan& plan, const SagaAction& action);
  Saga& SagaOf(size_t index) { return index == SIZE_MAX ? *saga_ : recovery_->saga(index); }
  size_t ShardOf(const SagaPlan& plan, size_t step) const {
    return static_cast<size_t>(plan.steps[step].shard[1] - '0');
  }

  std::unique_ptr<Database> database_;
  std::unique_ptr<SagaJournal> journal_;
  std::vector<Client> shards_;
  std::vector<std::string> run_ids_;
  std::unique_ptr<Recovery> recovery_;
  std::unique_ptr<Saga> saga_;
  SagaKind kind_ = SagaKind::kSet;
  std::string reply_file_;
  std::vector<std::string> dumps_;  // of the copies after the execution
  std::deque<Work> work_;
  size_t recovered_ = 0;
  std::string failure_;
};

}  // namespace ringmaster::integration
