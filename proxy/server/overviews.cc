#include "server/overviews.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "jobs/background.h"
#include "move/shard_client.h"
#include "net/mailbox.h"
#include "server/rebalancer.h"
#include "server/shard_probes.h"
#include "server/snapshot.h"
#include "server/state.h"
#include "server/status.h"
#include "server/watchdog.h"
#include "worker/worker_group.h"

namespace ringmaster {
namespace {

constexpr Duration kPatience = std::chrono::seconds(2);
constexpr Duration kLookAgain = std::chrono::milliseconds(50);
constexpr Duration kProbe = std::chrono::milliseconds(500);  // each of connecting and answering

constexpr size_t kProbeThreads = 16;

std::string NoWrites(const std::string& pool, const std::string& shard, const std::string& why) {
  return "shard " + shard + " of pool '" + pool + "' takes no writes: " + why + "\n";
}

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

const char* KindOf(const Command& command) {
  if (command.Is(kRunsScript)) return "script";
  if (command.Is(kPubSub)) return "pubsub";
  if (command.Is(kAdmin)) return "admin";
  if (command.Is(kWrite)) return "write";
  if (command.Is(kReadOnly)) return "read";
  return "other";
}

void FillProcess(Overview& out) {
  out.pid = getpid();
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  out.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  if (statm >> size >> resident) {
    out.resident_bytes = resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  std::error_code ignored;
  for (auto at = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       at != std::filesystem::directory_iterator(); at.increment(ignored)) {
    ++out.open_files;
  }
}

WorkerOverview Read(const WorkerMetrics& metrics) {
  WorkerOverview out;
  out.clients = metrics.clients.value();
  out.blocked = metrics.blocked.value();
  out.paused = metrics.paused.value();
  out.accepted = metrics.accepted.value();
  out.closed = metrics.closed.value();
  out.requests = metrics.requests.value();
  out.in_flight = metrics.in_flight.value();
  out.bytes_in = metrics.bytes_in.value();
  out.bytes_out = metrics.bytes_out.value();
  out.error_replies = metrics.error_replies.value();
  out.protocol_errors = metrics.protocol_errors.value();
  out.slow_readers = metrics.slow_readers.value();
  out.standstills = metrics.standstills.value();
  out.idle_closed = metrics.idle_closed.value();
  out.memory_refused = metrics.memory_refused.value();
  out.buffer_bytes = metrics.memory.value();
  out.moved_in = metrics.moved_in.value();
  out.pulled_in = metrics.pulled_in.value();
  out.moved_out = metrics.moved_out.value();
  out.stayed = metrics.stayed.value();
  out.busy_ratio = static_cast<double>(metrics.busy_permille.value()) / 1000;
  out.latency.Add(metrics.latency());
  return out;
}

void Add(const ShardMetrics& metrics, ShardOverview& out) {
  out.connections += metrics.connections.value();
  out.in_flight += metrics.in_flight.value();
  out.requests += metrics.requests.value();
  out.replies += metrics.replies.value();
  out.bytes_out += metrics.bytes_out.value();
  out.bytes_in += metrics.bytes_in.value();
  out.connects += metrics.connects.value();
  out.losses += metrics.losses.value();
  out.timeouts += metrics.timeouts.value();
  out.resent += metrics.resent.value();
  out.not_applied += metrics.not_applied.value();
  out.uncertain += metrics.uncertain.value();
  for (size_t i = 0; i < kShardRefusals; ++i) out.refusals[i] += metrics.refusals[i].value();
  out.latency.Add(metrics.latency);
}

}  // namespace

// The name that it listens at is one of them.
HttpHosts HostsOf(const AdminConfig& config) {
  HttpHosts hosts;
  hosts.names = config.hosts;
  if (config.listen && config.listen->kind == Address::kTcp) {
    hosts.names.push_back(HostOf(config.listen->host));
  }
  return hosts;
}

// What the workers know of a pool's shards.
struct Overviews::Reach {
  struct Unknown {
    std::string shard;
    ShardTarget target;
  };
  std::string pool;
  std::string wrong;             // who takes no writes and why, a line each
  std::vector<Unknown> unknown;  // nobody is connected to them: they are to be asked
  std::string note;              // for the operator, a line; empty: nothing
};

Overviews::Overviews(const OverviewSources& from) : from_(from) {
  admin_ = std::make_unique<Admin>(
      AdminSource{.overview = [this](AdminSource::Sagas sagas) { return Take(sagas); },
                  .ready = [this] { return CheckReady(); },
                  .stalls = [this] { return from_.watchdog.Stalls(); }});
}

Overviews::~Overviews() {
  stopping_ = true;
  admin_.reset();
}

void Overviews::Use(const AdminConfig& config, int fd) {
  admin_->SetHosts(HostsOf(config));
  admin_->Listen(fd);
}

// The main thread may be busy, or at its end: then nobody waits for it forever.
template <typename Value>
Result<Value> Overviews::FromMainThread(std::function<void(std::function<void(Value)>)> make) {
  struct Answer {
    Mutex mutex;
    std::condition_variable came;
    std::optional<Value> value RM_GUARDED_BY(mutex);
  };
  auto answer = std::make_shared<Answer>();
  from_.mailbox.Post([make = std::move(make), answer] {
    make([answer](Value value) {
      const MutexLock lock(answer->mutex);
      answer->value = std::move(value);
      answer->came.notify_one();
    });
  });
  const TimePoint until = MonotonicNow() + kPatience;
  MutexLock lock(answer->mutex);
  while (!answer->value && !stopping_ && MonotonicNow() < until) {
    answer->came.wait_for(lock.native(), kLookAgain);
  }
  if (answer->value) return std::move(*answer->value);
  return Error{ErrorCode::kUnavailable,
               stopping_ ? "the proxy is stopping" : "the proxy is too busy to tell; try again"};
}

Result<Overview> Overviews::Take(AdminSource::Sagas sagas) {
  Result<Overview> overview =
      FromMainThread<Overview>([this, sagas](std::function<void(Overview)> done) {
        Overview out;
        Fill(out);
        if (sagas == AdminSource::Sagas::kCounts) return done(std::move(out));
        AskForSagas(std::move(out), std::move(done));
      });
  if (overview) FillProcess(*overview);
  return overview;
}

// A shard that workers are connected to, and that said that it is a primary, takes writes as far as
// anybody knows; those that nobody has needed yet are asked here.
Result<std::string> Overviews::CheckReady() {
  const auto reaches = FromMainThread<std::vector<Reach>>(
      [this](const std::function<void(std::vector<Reach>)>& done) { done(Reaches()); });
  if (!reaches) return reaches.error();
  if (reaches->empty()) return Error{ErrorCode::kUnavailable, "the proxy is stopping"};
  std::string wrong;
  std::string notes;
  std::vector<std::pair<const Reach*, const Reach::Unknown*>> to_ask;
  for (const Reach& reach : *reaches) {
    wrong += reach.wrong;
    notes += reach.note;
    for (const Reach::Unknown& unknown : reach.unknown) to_ask.emplace_back(&reach, &unknown);
  }
  std::vector<std::string> said(to_ask.size());
  const TimePoint until = MonotonicNow() + kPatience;
  ForEachInParallel(to_ask.size(), kProbeThreads, [&](size_t at) {
    const bool late = stopping_ || MonotonicNow() >= until;
    said[at] =
        late ? "no time was left to ask it" : AskHealth(to_ask[at].second->target, kProbe).trouble;
  });
  for (size_t i = 0; i < to_ask.size(); ++i) {
    if (!said[i].empty())
      wrong += NoWrites(to_ask[i].first->pool, to_ask[i].second->shard, said[i]);
  }
  if (wrong.empty()) return notes;
  wrong.pop_back();
  return Error{ErrorCode::kUnavailable, wrong};
}

std::vector<Overviews::Reach> Overviews::Reaches() const {
  std::vector<Reach> reaches;
  if (from_.status.stopping) return reaches;
  Overview all;
  FillShards(all);
  for (const PoolConfig& pool : from_.status.config().pools) {
    Reach& reach = reaches.emplace_back();
    reach.pool = pool.name;
    for (const ShardOverview& shard : all.shards) {
      if (shard.pool != pool.name) continue;
      if (shard.failing) reach.wrong += NoWrites(pool.name, shard.name, shard.last_error);
      if (shard.failing) continue;
      // Who asks it each second knows; what it refused itself is looked at again.
      if (shard.asked_unix > 0) {
        if (!shard.trouble.empty()) reach.wrong += NoWrites(pool.name, shard.name, shard.trouble);
        continue;
      }
      if (shard.connections > 0 && !shard.short_of_replicas) continue;
      const auto at =
          std::find_if(pool.shards.begin(), pool.shards.end(),
                       [&](const ShardConfig& each) { return each.name == shard.name; });
      // Of one that is about to leave the movers know better.
      if (at != pool.shards.end())
        reach.unknown.push_back(
            {shard.name, MakeTarget(*at, from_.status.places->Of(pool.name, *at))});
    }
    RebalanceOverview ring;
    from_.rebalancers[reaches.size() - 1]->Describe(ring);
    if (ring.waiting()) {
      reach.note = "pool '" + pool.name + "': keys are to move and do not: " + ring.refused + "\n";
    }
  }
  return reaches;
}

void Overviews::Fill(Overview& out) const {
  const ServerStatus& status = from_.status;
  out.version = status.version;
  out.run_id = status.run_id;
  out.config_file = status.config_file;
  out.max_clients = from_.workers.most_clients();
  out.uptime_seconds = Seconds(MonotonicNow() - status.started_at);
  out.started_unix = Seconds(status.started_unix);
  out.serving = !status.stopping;
  out.reloads = status.reloads;
  out.reloads_refused = status.reloads_refused;
  FillWorkers(out);
  FillCommands(out);
  FillShards(out);
  FillSagas(out);
  FillBackground(out);
  for (const auto& rebalancer : from_.rebalancers) {
    rebalancer->Describe(out.rebalances.emplace_back());
  }
}

void Overviews::FillWorkers(Overview& out) const {
  busy_told_.resize(from_.workers.size());
  for (const auto& worker : from_.workers.workers()) {
    WorkerOverview& each = out.workers.emplace_back(Read(worker->metrics()));
    each.index = std::to_string(worker->index());
    out.clients_refused += worker->metrics().refused.value();
    // Two clocks that are not read at the same moment: what was told once is never taken back.
    const double slept = Seconds(worker->loop().Slept());
    double& told = busy_told_[worker->index()];
    told = std::max(told, Seconds(MonotonicNow() - from_.status.started_at) - slept);
    each.busy_seconds = told;
    // Somebody joins the threads of workers that stop.
    if (!from_.status.stopping) each.cpu_seconds = Seconds(worker->ProcessorTime());
  }
}

void Overviews::FillCommands(Overview& out) const {
  for (const auto& command : from_.table.all()) {
    CommandOverview each;
    for (const auto& worker : from_.workers.workers()) {
      const CommandMetrics& metrics = worker->metrics().per_command[command->id];
      each.calls += metrics.calls.value();
      each.failed += metrics.failed.value();
      each.rejected += metrics.rejected.value();
      each.micros += metrics.micros.value();
      for (size_t i = 0; i < each.buckets.size(); ++i)
        each.buckets[i] += metrics.buckets[i].value();
    }
    if (each.calls == 0 && each.rejected == 0) continue;
    each.name = command->full_name;
    each.kind = KindOf(*command);
    out.commands.push_back(std::move(each));
  }
}

void Overviews::FillShards(Overview& out) const {
  for (size_t pool = 0; pool < from_.rebalancers.size(); ++pool) {
    const RouteSnapshot& snapshot = *from_.rebalancers[pool]->snapshot();
    const size_t first = out.shards.size();
    for (uint32_t i = 0; i < snapshot.links.size(); ++i) {
      const ShardLink& link = *snapshot.links[i];
      ShardOverview& each = out.shards.emplace_back();
      each.pool = from_.status.config().pools[pool].name;
      each.name = link.name();
      each.address = link.address().ToString();
      each.in_ring = !snapshot.topology->shards()[i].absent;
      each.failing = link.failing();
      each.last_error = link.last_error();
      const ShardLink::Role role = link.role();
      each.role = NameOf(role.said.role);
      each.role_since_unix = Seconds(role.since);
      each.switches = link.place()->switches();
      const ShardHealth health = link.place()->health();
      each.asked_unix = Seconds(health.at);
      each.trouble = health.trouble;
      each.ping_seconds = Seconds(health.round_trip);
      each.replicas = health.replicas;
      each.lag_bytes = health.lag_bytes;
      each.short_of_replicas = link.refused_lately(ShardRefusal::kNoReplicas, MonotonicNow());
      each.failures = link.failures();
      each.share = snapshot.topology->ShareOf(i);
    }
    for (const auto& worker : from_.workers.workers()) {
      const Router& router = worker->pool(pool).router();
      router.EachMetrics([&](const std::string& name, const ShardMetrics& metrics) {
        for (size_t i = first; i < out.shards.size(); ++i) {
          if (out.shards[i].name == name) Add(metrics, out.shards[i]);
        }
      });
    }
  }
}

void Overviews::FillSagas(Overview& out) const {
  for (size_t pool = 0; pool < from_.status.config().pools.size(); ++pool) {
    const SagaFigures& figures = from_.workers.pool(pool).sagas.figures;
    SagaOverview& each = out.sagas.emplace_back();
    each.pool = from_.status.config().pools[pool].name;
    each.committed = figures.committed;
    each.undone = figures.undone;
    each.uncertain = figures.uncertain;
    each.started = figures.started;  // after those it includes
    each.interfered = figures.interfered;
    each.conflicts = figures.conflicts;
    each.poisoned = figures.poisoned;
    each.recovered = figures.recovered;
    each.micros = figures.microseconds;
    static_assert(std::tuple_size_v<decltype(figures.buckets)> == SagaOverview::kBuckets);
    for (size_t i = 0; i < each.buckets.size(); ++i) each.buckets[i] = figures.buckets[i];
  }
  const Database* database = from_.state.database();
  out.journal.open = database != nullptr;
  out.journal.why_not = from_.state.why_not();
  if (database == nullptr) return;
  const Database::Figures figures = database->figures();
  out.journal.trouble = database->trouble();
  out.journal.records = figures.submissions;
  out.journal.transactions = figures.transactions;
  out.journal.failures = figures.failures;
}

void Overviews::FillBackground(Overview& out) const {
  const BackgroundQueue& queue = from_.background.queue();
  const TimePoint now = MonotonicNow();
  out.background.pace = queue.pace();
  out.background.submitted = queue.added();
  out.background.steps = queue.steps();
  out.background.step_seconds = Seconds(queue.step_time());
  for (const BackgroundQueue::Job& job : queue.List()) {
    out.background.jobs.push_back({job.id, job.name, StateName(job.state), job.place,
                                   Seconds(now - job.added_at), job.done, job.total, job.steps,
                                   job.rate, job.left ? Seconds(*job.left) : -1});
  }
}

// Each worker tells of its own.
void Overviews::AskForSagas(Overview overview, std::function<void(Overview)> done) const {
  struct Round {
    Overview overview;
    size_t left;
    std::function<void(Overview)> done;
  };
  auto round =
      std::make_shared<Round>(Round{std::move(overview), from_.workers.size(), std::move(done)});
  std::vector<std::string> pools;
  for (const PoolConfig& pool : from_.status.config().pools) pools.push_back(pool.name);
  for (const auto& worker : from_.workers.workers()) {
    worker->mailbox().Post([this, at = worker.get(), pools, round] {
      std::vector<OpenSagaOverview> open;
      for (size_t pool = 0; pool < pools.size(); ++pool) {
        std::vector<SagaRecord> records;
        at->pool(pool).sagas()->Describe(at->loop().Now(), false, records);
        for (const SagaRecord& saga : records) {
          open.push_back({pools[pool], SagaName(saga.id), saga.command, saga.state,
                          Seconds(saga.age), saga.poisoned, saga.recovered, saga.plan.steps.size(),
                          saga.notes});
        }
      }
      from_.mailbox.Post([round, open = std::move(open)] {
        auto& all = round->overview.open_sagas;
        all.insert(all.end(), open.begin(), open.end());
        if (--round->left == 0) round->done(std::move(round->overview));
      });
    });
  }
}

}  // namespace ringmaster
