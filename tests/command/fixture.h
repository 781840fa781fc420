// What commands need around them, without sockets: a context whose shards are never asked, a proxy
// whose workers are plain objects, clients without connections.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "command/access/access_control.h"
#include "command/call/call.h"
#include "command/call/request.h"
#include "command/call/slow_log.h"
#include "command/gate/pause.h"
#include "command/push/push_hub.h"
#include "command/rows/all_rows.h"
#include "command/serve/dispatch.h"
#include "command/serve/recipe.h"
#include "net/loop.h"

namespace ringmaster {

// Control characters as backslash escapes, so that a reply is one line: "+OK\r\n" becomes "+OK|".
inline std::string OneLine(Bytes reply) {
  std::string line;
  for (const char c : reply) {
    if (c != '\r') line.push_back(c == '\n' ? '|' : c);
  }
  return line;
}

class FakeClient final : public ClientView {
 public:
  explicit FakeClient(uint64_t id) {
    state_.id = id;
    address_ = "10.0.0.1:" + std::to_string(1000 + id);
  }
  ClientState& state() override { return state_; }
  std::string address() const override { return address_; }
  std::string local_address() const override { return "127.0.0.1:6380"; }
  int fd() const override { return static_cast<int>(state_.id) + 7; }
  size_t in_flight() const override { return 1; }
  size_t query_buffer() const override { return 26; }
  size_t output_buffer() const override { return 0; }
  size_t memory() const override { return 1024; }
  void Kill(bool after_reply) override { killed = after_reply ? "after its reply" : "at once"; }
  void Push(const Slice& message, PushOrder) override { pushed += message.bytes; }

  std::string killed;
  std::string pushed;

 private:
  ClientState state_;
  std::string address_;
};

class FakeWorker final : public WorkerView {
 public:
  FakeWorker(size_t index, size_t commands, Router& router)
      : index_(index), metrics_(commands), router_(router) {}
  size_t index() const override { return index_; }
  void EachClient(const std::function<void(ClientView&)>& visit) override {
    for (FakeClient* client : clients) visit(*client);
  }
  const WorkerMetrics& metrics() const override { return metrics_; }
  void ResetStatistics() override {
    for (CommandMetrics& command : metrics_.per_command) command.Reset();
  }
  void EndPause() override { pause_ended = true; }
  void SetIdleTimeout(Duration timeout) override { idle_timeout = timeout; }
  Router& router() override { return router_; }
  WorkerMetrics& counters() { return metrics_; }

  std::vector<FakeClient*> clients;
  bool pause_ended = false;
  Duration idle_timeout{};

 private:
  const size_t index_;
  WorkerMetrics metrics_;
  Router& router_;
};

class FakeProxy final : public Proxy {
 public:
  const ProxyFacts& facts() const override { return known; }
  TimePoint Now() override { return now; }
  uint32_t max_clients() const override { return most_clients; }
  void SetMaxClients(uint32_t count) override { most_clients = count; }
  uint32_t possible_clients() const override { return 20000; }
  AccessControl& access() override { return users; }
  SlowLog& slow_log() override { return slow; }
  Pause& pause() override { return paused; }
  void VisitWorkers(Visit visit, std::function<void(std::vector<std::string>)> done) override {
    if (before_visit) before_visit();
    std::vector<std::string> reports;
    for (const auto& worker : workers) {
      std::string report;
      visit(*worker, report);
      reports.push_back(report);
    }
    done(std::move(reports));
  }
  void After(Duration delay, std::function<void()> then) override {
    timers.emplace(now + delay, std::move(then));
  }
  // Time passes, and what is due by then runs; what it asks for is for later.
  void Advance(Duration time) {
    now += time;
    const auto end = timers.upper_bound(now);
    std::vector<std::function<void()>> due;
    for (auto at = timers.begin(); at != end; ++at) due.push_back(std::move(at->second));
    timers.erase(timers.begin(), end);
    for (const auto& then : due) then();
  }
  void AwaitTurn(std::string name, Turn turn) override {
    waiting.emplace_back(std::move(name), std::move(turn));
  }
  void Jobs(JobOrder order, std::function<void(Result<std::vector<JobFigures>>)> done) override {
    ordered = order;
    done(jobs);
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
  void Reload(uint64_t, std::function<void(Result<std::string>)> done) override { done(reloaded); }

  ProxyFacts known;
  CommandTable table{AllCommands()};
  AccessControl users{table};
  SlowLog slow;
  Pause paused;
  TimePoint now{std::chrono::hours(1)};
  uint32_t most_clients = 10000;
  std::multimap<TimePoint, std::function<void()>> timers;
  std::function<void()> before_visit;
  std::vector<std::unique_ptr<FakeWorker>> workers;
  std::vector<std::pair<std::string, Turn>> waiting;  // for the background
  JobOrder ordered;
  Result<std::vector<JobFigures>> jobs = std::vector<JobFigures>();
  Result<std::string> reloaded = std::string("nothing changed");
};

// Three shards a, b and c, two workers, one client with the id 5 on the first worker.
class CommandTest : public testing::Test, private Sink {
 protected:
  CommandTest() {
    proxy_.known.version = "1.2.3";
    proxy_.known.run_id = std::string(40, 'f');
    proxy_.known.pool = "main";
    proxy_.known.workers = 2;
    proxy_.known.listen = {Address{Address::kTcp, "127.0.0.1", 6380, ""}};
    proxy_.known.started_at = proxy_.now - std::chrono::hours(49) / 60;
    router_.Use(Snapshot(3));
    context_.push = &push_;
    for (size_t i = 0; i < 2; ++i) {
      proxy_.workers.push_back(std::make_unique<FakeWorker>(i, table_.size(), router_));
    }
    AddClient(me_, 0);
  }

