#include "worker/worker.h"

#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <unordered_map>
#include <utility>

namespace ringmaster {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr int kTicksASecond = 10;
constexpr size_t kMostReported = 1024;
constexpr size_t kReturnAtOnce = 1U << 20;  // bytes freed in one second

}  // namespace

Worker::Worker(size_t index, const CommandTable& table, const TurnOptions& turns,
               Colleagues& colleagues, const WorkerServices& services)
    : colleagues_(colleagues),
      services_(services),
      parts_(index, table),
      ticker_(parts_.loop, [this] { Tick(); }) {
  SetTurns(turns);
  parts_.loop.OnPrepare([this] { EndOfTurn(); });
  ticker_.StartEvery(kTick);
}

Worker::~Worker() {
  Join();
  const FramePool::Scope scope(parts_.frames);
  // Every exchange is answered before the memory of its asker goes.
  for (const auto& pool : pools_) {
    pool->CloseClients();
    pool->CloseBackends("the proxy is shutting down");
    pool->ForgetTimers();
  }
  EndOfTurn();
  pools_.clear();
  parts_.read_block.Reset();
}

void Worker::AddPool(Pool& pool, PoolSettings settings, PoolRoute route) {
  pools_.push_back(std::make_unique<PoolWorker>(parts_, colleagues_, services_, pools_.size(), pool,
                                                std::move(settings), std::move(route)));
}

void Worker::Start() {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), ("worker-" + std::to_string(parts_.index)).c_str());
}

void Worker::Join() {
  if (thread_.joinable()) thread_.join();
}

