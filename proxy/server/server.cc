#include "server/server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <random>
#include <utility>

#include "base/descriptors.h"
#include "base/log.h"
#include "resp/errors.h"
#include "server/pool_worker.h"
#include "server/shard_survey.h"
#include "server/snapshot.h"

#ifndef RINGMASTER_VERSION
#define RINGMASTER_VERSION "0.1.0"
#endif

namespace ringmaster {
namespace {

std::string NewRunId() {
  std::random_device random;
  std::string id;
  while (id.size() < 40) id += fmt::format("{:08x}", random());
  return id;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Create(ConfigFile file, std::string config_file) {
  std::unique_ptr<Server> server(new Server(std::move(config_file)));
  const Status started = server->Start(std::move(file));
  if (!started) return started.error();
  return server;
}

Server::Server(std::string config_file)
    : config_file_(std::move(config_file)),
      run_id_(NewRunId()),
      started_at_(MonotonicNow()),
      mailbox_(loop_),
      listeners_(loop_, [this](const Door& door,
                               int fd) { door.pool ? Accept(door, fd) : observer_.Serve(fd); }),
      drain_deadline_(loop_, [this] { Stop(true); }),
      evener_(*this, loop_),
      jobs_(*this, loop_),
      observer_(*this),
      heartbeat_(loop_, [] {}) {}

Server::~Server() {
  stopping_errands_ = true;
  errands_.Stop();
  listeners_.CloseAll();
  observer_.Stop();
  watchdog_.Stop();
  if (waiter_.joinable()) waiter_.join();
  {
    const MutexLock lock(moves_);
    stopping_moves_ = true;
  }
  for (const auto& worker : workers_) {
    Worker* at = worker.get();
    worker->mailbox().Post([at] { at->Drain(true); });
  }
  // They look at each other until the last of them has ended.
  for (const auto& worker : workers_) worker->Join();
  for (const auto& rebalancer : rebalancers_) rebalancer->Stop();
  for (const auto& locks : locks_) locks->Stop();
  // Its answers know the rebalancers and the workers.
  journal_.reset();
  state_.reset();
  workers_.clear();
}

ProxyFacts Server::FactsOf(const PoolConfig& pool) const {
  ProxyFacts facts;
  facts.version = RINGMASTER_VERSION;
  facts.config_file = config_file_;
  facts.run_id = run_id_;
  facts.pool = pool.name;
  for (const ListenConfig& listen : pool.listen) facts.listen.push_back(listen.address);
  facts.databases = static_cast<int>(pool.databases);
  facts.workers = worker_count_;
  facts.max_bulk = config().limits.max_bulk;
  facts.query_buffer = config().limits.query_buffer;
  facts.reply_buffer = config().limits.reply_buffer;
  facts.client_memory = config().limits.memory;
  facts.idle_timeout = config().timeouts.idle_client;
  facts.started_at = started_at_;
  facts.started_unix = std::chrono::duration_cast<std::chrono::seconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  return facts;
}

std::unique_ptr<PoolWorker> Server::MakePoolWorker(Worker& worker, size_t pool) {
  const Rebalancer& rebalancer = *rebalancers_[pool];
  return std::make_unique<PoolWorker>(
      worker, *this, pool, FactsOf(config().pools[pool]), rebalancer.snapshot(),
      rebalancer.movers(), MakeSessionLimits(config(), worker_count_), push_counts_[pool]);
}

Status Server::Start(ConfigFile file) {
  auto compiled = Compile(table_, std::move(file));
  if (!compiled) return compiled.error();
  compiled_ = std::move(*compiled);
  if (Status logging = OpenLog(config().log); !logging) return logging;
  worker_count_ =
      config().workers != 0 ? config().workers : std::max(1U, std::thread::hardware_concurrency());
  SetMaxClients(config().limits.clients);
  CheckClientLimit();
  if (Status opened = OpenState(); !opened) return opened;
  const ShardSurvey survey = SurveyShards(*compiled_, table_, stopping_errands_);
  if (!survey.mistakes.empty()) {
    return Error{ErrorCode::kInvalid, fmt::format("{}", fmt::join(survey.mistakes, "\n"))};
  }
  for (const auto* notes : {&compiled_->notes, &survey.notes}) {
    for (const std::string& note : *notes) LogWarning("{}", note);
  }
  SetBackgroundRule();
  table_.Replace(compiled_->commands);
  for (size_t pool = 0; pool < config().pools.size(); ++pool) {
    rebalancers_.push_back(
        std::make_unique<Rebalancer>(*this, loop_, pool, state_.get(), why_no_state_));
    if (const Status begun = rebalancers_.back()->Begin(compiled_); !begun) return begun.error();
    pool_states_.push_back(std::make_unique<PoolState>(table_));
    pool_states_.back()->modules.Take(compiled_->commands);
    pool_states_.back()->access.Replace(compiled_->pools[pool].users);
    push_counts_.push_back(std::make_shared<PushCounts>());
    locks_.push_back(MakeLocks(pool));
    sagas_.push_back(MakeSagas(pool));
  }
  for (size_t i = 0; i < worker_count_; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, i, table_));
    workers_.back()->SetSchedule(config().schedule);
    for (size_t pool = 0; pool < config().pools.size(); ++pool) {
      PoolWorker& made = workers_.back()->AddPool(pool);
      made.SetBackground(compiled_->background);
      made.SetSagaRules(compiled_->saga_rules);
    }
  }
  workers_made_ = true;
  for (const auto& worker : workers_) worker->Start();
  if (const Status recovered = Recover(); !recovered) return recovered.error();
  observer_.Start();
  auto listeners = PrepareListeners(*compiled_);
  if (!listeners) return listeners.error();
  CommitListeners(std::move(*listeners), config().admin);
  for (const auto& rebalancer : rebalancers_) rebalancer->Start();
  evener_.Configure(config().balance);
  StartWatchdog();
  return Done();
}

void Server::StartWatchdog() {
  heartbeat_.StartEvery(std::chrono::milliseconds(250));
  watchdog_.Watch("the main thread", loop_.pulse(), [] { return std::string(); });
  for (const auto& worker : workers_) {
    const auto last_command = [this, &metrics = worker->metrics()] {
      const uint64_t id = metrics.last_command.value();
      return id > 0 && id <= table_.size() ? table_.all()[id - 1]->full_name : std::string();
    };
    watchdog_.Watch(fmt::format("worker {}", worker->index()), worker->loop().pulse(),
                    last_command);
  }
  watchdog_.Start(config().watchdog);
}

// Writes that a former process left half done are settled before anybody can see them, as far as
// the shards answer; what waits for others keeps only its own keys locked.
Status Server::Recover() {
  if (journal_ == nullptr) return Done();
  auto open = journal_->Load();
  if (!open) return open.error();
  std::vector<std::vector<OpenSaga>> by_pool(config().pools.size());
  for (OpenSaga& saga : *open) {
    const auto at =
        std::find_if(config().pools.begin(), config().pools.end(),
                     [&](const PoolConfig& pool) { return pool.name == saga.plan.pool; });
    if (at == config().pools.end()) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("the state database {} has a write over several shards of pool '{}' "
                               "that is half done, and there is no such pool; start once with it",
                               state_->path(), saga.plan.pool)};
    }
    by_pool[static_cast<size_t>(at - config().pools.begin())].push_back(std::move(saga));
  }
  if (!open->empty()) {
    LogWarning("{} writes over several shards were left open by a former process: settling them",
               open->size());
  }
  for (size_t pool = 0; pool < by_pool.size(); ++pool) {
    std::promise<void> opened;
    Worker* first = workers_[0].get();
    first->mailbox().Post([first, pool, &opened, &sagas = by_pool[pool]] {
      first->pool(pool).sagas()->Recover(std::move(sagas), [&opened] { opened.set_value(); });
    });
    opened.get_future().wait();
  }
  return Done();
}

