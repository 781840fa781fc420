#include "worker/worker_group.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "command/rows/all_rows.h"
#include "support/data_plane.h"
#include "support/turns.h"

namespace ringmaster {
namespace {

// Answers on the caller's thread.
struct FakeOperator final : Operator {
  void Reload(uint64_t asker, Said done) override { done("reloaded for " + std::to_string(asker)); }
  void Rebalance(size_t pool, std::vector<std::string> words, Said done) override {
    done(words[0] + " of pool " + std::to_string(pool));
  }
  void Journal(bool, Said done) override {
    std::thread([done] { done(std::string("from another thread")); }).join();
  }
  void Jobs(JobOrder, Listed done) override { done(std::vector<JobFigures>(2)); }
};

struct NoTurns final : BackgroundTurns {
  void AwaitTurn(Mailbox& home, std::string, Turn turn) override {
    home.Post([turn] { turn(Error{ErrorCode::kRefused, "never"}); });
  }
};

// Two workers on threads of their own, one pool of one shard; the main loop and the shard are
// turned by the test.
class WorkerGroupTest : public testing::Test {
 protected:
  WorkerGroupTest() {
    limit_.Configure(1000);
    side_.shards[0]->answer = [](const std::string& request) { return "+" + request + "\r\n"; };
    group_.AddPool();
    PoolSettings settings;
    settings.facts.pool = "main";
    group_.Serve(0, settings, {side_.Snapshot(1), nullptr});
    group_.Start();
  }
  ~WorkerGroupTest() override { group_.Stop(); }

  std::unique_ptr<TestClient> Connect() {
    int ends[2];
    RM_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    group_.Accept(ends[0], 0, nullptr);
    return std::make_unique<TestClient>(ends[1]);
  }
  template <typename Condition>
  bool Until(Condition condition) {
    return TurnUntil(main_, [&] {
      side_.Poll();
      return condition();
    });
  }
  std::string Ask(TestClient& client, std::initializer_list<Bytes> args) {
    client.Ask(args);
    std::string reply;
    EXPECT_TRUE(Until([&] { return !(reply += client.Line()).empty(); }));
    return reply;
  }
  // What `make` gives to what it gets, on the thread of worker `at`; empty: nothing in time.
  using Told = std::function<void(std::string)>;
  std::string On(size_t at, const std::function<void(PoolWorker&, Told)>& make) {
    auto told = std::make_shared<std::promise<std::string>>();
    std::future<std::string> answer = told->get_future();
    group_.Post(0, [at, make, told](PoolWorker& worker) {
      if (worker.index() == at) make(worker, [told](std::string text) { told->set_value(text); });
    });
    const auto came = [&] {
      return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    };
    return Until(came) ? answer.get() : "";
  }
  void Order(size_t from, const MigrationOrder& order) {
    Worker& worker = group_.worker(from);
    worker.mailbox().Post([&worker, order] { worker.Migrate({order}); });
  }
  const WorkerMetrics& metrics(size_t at) { return group_.worker(at).metrics(); }
  size_t clients(size_t at) { return group_.worker(at).clients().load(); }

