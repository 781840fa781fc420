// A worker's data path without its thread: loop, pools, a router over fake shards, and clients on
// socket pairs. The test turns the loop by hand, so nothing sleeps and nothing depends on time.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command/access/access_control.h"
#include "command/call/call.h"
#include "command/call/slow_log.h"
#include "command/gate/pause.h"
#include "command/rows/all_rows.h"
#include "command/serve/recipe.h"
#include "coro/frame_pool.h"
#include "net/loop.h"
#include "resp/request_writer.h"
#include "session/session.h"
#include "support/shard_side.h"

namespace ringmaster {

struct NoProxy final : Proxy {
  explicit NoProxy(Loop& on) : loop(on) {}
  const ProxyFacts& facts() const override { return known; }
  TimePoint Now() override { return loop.Now(); }
  uint32_t max_clients() const override { return 10000; }
  void SetMaxClients(uint32_t) override {}
  uint32_t possible_clients() const override { return 10000; }
  AccessControl& access() override { return users; }
  SlowLog& slow_log() override { return slow; }
  Pause& pause() override { return paused; }
  void VisitWorkers(Visit, std::function<void(std::vector<std::string>)> done) override {
    visited = std::move(done);
  }
  void After(Duration, std::function<void()> then) override { then(); }
  void AwaitTurn(std::string name, Turn turn) override {
    waiting.emplace_back(std::move(name), std::move(turn));
  }
  void Jobs(JobOrder, std::function<void(Result<std::vector<JobFigures>>)> done) override {
    done(std::vector<JobFigures>());
  }
  void Pull(uint64_t, uint32_t, int, std::string, Pulling pulling) override { pulling.done(""); }
  void HoldTransfers(std::function<void(Result<TransferHold>)> done) override {
    done(TransferHold());
  }
  void Rebalance(std::vector<std::string>, std::function<void(Result<std::string>)> done) override {
    done(std::string());
  }
  void Journal(bool, std::function<void(Result<std::string>)> done) override {
    done(std::string());
  }
  void Reload(uint64_t, std::function<void(Result<std::string>)> done) override {
    done(std::string());
  }

  Loop& loop;
  ProxyFacts known;
  CommandTable table{AllCommands()};
  AccessControl users{table};
  SlowLog slow;
  Pause paused;
  std::vector<std::pair<std::string, Turn>> waiting;      // for the background
  std::function<void(std::vector<std::string>)> visited;  // the answer to VisitWorkers is due
};

// One end of a client's connection; its session serves the other.
class TestClient {
 public:
  explicit TestClient(int fd) : fd_(fd) {}
  ~TestClient() { Leave(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  // Sends what fits; returns how much.
  size_t Send(Bytes bytes) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }
  void Ask(std::initializer_list<Bytes> args) { Send(MakeRequest(args)); }
  // Everything that came since the last call; " closed" behind it when that is all there will be.
  std::string Read() {
    std::string all;
    char buffer[65536];
    ssize_t got;
    while ((got = recv(fd_, buffer, sizeof(buffer), 0)) > 0) {
      all.append(buffer, static_cast<size_t>(got));
    }
    if (got == 0 || errno == ECONNRESET) all += " closed";
    return all;
  }
  // At most so many bytes; `closed` is set at the end of what comes.
  std::string ReadSome(size_t most, bool* closed) {
    std::string some;
    char buffer[65536];
    while (some.size() < most) {
      const ssize_t got = recv(fd_, buffer, std::min(sizeof(buffer), most - some.size()), 0);
      *closed = *closed || got == 0 || (got < 0 && errno != EAGAIN);
      if (got <= 0) break;
      some.append(buffer, static_cast<size_t>(got));
    }
    return some;
  }
  void HalfClose() { shutdown(fd_, SHUT_WR); }
  std::string Line() { return OnOneLine(Read()); }
  void Leave() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

// All of it: what a worker with one pool has.
struct DataPlane : ShardSide {
  explicit DataPlane(size_t count = 1, const BackendLimits& with = BackendLimits(),
                     const CommandSet& rows = AllCommands())
      : ShardSide(count, with), table(rows) {
    router.Use(Snapshot(count));
  }
  ~DataPlane() override {
    while (Session* session = all.front()) Free(*session);
    router.Close("the test is over");
    loop.OnPrepare(nullptr);
  }

  std::unique_ptr<TestClient> Connect() {
    int ends[2];
    RM_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    all.PushBack(*new Session(sessions, ends[0], ++last_id, nullptr));
    return std::make_unique<TestClient>(ends[1]);
  }
  Session& session() { return *all.back(); }

  void Free(Session& session) {
    IntrusiveList<Session, AllTag>::Remove(session);
    delete &session;
  }
  void EndOfTurn() override {
    while (Session* session = gate.Next(loop.Now())) session->PassGate();
    line.NewTurn();
    while (Session* session = line.Next()) session->Serve();
    while (Connection* connection = to_flush.PopFront()) connection->Flush();
    IntrusiveList<Session, FlushTag> touched;
    touched.Append(sessions_to_flush);
    while (Session* session = touched.PopFront()) session->Flush();
    while (Connection* connection = to_flush.PopFront()) connection->Flush();
    while (Session* session = closed.PopFront()) Free(*session);
  }
  size_t clients() const {
    size_t count = 0;
    for (Session* at = all.front(); at != nullptr; at = all.next(*at)) ++count;
    return count;
  }

  const CommandTable table;
  FramePool frames;
  const FramePool::Scope scope{frames};
  ObjectPool<Request> requests;
  Reaper reaper{requests};
  WorkerMetrics metrics{table.size()};
  SessionLimits session_limits;
  Router router{backends, 16};
  ScatterPool scatters{blocks, 1U << 20};
  RecipeSet recipes;
  NoProxy proxy{loop};
  CommandContext commands{table, router, scatters, blocks, recipes, metrics, proxy};
  RequestParser parser{session_limits.request};
  RequestParser guests{session_limits.guest};
  RoundRobin<Session> line;
  WindowGroup windows;
  BulkLimiter<Session> gate{TransferRule{.patience = std::chrono::hours(1)}};
  IntrusiveList<Session, FlushTag> sessions_to_flush;
  IntrusiveList<Session, StalledTag> stalled;
  IntrusiveList<Session, ClosedTag> closed;
  IntrusiveList<Session, AllTag> all;
  SessionContext sessions{
      loop,   blocks, read_block, backends, commands, requests,          reaper,  session_limits,
      parser, guests, line,       windows,  gate,     sessions_to_flush, stalled, closed};
  uint64_t last_id = 0;
};

}  // namespace ringmaster