// Who locks a key on one worker hears of all in one order; with one worker there is no way to go.
std::unique_ptr<LockService> Server::MakeLocks(size_t pool) {
  LockService::Post post = [this, pool](size_t worker, std::function<void(LockWorker&)> message) {
    Worker* at = workers_[worker].get();
    if (workers_.size() == 1) return message(at->pool(pool).lock_worker());
    at->mailbox().Post(
        [at, pool, message = std::move(message)] { message(at->pool(pool).lock_worker()); });
  };
  return std::make_unique<LockService>(worker_count_, std::move(post));
}

std::unique_ptr<SagaPool> Server::MakeSagas(size_t pool) {
  auto sagas = std::make_unique<SagaPool>(*locks_[pool]);
  sagas->journal = journal_.get();
  if (journal_ != nullptr) {
    const ShardClientName name = rebalancers_[pool]->NameOf("saga");
    sagas->connection_name = name.name;
    sagas->family_name = name.older;
    sagas->own_name = name.own;
    sagas->next_id = [journal = journal_.get()] { return journal->NextId(); };
  } else {
    // Names that no other process uses, as nothing is known of those before us.
    sagas->connection_name = "rm:" + run_id_.substr(0, 16) + ":1:saga";
    const uint64_t life = std::stoull(run_id_.substr(0, 5), nullptr, 16) | uint64_t{1} << 20;
    sagas->next_id = [this, life] { return MakeSagaId(life, ++last_saga_); };
  }
  return sagas;
}

