// A reload: the file is read and its shards are asked on a thread of its own, everything that may
// fail is prepared, and only then does anything change.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "server/server.h"
#include "server/shard_survey.h"
#include "server/worker_options.h"

namespace ringmaster {

// One after the other, each with the file as it is by then. `asker`: the client that waits for it.
void Server::Reload(uint64_t asker, std::function<void(const Result<std::string>&)> done) {
  errands_.Run([this, asker, done = std::move(done), serving = Serving()] {
    Read read = ReadAgain(serving);
    mailbox_.Post([this, asker, done, read = std::move(read)] {
      const Result<std::string> taken = TakeReload(asker, read);
      ++(taken ? status_.reloads : status_.reloads_refused);
      done(taken);
    });
  });
}

KnownServers Server::Serving() const {
  KnownServers known;
  for (size_t i = 0; i < rebalancers_.size(); ++i) {
    for (const auto& link : rebalancers_[i]->snapshot()->links) {
      const std::shared_ptr<const ServerFacts> facts = link->facts();
      if (facts == nullptr || facts->run_id.empty()) continue;
      known[{config().pools[i].name, link->name()}] = facts->run_id;
    }
  }
  return known;
}

// On the thread of errands.
Server::Read Server::ReadAgain(const KnownServers& serving) const {
  if (status_.config_file.empty()) {
    return Error{ErrorCode::kInvalid, "there is no configuration file to read again"};
  }
  Result<ConfigFile> file = ConfigFile::Load(status_.config_file, FileKind::kRegular);
  if (!file) return file.error();
  auto compiled = Compile(table_, std::move(*file));
  if (!compiled) return compiled.error();
  ShardSurvey survey =
      SurveyShards(**compiled, table_, serving, *status_.places, stopping_errands_);
  if (!survey.mistakes.empty()) {
    return Error{ErrorCode::kInvalid, fmt::format("{}", fmt::join(survey.mistakes, "\n"))};
  }
  return std::pair(std::move(*compiled), std::move(survey.notes));
}

// What may fail, and changes nothing.
Result<Server::Prepared> Server::PrepareReload(std::shared_ptr<const CompiledConfig> next) {
  if (status_.stopping) return Error{ErrorCode::kUnavailable, "the proxy is stopping"};
  if (const Status fits = CheckChange(compiled(), *next, status_.workers); !fits)
    return fits.error();
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
  LogInfo("configuration {} read again: {}", status_.config_file, changes);
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
  const std::shared_ptr<const CompiledConfig> before =
      std::exchange(status_.compiled, prepared.next);
  CommitListeners(std::move(prepared.listeners), config().admin);
  UseLog(std::move(prepared.log));
  client_limit_.Configure(config().limits.clients);
  if (config().commands != before->config().commands) {
    table_.Replace(compiled().commands);
    for (size_t i = 0; i < config().pools.size(); ++i) {
      workers_->pool(i).modules.Take(compiled().commands);
    }
  }
  SetBackgroundRule();
  workers_->SetBalance(MakeBalanceOptions(config().balance));
  watchdog_.SetPatience(config().watchdog);
  workers_->SetTurns(MakeTurnOptions(config().schedule));
  std::string changes;
  for (size_t i = 0; i < rebalancers_.size(); ++i) {
    // Users that ACL SETUSER changed stay so unless the file's have changed as well.
    if (config().pools[i].users != before->config().pools[i].users) {
      workers_->pool(i).access.Replace(compiled().pools[i].users);
    }
    workers_->Post(i, [settings = MakePoolSettings(status_, i), asker](PoolWorker& worker) {
      worker.Configure(settings);
      worker.RenewUsers(asker);
    });
    changes += (changes.empty() ? "" : "; ") + rebalancers_[i]->Use(*prepared.rings[i]);
  }
  primaries_.Follow();
  return changes;
}

}  // namespace ringmaster
