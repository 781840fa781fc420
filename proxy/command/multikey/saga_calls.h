// Calls that run as sagas: several shards are written, all or nothing (saga/saga_set.h).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command/gate/held_locks.h"
#include "command/multikey/gather.h"
#include "command/multikey/over_shards.h"
#include "saga/saga_set.h"

namespace ringmaster {

class LastLook;
class RecipeCall;

// Keys that an operator is shown of a command.
constexpr size_t kShownKeys = 3;
// The empty plan of a call that writes `keys`.
SagaPlan MakePlan(RecipeCall& call, const std::vector<NeededKey>& keys);
// The same; the first of them are shown to operators.
SagaPlan MakePlan(RecipeCall& call, std::span<const Bytes> keys);
// Enters which servers the steps meet, or gives back the error of one that cannot be reached.
Task<std::string> NameServers(RecipeCall& call, SagaPlan& plan);
// Runs the saga under these locks, which it takes over. `patience`: see SagaLimits.
Task<SagaResult> RunSaga(RecipeCall& call, SagaPlan plan, std::shared_ptr<SagaWork> work,
                         HeldLocks& locks, std::optional<Duration> patience = std::nullopt);
// The reply to anything but a commit; `refusal`: what the refusing step said.
std::string FailureReply(const SagaResult& result, const std::string& refusal);

// What came of the client's commands: a reply for each, or one error for all.
struct SagaExecution {
  std::string error;  // empty: they ran
  std::vector<std::string> replies;
};
// Commands some of whose foreign keys are written: they run on `executing` beside copies, whose new
// values are carried home. What somebody writes past the proxy meanwhile undoes it; then it is
// tried again (saga/attempts.h). `look`: what has to be so before anything runs.
Task<SagaExecution> ExecuteAsSaga(RecipeCall& call, const std::vector<std::string>& requests,
                                  uint32_t executing, const std::vector<NeededKey>& keys,
                                  HeldLocks& locks, std::shared_ptr<LastLook> look = nullptr);
// Commands each of which has its keys on one shard, `shards[i]`: each shard runs its own.
Task<SagaExecution> ExecuteOnEach(RecipeCall& call, const std::vector<std::string>& requests,
                                  const std::vector<uint32_t>& shards,
                                  const std::vector<NeededKey>& keys, HeldLocks& locks,
                                  std::shared_ptr<LastLook> look = nullptr);

}  // namespace ringmaster