// Without it the proxy would serve, but for what it is there for: that is for the operator to say.
Status Server::OpenState() {
  const StatePlace& place = compiled_->state;
  if (place.path.empty()) {
    why_no_state_ = "saga.journal is empty";
    return Done();
  }
  if (Status made = MakeStateFolder(place); !made) return made;
  Database::Options options;
  options.path = place.path;
  options.fsync = config().saga.fsync == FsyncPolicy::kAlways        ? Database::Fsync::kAlways
                  : config().saga.fsync == FsyncPolicy::kEverySecond ? Database::Fsync::kEverySecond
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
  state_ = std::move(*opened);
  journal_ = std::move(*journal);
  return Done();
}

Result<Listeners::Prepared> Server::PrepareListeners(const CompiledConfig& compiled) {
  const Config& config = compiled.config();
  std::vector<Door> doors;
  for (size_t pool = 0; pool < config.pools.size(); ++pool) {
    const auto& listen = config.pools[pool].listen;
    for (size_t i = 0; i < listen.size(); ++i) {
      doors.push_back({listen[i].address, pool, compiled.pools[pool].listen_tls[i]});
    }
  }
  if (config.admin.listen) {
    doors.push_back({*config.admin.listen, std::nullopt, nullptr});
  }
  return listeners_.Prepare(std::move(doors));
}

// The admin thread leaves its socket first: another door may be behind it next.
void Server::CommitListeners(Listeners::Prepared prepared, const AdminConfig& admin) {
  observer_.Use(admin, -1);
  listeners_.Commit(std::move(prepared));
  const Result<int> fd = listeners_.DuplicateForAdmin();
  if (!fd) LogError("admin pages wait for the main thread: {}", fd.error().text);
  observer_.Use(admin, fd ? *fd : -1);
}

// Equal numbers of clients on every worker, whatever the order of their coming and going.
Worker& Server::LeastLoaded() {
  size_t best = next_worker_;
  for (size_t i = 0; i < workers_.size(); ++i) {
    const size_t at = (next_worker_ + i) % workers_.size();
    if (workers_[at]->clients().load(std::memory_order_relaxed) <
        workers_[best]->clients().load(std::memory_order_relaxed)) {
      best = at;
    }
  }
  next_worker_ = (best + 1) % workers_.size();
  return *workers_[best];
}

uint32_t Server::possible_clients() {
  const size_t limit = DescriptorLimit();
  return static_cast<uint32_t>(limit - std::min(limit, KeptDescriptors()));
}

void Server::CheckClientLimit() const {
  if (config().limits.clients <= possible_clients()) return;
  LogWarning(
      "limits.clients is {}, but the process may have {} descriptors and keeps {} of them for "
      "shards, files and the admin pages: it takes {} clients at most; raise the limit of open "
      "files (ulimit -n, LimitNOFILE)",
      config().limits.clients, DescriptorLimit(), KeptDescriptors(), possible_clients());
}

