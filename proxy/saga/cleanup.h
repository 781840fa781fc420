// What committed sagas left on one shard in one database, dropped together: one UNLINK for many of
// them, on its way with whatever is sent there next.
//
// Owner: a SagaSet, on its worker's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "backend/fenced_connection.h"
#include "base/bytes.h"
#include "saga/plan.h"

namespace ringmaster {

class Sweep final : public Asking {
 public:
  enum class Outcome : uint8_t {
    kGone,
    kLost,     // it may be gone all the same
    kNotDone,  // nothing is gone: it refused, or is another server by now
  };
  // A step of a saga, and what became of what it left.
  using Done = std::function<void(SagaId saga, size_t step, Outcome outcome)>;

  explicit Sweep(Done done) : Asking(FencedConnection::kMaxReply), done_(std::move(done)) {}

  // Names of ours alone; `had` as AppendCleanup takes it. They lie on the server that the step
  // names.
  void Add(const SagaPlan& plan, size_t step, Bytes had);
  // Sends what was added, unless the one before is not answered: then it waits for the next time.
  // Another server is not asked. REQUIRES: connection.ready().
  void Go(FencedConnection& connection);
  bool empty() const { return steps_.empty(); }
  // So many names wait that they should not wait for an occasion.
  bool full() const { return names_ >= kMaxNames; }

 private:
  static constexpr size_t kMaxNames = 1000;
  using Steps = std::vector<std::pair<SagaId, size_t>>;

  void OnAnswer(Answer answer) override;
  void Tell(Steps& steps, Outcome outcome);

  const Done done_;
  std::string words_;  // names, as words of a request
  size_t names_ = 0;
  Steps steps_;
  std::string run_id_;  // where they lie
  Steps asked_;         // not empty: under way
};

}  // namespace ringmaster