  void AddClient(FakeClient& client, size_t worker) {
    client.state().connected_at = client.state().last_active_at = proxy_.now;
    proxy_.workers[worker]->clients.push_back(&client);
  }

  // The command's reply to me_, on one line.
  std::string Run(const std::vector<Bytes>& args) {
    const Command* command = table_.Find(args);
    if (command == nullptr || !command->ArityFits(args.size())) return "no such command";
    reply_.clear();
    answers_ = 0;
    Request request;
    request.sink = this;
    Call call{args, Slice(), *command, me_.state(), context_, request, &me_};
    Dispatch(call);
    EXPECT_EQ(answers_, 1) << args[0];
    return OneLine(reply_);
  }
  ClientState& client() { return me_.state(); }
  const CommandContext& context() const { return context_; }
  CommandContext& context() { return context_; }
  Router& router() { return router_; }
  // Whatever is asked of the shards fails at once.
  void FailShards() {
    for (uint32_t shard = 0; shard < router_.shard_count(); ++shard) {
      for (int i = 0; i < 10; ++i) router_.link(shard)->OnFailure(proxy_.now, "it is down");
    }
  }
  // So many shards, the first of them those that were there.
  void UseShards(size_t count) { router_.Use(Snapshot(count)); }

  FakeProxy proxy_;
  FakeClient me_{5};

 private:
  void OnReply(Exchange&, const Slice& reply) override {
    reply_.append(reply.bytes);
    ++answers_;
  }
  void OnReplyPart(Exchange&, const Slice& part) override { reply_.append(part.bytes); }

  std::shared_ptr<const RouteSnapshot> Snapshot(size_t count) {
    TopologySpec spec;
    auto snapshot = std::make_shared<RouteSnapshot>();
    for (size_t i = 0; i < count; ++i) {
      ShardAddress shard;
      shard.name = std::string(1, static_cast<char>('a' + i));
      shard.address = Address{Address::kTcp, "127.0.0.1", static_cast<uint16_t>(7001 + i), ""};
      spec.shards.push_back({shard.name, shard.address.ToString(), 1});
      if (links_.size() <= i) {
        links_.push_back(std::make_shared<ShardLink>(shard, BackendLimits(), 1));
      }
      snapshot->links.push_back(links_[i]);
    }
    snapshot->topology = Topology::Build(spec, 1).value();
    return snapshot;
  }

  std::vector<std::shared_ptr<ShardLink>> links_;
  const CommandTable table_{AllCommands()};
  Loop loop_;
  BlockPool blocks_;
  BlockRef read_block_;
  IntrusiveList<Connection> to_flush_;
  BackendContext backends_{loop_, blocks_, read_block_, to_flush_};
  Router router_{backends_, 16};
  ScatterPool scatters_{blocks_, 1U << 20};
  RecipeSet recipes_;
  WorkerMetrics metrics_{table_.size()};
  CommandContext context_{table_, router_, scatters_, blocks_, recipes_, metrics_, proxy_};
  PushHub push_{context_, std::make_shared<PushCounts>()};
  std::string reply_;
  int answers_ = 0;
};

// One call and what it is told. Its client may be another than the fixture's own.
class Sent final : private Sink {
 public:
  Sent(CommandContext& context, const std::vector<std::string>& words, ClientState& client) {
    exchange_.sink = this;
    const std::vector<Bytes> args(words.begin(), words.end());
    Call call{args, Slice(), *context.table.Find(args), client, context, exchange_};
    Dispatch(call);
  }

  bool waits() const { return told.empty(); }
  // Nobody wants the reply any more, as when a client leaves.
  void Forsake(Sink& reaper) { exchange_.sink = &reaper; }

  std::string told;

 private:
  void OnReply(Exchange&, const Slice& reply) override { told += OneLine(reply.bytes); }
  void OnReplyPart(Exchange&, const Slice& part) override { told += OneLine(part.bytes); }

  Request exchange_;
};

}  // namespace ringmaster