void Server::TurnAway(int fd, bool plain, const std::string& why) {
  static LogLimiter limiter;
  uint64_t held = 0;
  workers_[0]->NoteRefused();
  if (limiter.Allow(MonotonicNow(), &held)) LogWarning("refused a client: {} ({} more)", why, held);
  const std::string error = errors::MaxClients();
  if (plain) (void)!send(fd, error.data(), error.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  close(fd);
}

void Server::Accept(const Door& door, int fd) {
  size_t clients = 0;
  for (const auto& worker : workers_) clients += worker->clients().load(std::memory_order_relaxed);
  if (clients >= max_clients()) {
    return TurnAway(fd, door.tls == nullptr,
                    fmt::format("limits.clients ({}) is reached", max_clients()));
  }
  // The lowest free number says how many are in use.
  if (static_cast<size_t>(fd) + KeptDescriptors() >= DescriptorLimit()) {
    return TurnAway(fd, door.tls == nullptr,
                    fmt::format("of {} descriptors only those are left that shards, files and the "
                                "admin pages may need; raise the limit of open files (ulimit -n)",
                                DescriptorLimit()));
  }
  const std::optional<size_t> home = evener_.HomeOf(clients);
  Worker& worker = home ? *workers_[*home] : LeastLoaded();
  worker.clients().fetch_add(1, std::memory_order_relaxed);
  const uint64_t id = next_client_++;
  worker.mailbox().Post([&worker, pool = *door.pool, fd, id, tls = door.tls] {
    worker.pool(pool).AddClient(fd, id, tls);
  });
}

void Server::SetBackgroundRule() {
  BackgroundRule rule;
  rule.share = config().schedule.background_share;
  jobs_.background().set_rule(rule);
}

void Server::Run() {
  const auto on = [this](int signal, std::function<void()> then) {
    signals_.push_back(std::make_unique<SignalWatcher>(loop_, signal, std::move(then)));
  };
  on(SIGTERM, [this] { OnTerminate(); });
  on(SIGINT, [this] { OnTerminate(); });
  on(SIGHUP, [this] {
    constexpr uint64_t kNobody = 0;
    Reload(kNobody, [](const Result<std::string>& changed) {
      if (!changed) LogError("reload refused, nothing changed: {}", changed.error().text);
    });
  });
  on(SIGUSR1, [] {
    const Status reopened = ReopenLog();
    if (!reopened) LogError("{}", reopened.error().text);
  });
  for (size_t i = 0; i < config().pools.size(); ++i) {
    for (const ListenConfig& listen : config().pools[i].listen) {
      LogInfo("pool {} listens on {}{}, {} shards, {} workers", config().pools[i].name,
              listen.address.ToString(), listen.tls.enabled ? " (TLS)" : "",
              rebalancers_[i]->snapshot()->links.size(), worker_count_);
    }
  }
  if (config().admin.listen) LogInfo("admin pages at {}", config().admin.listen->ToString());
  loop_.Run();
  signals_.clear();
}

void Server::OnTerminate() {
  if (stopping_) {
    LogWarning("told to stop a second time: stopping now");
    Stop(true);
    return;
  }
  LogInfo("stopping: clients have {} ms to get their replies",
          Milliseconds(config().timeouts.drain));
  Stop(false);
}

void Server::Stop(bool now) {
  stopping_ = true;
  listeners_.CloseForClients();
  evener_.Stop();
  if (now) jobs_.background().Stop();
  const MutexLock lock(moves_);
  stopping_moves_ = true;
  for (const auto& worker : workers_) {
    Worker* at = worker.get();
    at->mailbox().Post([at, now] { at->Drain(now); });
  }
  if (!now) drain_deadline_.StartOnce(config().timeouts.drain);
  if (waiter_.joinable()) return;
  waiter_ = std::thread([this] {
    for (const auto& worker : workers_) worker->Join();
    mailbox_.Post([this] { loop_.Stop(); });
  });
}

}  // namespace ringmaster