  ShardSide side_;
  const CommandTable table_{AllCommands()};
  Loop main_;
  Mailbox mailbox_{main_};
  FakeOperator operator_;
  NoTurns turns_;
  ClientLimit limit_;
  WorkerGroup group_{2,     table_,   TurnOptions(),
                     main_, mailbox_, WorkerServices{operator_, turns_, limit_}};
};

TEST_F(WorkerGroupTest, ClientsSpreadOverTheWorkersAndAreServed) {
  std::vector<std::unique_ptr<TestClient>> all;
  for (int i = 0; i < 4; ++i) all.push_back(Connect());
  EXPECT_EQ(clients(0), 2U);
  EXPECT_EQ(clients(1), 2U);
  for (const auto& client : all) EXPECT_EQ(Ask(*client, {"GET", "a"}), "+GET a|");
  all.clear();
  EXPECT_TRUE(Until([&] { return group_.clients() == 0; }));
}

TEST_F(WorkerGroupTest, OneTooManyIsToldSo) {
  limit_.Set(1);
  const auto first = Connect();
  const auto second = Connect();
  EXPECT_EQ(second->Line(), "-ERR max number of clients reached| closed");
  EXPECT_EQ(metrics(0).refused.value(), 1U);
  EXPECT_EQ(Ask(*first, {"PING"}), "+PONG|");
}

TEST_F(WorkerGroupTest, AVisitBringsEveryWorkersReportInTheirOrder) {
  const std::string reports = On(1, [](PoolWorker& worker, Told told) {
    const auto home = std::this_thread::get_id();
    worker.VisitWorkers(
        [](WorkerView& each, std::string& out) { out = "worker " + std::to_string(each.index()); },
        [home, told](std::vector<std::string> said) {
          told(said[0] + ", " + said[1] + (std::this_thread::get_id() == home ? ", at home" : ""));
        });
  });
  EXPECT_EQ(reports, "worker 0, worker 1, at home");
}

TEST_F(WorkerGroupTest, AClientMigratesAndIsServedThere) {
  const auto client = Connect();
  ASSERT_EQ(clients(0), 1U);
  EXPECT_EQ(Ask(*client, {"GET", "a"}), "+GET a|");
  Order(0, {1, 1, true});
  ASSERT_TRUE(Until([&] { return metrics(1).pulled_in.value() == 1; }));
  EXPECT_EQ(clients(0), 0U);
  EXPECT_EQ(clients(1), 1U);
  EXPECT_EQ(Ask(*client, {"GET", "b"}), "+GET b|");
  EXPECT_EQ(metrics(0).stayed.value(), 0U);
}

TEST_F(WorkerGroupTest, WhoIsNotThereStays) {
  Order(0, {77, 1, false});
  EXPECT_TRUE(Until([&] { return metrics(0).stayed.value() == 1; }));
}

TEST_F(WorkerGroupTest, NobodyMigratesWhileAllAreVisited) {
  const auto client = Connect();
  EXPECT_EQ(Ask(*client, {"PING"}), "+PONG|");
  // Worker 1 is kept inside the visit.
  std::promise<void> inside, leave;
  const std::shared_future<void> left = leave.get_future().share();
  std::promise<void> over;
  group_.Post(0, [&inside, &over, left](PoolWorker& worker) {
    if (worker.index() != 1) return;
    worker.VisitWorkers(
        [&inside, left](WorkerView& each, std::string&) {
          if (each.index() != 1) return;
          inside.set_value();
          left.wait();
        },
        [&over](const std::vector<std::string>&) { over.set_value(); });
  });
  inside.get_future().wait();
  Order(0, {1, 1, false});
  EXPECT_TRUE(Until([&] { return metrics(0).stayed.value() == 1; }));
  EXPECT_EQ(clients(0), 1U);
  leave.set_value();
  over.get_future().wait();
  Order(0, {1, 1, false});
  EXPECT_TRUE(Until([&] { return metrics(1).moved_in.value() == 1; }));
}

TEST_F(WorkerGroupTest, NobodyMigratesOnceItDrains) {
  const auto client = Connect();
  EXPECT_EQ(Ask(*client, {"PING"}), "+PONG|");
  Worker& first = group_.worker(0);
  // The order is there before the drain, and the client's reply is due until after it.
  side_.shards[0]->answer = nullptr;
  client->Ask({"GET", "a"});
  ASSERT_TRUE(Until([&] { return side_.shards[0]->Requests() == "GET a"; }));
  Order(0, {1, 1, false});
  group_.Drain(false);
  EXPECT_TRUE(Until([&] { return first.metrics().stayed.value() == 1; }));
  side_.shards[0]->Send("+a\r\n");
  std::string reply;
  EXPECT_TRUE(Until([&] { return (reply += client->Line()).ends_with("closed"); }));
  EXPECT_EQ(reply, "+a| closed");
  group_.Join();
  EXPECT_EQ(metrics(1).moved_in.value(), 0U);
}

TEST_F(WorkerGroupTest, WhatTheProcessAnswersComesHome) {
  const auto home = [](const Result<std::string>& said, std::thread::id asked) {
    return *said + (std::this_thread::get_id() == asked ? "" : ", elsewhere");
  };
  EXPECT_EQ(On(1,
               [home](PoolWorker& worker, Told told) {
                 worker.Reload(5, [home, told, at = std::this_thread::get_id()](
                                      const Result<std::string>& said) { told(home(said, at)); });
               }),
            "reloaded for 5");
  EXPECT_EQ(On(1,
               [home](PoolWorker& worker, Told told) {
                 worker.Journal(false,
                                [home, told, at = std::this_thread::get_id()](
                                    const Result<std::string>& said) { told(home(said, at)); });
               }),
            "from another thread");
  EXPECT_EQ(On(0,
               [home](PoolWorker& worker, Told told) {
                 worker.Rebalance({"STATUS"},
                                  [home, told, at = std::this_thread::get_id()](
                                      const Result<std::string>& said) { told(home(said, at)); });
               }),
            "STATUS of pool 0");
  EXPECT_EQ(On(0,
               [](PoolWorker& worker, Told told) {
                 worker.Jobs({}, [told](const Result<std::vector<JobFigures>>& jobs) {
                   told(std::to_string(jobs->size()));
                 });
               }),
            "2");
}

// A start that fails on its way has workers that never ran.
TEST(UnstartedWorkerGroupTest, EndsAllTheSame) {
  const CommandTable table(AllCommands());
  Loop main;
  Mailbox mailbox(main);
  FakeOperator operators;
  NoTurns turns;
  ClientLimit limit;
  WorkerGroup group(2, table, TurnOptions(), main, mailbox,
                    WorkerServices{operators, turns, limit});
  group.AddPool();
  EXPECT_EQ(group.requests(), 0U);
  group.Stop();
}

}  // namespace
}  // namespace ringmaster
