#include "server/state.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace ringmaster {

// Without it the proxy would serve, but for what it is there for: that is for the operator to say.
Status State::Open(const CompiledConfig& compiled) {
  const StatePlace& place = compiled.state;
  if (place.path.empty()) {
    why_not_ = "saga.journal is empty";
    return Done();
  }
  if (Status made = MakeStateFolder(place); !made) return made;
  const FsyncPolicy fsync = compiled.config().saga.fsync;
  Database::Options options;
  options.path = place.path;
  options.fsync = fsync == FsyncPolicy::kAlways        ? Database::Fsync::kAlways
                  : fsync == FsyncPolicy::kEverySecond ? Database::Fsync::kEverySecond
                                                       : Database::Fsync::kNo;
  // It holds keys of clients on their way, and passwords of shards that leave.
  const mode_t before = umask(077);
  auto opened = Database::Open(std::move(options));
  umask(before);
  if (!opened) {
    return Error{opened.error().code, "the state database (saga.journal): " + opened.error().text};
  }
  auto journal = SagaJournal::Open(**opened);
  if (!journal) {
    return Error{journal.error().code,
                 "the state database (saga.journal): " + journal.error().text};
  }
  database_ = std::move(*opened);
  journal_ = std::move(*journal);
  return Done();
}

void State::Close() {
  journal_.reset();
  database_.reset();
}

void State::Lend(SagaPool& sagas, const ShardClientName& name, const std::string& run_id) {
  sagas.journal = journal_.get();
  if (journal_ != nullptr) {
    sagas.connection_name = name.name;
    sagas.family_name = name.older;
    sagas.own_name = name.own;
    sagas.next_id = [journal = journal_.get()] { return journal->NextId(); };
    return;
  }
  // Names that no other process uses, as nothing is known of those before us.
  sagas.connection_name = "rm:" + run_id.substr(0, 16) + ":1:saga";
  const uint64_t life = std::stoull(run_id.substr(0, 5), nullptr, 16) | uint64_t{1} << 20;
  sagas.next_id = [this, life] { return MakeSagaId(life, ++last_saga_); };
}

Result<std::vector<std::vector<OpenSaga>>> State::LoadOpen(
    const std::vector<PoolConfig>& pools) const {
  std::vector<std::vector<OpenSaga>> by_pool(pools.size());
  if (journal_ == nullptr) return by_pool;
  auto open = journal_->Load();
  if (!open) return open.error();
  for (OpenSaga& saga : *open) {
    const auto at = std::find_if(pools.begin(), pools.end(), [&](const PoolConfig& pool) {
      return pool.name == saga.plan.pool;
    });
    if (at == pools.end()) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("the state database {} has a write over several shards of pool '{}' "
                               "that is half done, and there is no such pool; start once with it",
                               database_->path(), saga.plan.pool)};
    }
    by_pool[static_cast<size_t>(at - pools.begin())].push_back(std::move(saga));
  }
  return by_pool;
}

}  // namespace ringmaster
