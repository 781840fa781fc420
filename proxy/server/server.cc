#include "server/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <random>
#include <utility>

#include "base/log.h"
#include "server/shard_survey.h"
#include "server/worker_options.h"

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
    : mailbox_(loop_),
      jobs_(loop_, mailbox_,
            {.requests = [this] { return workers_->requests(); },
             .latency = [this] { return workers_->latency(); }}),
      operations_(mailbox_, rebalancers_, state_, jobs_,
                  [this](uint64_t asker, const Operator::Said& done) { Reload(asker, done); }),
      listeners_(loop_,
                 [this](const Door& door, int fd) {
                   door.pool ? workers_->Accept(fd, *door.pool, door.tls) : overviews_->Serve(fd);
                 }),
      primaries_(mailbox_, status_, workers_, rebalancers_),
      drain_deadline_(loop_, [this] { Stop(true); }),
      heartbeat_(loop_, [] {}) {
  status_.version = RINGMASTER_VERSION;
  status_.config_file = std::move(config_file);
  status_.run_id = NewRunId();
  status_.started_at = MonotonicNow();
  status_.started_unix = std::chrono::system_clock::now().time_since_epoch();
}

Server::~Server() {
  stopping_errands_ = true;
  errands_.Stop();
  listeners_.CloseAll();
  overviews_.reset();
  primaries_.Stop();
  watchdog_.Stop();
  if (waiter_.joinable()) waiter_.join();
  if (workers_ != nullptr) workers_->Stop();
  for (const auto& rebalancer : rebalancers_) rebalancer->Stop();
  // Its answers know the rebalancers and the workers.
  state_.Close();
  workers_.reset();
}

Status Server::Start(ConfigFile file) {
  auto made = Compile(table_, std::move(file));
  if (!made) return made.error();
  status_.compiled = std::move(*made);
  if (Status logging = OpenLog(config().log); !logging) return logging;
  status_.workers =
      config().workers != 0 ? config().workers : std::max(1U, std::thread::hardware_concurrency());
  client_limit_.Configure(config().limits.clients);
  if (Status opened = state_.Open(compiled()); !opened) return opened;
  primaries_.Begin();
  const ShardSurvey survey =
      SurveyShards(compiled(), table_, {}, *status_.places, stopping_errands_);
  if (!survey.mistakes.empty()) {
    return Error{ErrorCode::kInvalid, fmt::format("{}", fmt::join(survey.mistakes, "\n"))};
  }
  for (const auto* notes : {&compiled().notes, &survey.notes}) {
    for (const std::string& note : *notes) LogWarning("{}", note);
  }
  SetBackgroundRule();
  table_.Replace(compiled().commands);
  if (const Status made = MakeWorkers(); !made) return made.error();
  workers_->Start();
  if (const Status recovered = Recover(); !recovered) return recovered.error();
  overviews_ = std::make_unique<Overviews>(OverviewSources{
      mailbox_, status_, table_, *workers_, rebalancers_, state_, jobs_.background(), watchdog_});
  auto listeners = PrepareListeners(compiled());
  if (!listeners) return listeners.error();
  CommitListeners(std::move(*listeners), config().admin);
  for (const auto& rebalancer : rebalancers_) rebalancer->Start();
  primaries_.Serve();
  workers_->SetBalance(MakeBalanceOptions(config().balance));
  StartWatchdog();
  return Done();
}

Status Server::MakeWorkers() {
  workers_ = std::make_unique<WorkerGroup>(status_.workers, table_,
                                           MakeTurnOptions(config().schedule), loop_, mailbox_,
                                           WorkerServices{operations_, jobs_, client_limit_});
  for (size_t i = 0; i < config().pools.size(); ++i) {
    rebalancers_.push_back(
        std::make_unique<Rebalancer>(status_, state_, *workers_, loop_, mailbox_, i));
    Rebalancer& rebalancer = *rebalancers_.back();
    if (const Status begun = rebalancer.Begin(status_.compiled); !begun) return begun.error();
    Pool& pool = workers_->AddPool();
    pool.modules.Take(compiled().commands);
    pool.access.Replace(compiled().pools[i].users);
    state_.Lend(pool.sagas, rebalancer.NameOf("saga"), status_.run_id);
    workers_->Serve(i, MakePoolSettings(status_, i), {rebalancer.snapshot(), rebalancer.movers()});
  }
  return Done();
}

void Server::StartWatchdog() {
  heartbeat_.StartEvery(std::chrono::milliseconds(250));
  watchdog_.Watch("the main thread", loop_.pulse(), [] { return std::string(); });
  for (const auto& worker : workers_->workers()) {
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
  if (state_.journal() == nullptr) return Done();
  auto open = state_.LoadOpen(config().pools);
  if (!open) return open.error();
  size_t count = 0;
  for (const auto& sagas : *open) count += sagas.size();
  if (count > 0) {
    LogWarning("{} writes over several shards were left open by a former process: settling them",
               count);
  }
  for (size_t pool = 0; pool < open->size(); ++pool) {
    std::promise<void> opened;
    Worker& first = workers_->worker(0);
    first.mailbox().Post([&first, pool, &opened, &sagas = (*open)[pool]] {
      first.pool(pool).sagas()->Recover(std::move(sagas), [&opened] { opened.set_value(); });
    });
    opened.get_future().wait();
  }
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
  overviews_->Use(admin, -1);
  listeners_.Commit(std::move(prepared));
  const Result<int> fd = listeners_.DuplicateForAdmin();
  if (!fd) LogError("admin pages wait for the main thread: {}", fd.error().text);
  overviews_->Use(admin, fd ? *fd : -1);
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
  LogListeners();
  loop_.Run();
  signals_.clear();
}

void Server::LogListeners() const {
  for (size_t i = 0; i < config().pools.size(); ++i) {
    for (const ListenConfig& listen : config().pools[i].listen) {
      LogInfo("pool {} listens on {}{}, {} shards, {} workers", config().pools[i].name,
              listen.address.ToString(), listen.tls.enabled ? " (TLS)" : "",
              rebalancers_[i]->snapshot()->links.size(), status_.workers);
    }
  }
  if (config().admin.listen) LogInfo("admin pages at {}", config().admin.listen->ToString());
}

void Server::OnTerminate() {
  if (status_.stopping) {
    LogWarning("told to stop a second time: stopping now");
    Stop(true);
    return;
  }
  LogInfo("stopping: clients have {} ms to get their replies",
          Milliseconds(config().timeouts.drain));
  Stop(false);
}

void Server::Stop(bool now) {
  status_.stopping = true;
  listeners_.CloseForClients();
  if (now) jobs_.background().Stop();
  workers_->Drain(now);
  if (!now) drain_deadline_.StartOnce(config().timeouts.drain);
  if (waiter_.joinable()) return;
  waiter_ = std::thread([this] {
    workers_->Join();
    mailbox_.Post([this] { loop_.Stop(); });
  });
}

}  // namespace ringmaster