Duration Worker::ProcessorTime() {
  clockid_t clock;
  timespec spent{};
  if (!thread_.joinable() || pthread_getcpuclockid(thread_.native_handle(), &clock) != 0 ||
      clock_gettime(clock, &spent) != 0) {
    return Duration(0);
  }
  return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

void Worker::Run() {
  const FramePool::Scope scope(parts_.frames);
  parts_.loop.Run();
}

// Clients that have more to say get their turn, then everything collected goes out: one write for
// each touched shard connection, one for each touched client.
void Worker::EndOfTurn() {
  // Nobody may be inside that would let them in.
  if (parts_.gate.anybody_waits()) [[unlikely]] {
    while (Session* session = parts_.gate.Next(parts_.loop.Now())) session->PassGate();
  }
  parts_.line.NewTurn(parts_.windows.Unhurried(parts_.loop.Now()));
  while (Session* session = parts_.line.Next()) session->Serve();
  // A call is shown to monitors before its shard has it.
  for (const auto& pool : pools_) pool->EndTurn();
  while (Connection* connection = parts_.connections_to_flush.PopFront()) connection->Flush();
  IntrusiveList<Session, FlushTag> touched;
  touched.Append(parts_.sessions_to_flush);
  while (Session* session = touched.PopFront()) session->Flush();
  // A lost connection may have been found while flushing, and somebody may be waiting for the next.
  while (Connection* connection = parts_.connections_to_flush.PopFront()) connection->Flush();
  if (!parts_.migrations.empty()) [[unlikely]]
    SettleMigrations();
  for (const auto& pool : pools_) pool->FreeClosed();
  parts_.metrics.in_flight.Set(parts_.requests.live());
  const bool busy = !parts_.line.empty() || !parts_.sessions_to_flush.empty();
  parts_.loop.SetBusy(busy);
  if (!busy && colleagues_.MayPull(parts_.index)) [[unlikely]]
    BeforeSleep();
  if (parts_.draining) [[unlikely]]
    EndWhenDrained();
}

// Another worker has more to do than it can.
void Worker::BeforeSleep() {
  const TimePoint now = parts_.loop.Now();
  if (now < may_ask_at_ || parts_.draining) return;
  may_ask_at_ = now + kTick;
  colleagues_.AskForClient(parts_.index);
}

CostReport Worker::TakeCosts() {
  CostReport report;
  for (const auto& pool : pools_) {
    pool->EachSession([&](Session& session) {
      const uint32_t cost = session.TakeCost();
      report.total += cost;
      if (cost > 0) report.clients.push_back({session.id(), cost, session.tied()});
    });
  }
  if (report.clients.size() > kMostReported) {
    const auto end = report.clients.begin() + kMostReported;
    std::nth_element(report.clients.begin(), end, report.clients.end(),
                     [](const auto& a, const auto& b) { return a.cost > b.cost; });
    report.clients.erase(end, report.clients.end());
  }
  return report;
}

void Worker::Migrate(const std::vector<MigrationOrder>& orders) {
  std::unordered_map<uint64_t, MigrationOrder> wanted;
  for (const MigrationOrder& order : orders) wanted.emplace(order.id, order);
  for (const auto& leaving : parts_.migrations.leaving()) wanted.erase(leaving.order.id);
  for (size_t pool = 0; pool < pools_.size() && !wanted.empty(); ++pool) {
    pools_[pool]->EachSession([&](Session& session) {
      const auto found = wanted.find(session.id());
      if (found == wanted.end() || session.closed() || session.tied()) return;
      parts_.migrations.Begin(session, pool, found->second, parts_.loop.Now());
      wanted.erase(found);
    });
  }
  for (const auto& [id, order] : wanted) NoteStayed(id);
}

void Worker::MigrateAll(size_t to) {
  std::vector<MigrationOrder> orders;
  for (const auto& pool : pools_) {
    pool->EachSession([&](Session& session) { orders.push_back({session.id(), to, false}); });
  }
  Migrate(orders);
}

void Worker::SettleMigrations() {
  const auto go = [this](const Migrations::Leaving& leaving) {
    return colleagues_.HandOver(leaving.order, leaving.pool,
                                [&] { return pools_[leaving.pool]->Release(*leaving.session); });
  };
  for (const uint64_t client : parts_.migrations.Settle(parts_.loop.Now(), go)) NoteStayed(client);
}

void Worker::NoteStayed(uint64_t client) {
  parts_.metrics.stayed.Add();
  colleagues_.NoteStayed(client);
}

void Worker::Tick() {
  const TimePoint now = parts_.loop.Now();
  for (const auto& pool : pools_) pool->Tick(now);
  for (Session* session = parts_.stalled.front(); session != nullptr;) {
    Session* next = parts_.stalled.next(*session);
    session->CheckStalled(now);
    session = next;
  }
  TellOfInteractive();
  if (++ticks_ % kTicksASecond == 0) EverySecond();
}

// Interactive clients here wait for the same shards as deep ones elsewhere.
void Worker::TellOfInteractive() {
  interactive_at_.store(parts_.windows.latest().time_since_epoch().count(),
                        std::memory_order_relaxed);
  parts_.windows.NoteElsewhere(colleagues_.InteractiveElsewhere(parts_.index));
}

void Worker::SetTurns(const TurnOptions& turns) {
  RoundRobinRule rule;
  rule.commands = turns.quantum;
  rule.loop_turn = std::max(rule.loop_turn, turns.quantum);
  parts_.line.set_rule(rule);
  WindowRule window;
  window.cap = turns.window;
  parts_.windows.set_rule(window);
}

void Worker::EverySecond() {
  const TimePoint now = parts_.loop.Now();
  for (const auto& pool : pools_) pool->CheckIdle(now);
  // What a burst needed goes back to the system at once; the allocator alone would keep it.
  if (parts_.blocks.Trim() > kReturnAtOnce) malloc_trim(kReturnAtOnce);
  parts_.requests.Trim(parts_.requests.free() / 2);
  parts_.metrics.memory.Set(parts_.blocks.bytes_in_use());
  parts_.metrics.busy_permille.Set(static_cast<uint64_t>(parts_.loop.BusyShare() * 1000));
}

void Worker::Drain(bool now) {
  parts_.draining = true;
  for (const uint64_t client : parts_.migrations.CancelAll()) NoteStayed(client);
  for (const auto& pool : pools_) {
    if (now) {
      pool->CloseClients();
      pool->CloseBackends("the proxy is shutting down");
    } else {
      pool->Drain();
    }
  }
  if (now) parts_.loop.Stop();
}

void Worker::EndWhenDrained() {
  for (const auto& pool : pools_) {
    if (!pool->idle()) return;
  }
  parts_.loop.Stop();
}

}  // namespace ringmaster
