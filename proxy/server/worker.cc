#include "server/worker.h"

#include <malloc.h>

#include <algorithm>

#include "server/pool_worker.h"
#include "server/server.h"

namespace ringmaster {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr int kTicksASecond = 10;
constexpr size_t kReturnAtOnce = 1U << 20;  // bytes freed in one second

}  // namespace

Worker::Worker(Server& server, size_t index, const CommandTable& table)
    : server_(server),
      index_(index),
      table_(table),
      mailbox_(loop_),
      ticker_(loop_, [this] { Tick(); }),
      metrics_(table.size()),
      reaper_(requests_) {
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
}

void Worker::Join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::Run() {
  const FramePool::Scope scope(frames_);
  loop_.Run();
}

// Clients that have more to say get their turn, then everything collected goes out: one write for
// each touched shard connection, one for each touched client.
void Worker::EndOfTurn() {
  line_.NewTurn();
  while (Session* session = line_.Next()) session->Serve();
  while (Connection* connection = connections_to_flush_.PopFront()) connection->Flush();
  IntrusiveList<Session, FlushTag> touched;
  touched.Append(sessions_to_flush_);
  while (Session* session = touched.PopFront()) session->Flush();
  // A lost connection may have been found while flushing, and somebody may be waiting for the next.
  while (Connection* connection = connections_to_flush_.PopFront()) connection->Flush();
  for (const auto& pool : pools_) pool->FreeClosed();
  loop_.SetBusy(!line_.empty() || !sessions_to_flush_.empty());
  if (draining_) [[unlikely]]
    EndWhenDrained();
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
