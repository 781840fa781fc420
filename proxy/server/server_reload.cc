// A reload: the file is read and its shards are asked on a thread of its own, everything that may
// fail is prepared, and only then does anything change.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "server/pool_worker.h"
#include "server/server.h"
#include "server/shard_survey.h"
#include "server/snapshot.h"

namespace ringmaster {

void Server::ReloadFor(size_t worker, uint64_t asker,
                       std::function<void(Result<std::string>)> done) {
  Worker* home = workers_[worker].get();
  mailbox_.Post([this, home, asker, done = std::move(done)] {
    Reload(asker, [home, done](const Result<std::string>& result) {
      home->mailbox().Post([done, result] { done(result); });
    });
  });
}

// One after the other, each with the file as it is by then. `asker`: the client that waits for it.
void Server::Reload(uint64_t asker, std::function<void(const Result<std::string>&)> done) {
  errands_.Run([this, asker, done = std::move(done)] {
    Read read = ReadAgain();
    mailbox_.Post([this, asker, done, read = std::move(read)] {
      const Result<std::string> taken = TakeReload(asker, read);
      ++(taken ? reloads_ : reloads_refused_);
      done(taken);
    });
  });
}

// On the thread of errands.
Server::Read Server::ReadAgain() const {
  if (config_file_.empty()) {
    return Error{ErrorCode::kInvalid, "there is no configuration file to read again"};
  }
  Result<ConfigFile> file = ConfigFile::Load(config_file_, FileKind::kRegular);
  if (!file) return file.error();
  auto compiled = Compile(table_, std::move(*file));
  if (!compiled) return compiled.error();
  ShardSurvey survey = SurveyShards(**compiled, table_, stopping_errands_);
  if (!survey.mistakes.empty()) {
    return Error{ErrorCode::kInvalid, fmt::format("{}", fmt::join(survey.mistakes, "\n"))};
  }
  return std::pair(std::move(*compiled), std::move(survey.notes));
}

// What may fail, and changes nothing.
Result<Server::Prepared> Server::PrepareReload(std::shared_ptr<const CompiledConfig> next) {
  if (stopping_) return Error{ErrorCode::kUnavailable, "the proxy is stopping"};
  if (const Status fits = CheckChange(*compiled_, *next, worker_count_); !fits) return fits.error();
  std::vector<std::shared_ptr<Rebalancer::Prepared>> rings;
  for (const auto& rebalancer : rebalancers_) {
    auto ring = rebalancer->Prepare(next);
    if (!ring) return ring.error();
    rings.push_back(std::move(*ring));
  }
  auto log = PreparedLog::Open(next->config().log);
  if (!log) return log.error();
  auto listeners = PrepareListeners(*next);
  if (!listeners) return listeners.error();
  return Prepared{std::move(next), std::move(rings), std::move(*log), std::move(*listeners)};
}

Result<std::string> Server::TakeReload(uint64_t asker, const Read& read) {
  if (!read) return read.error();
  const auto& [next, survey] = *read;
  Result<Prepared> prepared = PrepareReload(next);
  if (!prepared) return prepared.error();
  std::string changes = Commit(asker, std::move(*prepared));
  LogInfo("configuration {} read again: {}", config_file_, changes);
  for (const auto* notes : {&next->notes, &survey}) {
    for (const std::string& note : *notes) {
      LogWarning("{}", note);
      changes += "; " + note;
    }
  }
  return changes;
}

// Nothing can fail any more.
std::string Server::Commit(uint64_t asker, Prepared prepared) {
  const std::shared_ptr<const CompiledConfig> before = std::exchange(compiled_, prepared.next);
  CommitListeners(std::move(prepared.listeners), config().admin);
  UseLog(std::move(prepared.log));
  SetMaxClients(config().limits.clients);
  CheckClientLimit();
  ++epoch_;
  if (config().commands != before->config().commands) {
    table_.Replace(compiled_->commands);
    for (const auto& pool : pool_states_) pool->modules.Take(compiled_->commands);
  }
  SetBackgroundRule();
  evener_.Configure(config().balance);
  watchdog_.SetPatience(config().watchdog);
  const SessionLimits limits = MakeSessionLimits(config(), worker_count_);
  {
    const MutexLock lock(moves_);
    for (const auto& worker : workers_) {
      Worker* at = worker.get();
      at->mailbox().Post([at, schedule = config().schedule] { at->SetSchedule(schedule); });
    }
  }
  std::string changes;
  for (size_t i = 0; i < rebalancers_.size(); ++i) {
    const ProxyFacts facts = FactsOf(config().pools[i]);
    // Users that ACL SETUSER changed stay so unless the file's have changed as well.
    if (config().pools[i].users != before->config().pools[i].users) {
      pool_states_[i]->access.Replace(compiled_->pools[i].users);
    }
    PostToPool(i, [limits, facts, asker, compiled = compiled_](PoolWorker& worker) {
      worker.Configure(limits, facts);
      worker.SetBackground(compiled->background);
      worker.SetSagaRules(compiled->saga_rules);
      worker.RenewUsers(asker);
    });
    changes += (changes.empty() ? "" : "; ") + rebalancers_[i]->Use(*prepared.rings[i]);
  }
  return changes;
}

}  // namespace ringmaster
