#include "server/worker.h"

#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <ctime>

#include "server/pool_worker.h"
#include "server/server.h"

namespace ringmaster {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr int kTicksASecond = 10;
constexpr size_t kMostReported = 1024;
constexpr size_t kReturnAtOnce = 1U << 20;  // bytes freed in one second

}  // namespace

Worker::Worker(Server& server, size_t index, const CommandTable& table)
    : server_(server),
      index_(index),
      table_(table),
      mailbox_(loop_),
      ticker_(loop_, [this] { Tick(); }),
      metrics_(table.size()),
      reaper_(requests_),
      departures_(*this, server) {
  loop_.OnPrepare([this] { EndOfTurn(); });
  ticker_.StartEvery(kTick);
}

Worker::~Worker() {
  Join();
  const FramePool::Scope scope(frames_);
  // Every exchange is answered before the memory of its asker goes.
  for (const auto& pool : pools_) {
    pool->CloseClients();
    pool->CloseBackends("the proxy is shutting down");
    pool->ForgetTimers();
  }
  EndOfTurn();
  pools_.clear();
  read_block_.Reset();
}

PoolWorker& Worker::AddPool(size_t pool) {
  pools_.push_back(server_.MakePoolWorker(*this, pool));
  return *pools_.back();
}

void Worker::Start() {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), ("worker-" + std::to_string(index_)).c_str());
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
  const FramePool::Scope scope(frames_);
  loop_.Run();
}

// Clients that have more to say get their turn, then everything collected goes out: one write for
// each touched shard connection, one for each touched client.
void Worker::EndOfTurn() {
  // Nobody may be inside that would let them in.
  if (gate_.anybody_waits()) [[unlikely]] {
    while (Session* session = gate_.Next(loop_.Now())) session->PassGate();
  }
  line_.NewTurn(windows_.Unhurried(loop_.Now()));
  while (Session* session = line_.Next()) session->Serve();
  // A call is shown to monitors before its shard has it.
  for (const auto& pool : pools_) pool->EndTurn();
  while (Connection* connection = connections_to_flush_.PopFront()) connection->Flush();
  IntrusiveList<Session, FlushTag> touched;
  touched.Append(sessions_to_flush_);
  while (Session* session = touched.PopFront()) session->Flush();
  // A lost connection may have been found while flushing, and somebody may be waiting for the next.
  while (Connection* connection = connections_to_flush_.PopFront()) connection->Flush();
  if (!departures_.empty()) [[unlikely]]
    departures_.Settle(loop_.Now());
  for (const auto& pool : pools_) pool->FreeClosed();
  metrics_.in_flight.Set(requests_.live());
  const bool busy = !line_.empty() || !sessions_to_flush_.empty();
  loop_.SetBusy(busy);
  if (!busy && server_.evener().MayPull(index_)) [[unlikely]]
    BeforeSleep();
  if (draining_) [[unlikely]]
    EndWhenDrained();
}

// Another worker has more to do than it can.
void Worker::BeforeSleep() {
  const TimePoint now = loop_.Now();
  if (now < may_ask_at_ || draining_) return;
  may_ask_at_ = now + kTick;
  server_.AskForClient(index_);
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

void Worker::MoveAll(size_t to) {
  std::vector<MoveOrder> orders;
  for (const auto& pool : pools_) {
    pool->EachSession([&](Session& session) { orders.push_back({session.id(), to, false}); });
  }
  Move(orders);
}

void Worker::Tick() {
  const TimePoint now = loop_.Now();
  for (const auto& pool : pools_) pool->Tick(now);
  for (Session* session = stalled_.front(); session != nullptr;) {
    Session* next = stalled_.next(*session);
    session->CheckStalled(now);
    session = next;
  }
  TellOfInteractive();
  if (++ticks_ % kTicksASecond == 0) EverySecond();
}

// Interactive clients here wait for the same shards as deep ones elsewhere.
void Worker::TellOfInteractive() {
  interactive_at_.store(windows_.latest().time_since_epoch().count(), std::memory_order_relaxed);
  windows_.NoteElsewhere(server_.InteractiveElsewhere(index_));
}

void Worker::SetSchedule(const ScheduleConfig& schedule) {
  RoundRobinRule turns;
  turns.commands = schedule.quantum;
  turns.loop_turn = std::max(turns.loop_turn, schedule.quantum);
  line_.set_rule(turns);
  WindowRule window;
  window.cap = schedule.window;
  windows_.set_rule(window);
}

void Worker::EverySecond() {
  const TimePoint now = loop_.Now();
  for (const auto& pool : pools_) pool->CheckIdle(now);
  // What a burst needed goes back to the system at once; the allocator alone would keep it.
  if (blocks_.Trim() > kReturnAtOnce) malloc_trim(kReturnAtOnce);
  requests_.Trim(requests_.free() / 2);
  metrics_.memory.Set(blocks_.bytes_in_use());
  metrics_.busy_permille.Set(static_cast<uint64_t>(loop_.BusyShare() * 1000));
}

void Worker::Drain(bool now) {
  draining_ = true;
  departures_.CancelAll();
  for (const auto& pool : pools_) {
    if (now) {
      pool->CloseClients();
      pool->CloseBackends("the proxy is shutting down");
    } else {
      pool->Drain();
    }
  }
  if (now) loop_.Stop();
}

void Worker::EndWhenDrained() {
  for (const auto& pool : pools_) {
    if (!pool->idle()) return;
  }
  loop_.Stop();
}

}  // namespace ringmaster
