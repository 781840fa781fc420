// The client's own commands as steps of a saga: they run in MULTI and EXEC on each shard that they
// were placed on, and the new values of foreign keys are carried home, unless somebody wrote them
// past the proxy since they were read (saga/scripts.h, saga/watch.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "command/multikey/gather.h"
#include "coro/event.h"
#include "saga/saga_set.h"

namespace ringmaster {

// What has to be so when all is prepared and nothing has run yet: the keys that the client watches.
class LastLook {
 public:
  virtual ~LastLook() = default;
  // Empty: go on. Otherwise EXEC's reply.
  virtual Task<std::string> Look() = 0;
  // EXEC's reply when what it watches, or reads, was written meanwhile.
  virtual std::string Broken() const = 0;
};

class ExecutionWork final : public SagaWork {
 public:
  // What runs in one kExecute step of phase 0.
  struct Part {
    std::vector<std::string> requests;  // as a shard shall see them
    std::vector<std::string> replies;   // after it ran: one for each
  };
  struct Foreign {
    ForeignKey before;
    bool writes = false;
    ForeignKey after = {};  // as the execution left it
  };
  // A step of phase 1, over the stream that watches since the keys were read.
  struct Home {
    std::unique_ptr<Watch> watch;
    std::vector<size_t> read;  // in `foreign`: whatever was read there
    std::vector<size_t> keys;  // of them, those that are carried home
  };

  // `max_reply`: what the replies of one shard may have together, in bytes. `look` may be empty.
  ExecutionWork(int resp, size_t max_reply, std::shared_ptr<LastLook> look)
      : look_(std::move(look)), resp_(resp), max_reply_(max_reply) {}

  // By step.
  std::map<size_t, Part> parts;
  // With one part only: foreign keys, in the order of its step's copies, then those that are not
  // there.
  std::vector<Foreign> foreign;
  std::map<size_t, Home> homes;
  TimePoint fetched_at{};
  std::string refusal;  // what a shard said that refused its step
  // What became of what was read, naming the key: "key 'a' was written past the proxy".
  std::string interfered;

  int resp() const override { return resp_; }
  bool AppendStep(std::string&, const SagaPlan&, size_t, ScriptForm) override { return false; }
  std::unique_ptr<FencedConnection> TakeConnection(size_t step) override;
  void GiveUp() override;
  Task<StepOutcome> Execute(const SagaPlan& plan, size_t step,
                            FencedConnection& connection) override;

 private:
  Task<StepOutcome> Prepare(const SagaPlan& plan, size_t step, FencedConnection& connection);
  Task<StepOutcome> AllPrepared();
  Task<StepOutcome> Run(const SagaPlan& plan, size_t step, FencedConnection& connection);
  Task<StepOutcome> CarryHome(const SagaPlan& plan, size_t step, FencedConnection& connection);
  std::vector<std::string> ReadBackKeys() const;
  bool TakeReadBack(const std::vector<ReplyElement>& values);
  bool Changed(const Foreign& key) const;
  StepOutcome Written(const std::string& key, size_t others);
  StepOutcome WatchLost(const std::string& key);

  const std::shared_ptr<LastLook> look_;
  const int resp_;
  const size_t max_reply_;
  size_t prepared_ = 0;
  bool may_run_ = false;
  Event decided_;  // whether they may run
};

}  // namespace ringmaster
