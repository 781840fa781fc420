// The state database of the process and the journal of its sagas in it, or the reason why there is
// none: then nothing survives a crash, and owners of keys cannot change.
//
// Owner: the server. What is found in it once it is open is safe on any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "move/shard_client.h"
#include "saga/journal.h"
#include "saga/saga_set.h"
#include "server/compile.h"
#include "storage/database.h"

namespace ringmaster {

class State {
 public:
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Opens or makes it where the configuration says; not to want one is no error. Once.
  Status Open(const CompiledConfig& compiled);
  // When nobody writes any more.
  void Close();

  // Both, or neither, which `why_not` explains.
  Database* database() const { return database_.get(); }
  SagaJournal* journal() const { return journal_.get(); }
  const std::string& why_not() const { return why_not_; }

  // What the sagas of a pool write and how they are called. `name`: of connections of theirs,
  // unless nobody can know what was before this process; then it is made of its `run_id`.
  void Lend(SagaPool& sagas, const ShardClientName& name, const std::string& run_id);
  // By pool, what a former process left open.
  Result<std::vector<std::vector<OpenSaga>>> LoadOpen(const std::vector<PoolConfig>& pools) const;

 private:
  std::unique_ptr<Database> database_;
  std::string why_not_;
  std::unique_ptr<SagaJournal> journal_;
  std::atomic<uint64_t> last_saga_{0};  // without a journal
};

}  // namespace ringmaster
