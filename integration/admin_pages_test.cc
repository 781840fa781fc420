// The promise: /metrics is what Prometheus reads and says what happened, /healthz and /readyz tell
// the truth, /api is JSON; the admin listener follows a reload, and its failure is a clear one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/cluster.h"
#include "support/http.h"
#include "support/metrics_text.h"
#include "support/rebalance_status.h"

namespace ringmaster::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

class AdminPagesTest : public testing::Test {
 protected:
  HttpReply Get(const std::string& path) { return HttpGet(proxy_.admin_port(), path); }
  MetricsText Metrics() {
    const HttpReply reply = Get("/metrics");
    EXPECT_EQ(reply.status, 200) << reply.body;
    MetricsText metrics(reply.body);
    EXPECT_THAT(metrics.problems(), IsEmpty());
    return metrics;
  }
  json Page(const std::string& path) {
    const HttpReply reply = Get(path);
    EXPECT_EQ(reply.status, 200) << path << reply.body;
    json page = json::parse(reply.body, nullptr, false);
    EXPECT_FALSE(page.is_discarded()) << path << reply.body;
    return page;
  }
  double Commands(const std::string& command, const std::string& kind) {
    return Metrics().Value("ringmaster_commands_total{command=\"" + command + "\",class=\"" + kind +
                           "\"}");
  }

  Cluster cluster_{ClusterOptions{.shards = 3}};
  ProxyProcess& proxy_ = cluster_.proxy();
};

TEST_F(AdminPagesTest, MetricsCountWhatWasSent) {
  const double before = Metrics().Sum("ringmaster_requests_total");
  Client client = proxy_.Connect();
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < 500; ++i) {
    commands.push_back({"SET", "key" + std::to_string(i), std::string(100, 'v')});
    commands.push_back({"GET", "key" + std::to_string(i)});
    commands.push_back({"GET", "key" + std::to_string(i)});
  }
  client.Pipeline(commands);
  for (int i = 0; i < 7; ++i) client.Command({"LPUSH", "key0", "x"});  // -WRONGTYPE
  for (int i = 0; i < 5; ++i) client.Command({"GET"});
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(client.Command({"MSET", cluster_.KeyOn(0), "1", cluster_.KeyOn(1), "2"}), "OK");
  }
  const MetricsText metrics = Metrics();
  const auto command = [&](const std::string& what, const std::string& name,
                           const std::string& kind) {
    return metrics.Value("ringmaster_" + what + "{command=\"" + name + "\",class=\"" + kind +
                         "\"}");
  };
  EXPECT_EQ(command("commands_total", "get", "read"), 1000);
  EXPECT_EQ(command("command_duration_seconds_count", "get", "read"), 1000);
  EXPECT_GT(command("command_duration_seconds_sum", "get", "read"), 0);
  EXPECT_EQ(command("commands_rejected_total", "get", "read"), 5);
  EXPECT_EQ(command("commands_total", "lpush", "write"), 7);
  EXPECT_EQ(command("commands_failed_total", "lpush", "write"), 7);
  EXPECT_GE(metrics.Value("ringmaster_errors_total{kind=\"error_reply\"}"), 12);
  EXPECT_GE(metrics.Sum("ringmaster_requests_total") - before, 1516);
  EXPECT_EQ(metrics.Value("ringmaster_sagas_started_total{pool=\"main\"}"), 4);
  EXPECT_EQ(metrics.Value("ringmaster_sagas_committed_total{pool=\"main\"}"), 4);
  EXPECT_EQ(metrics.Value("ringmaster_saga_duration_seconds_count{pool=\"main\"}"), 4);
  EXPECT_GE(metrics.Sum("ringmaster_client_received_bytes_total"), 500 * 100);
  EXPECT_GE(metrics.Sum("ringmaster_client_sent_bytes_total"), 1000 * 100);
  EXPECT_GE(metrics.Sum("ringmaster_shard_requests_total"), 1507);
  EXPECT_EQ(metrics.Sum("ringmaster_shard_up"), 3);
  EXPECT_NEAR(metrics.Sum("ringmaster_shard_ring_share_ratio"), 1, 1e-6);
  // Who asked whether it serves may still be leaving.
  EXPECT_TRUE(Eventually([&] { return Metrics().Sum("ringmaster_clients") == 1; }));
}

TEST_F(AdminPagesTest, CountersOnlyGrowWhileClientsWork) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> sent{0};
  std::vector<std::thread> load;
  for (int i = 0; i < 2; ++i) {
    load.emplace_back([&, i] {
      Client client = proxy_.Connect();
      const std::string key = "k" + std::to_string(i);
      while (!stop) {
        client.Pipeline({{"SET", key, "v"}, {"GET", key}, {"INCR", "n" + key}});
        sent += 3;
      }
    });
  }
  MetricsText before = Metrics();
  for (int i = 0; i < 20; ++i) {
    const MetricsText now = Metrics();
    for (const auto& [name, type] : now.types()) {
      if (type != "counter") continue;
      EXPECT_GE(now.Sum(name), before.Sum(name)) << name;
    }
    before = now;
  }
  stop = true;
  for (std::thread& each : load) each.join();
  // Whoever has its reply is counted.
  const MetricsText after = Metrics();
  EXPECT_EQ(after.Sum("ringmaster_commands_total", "command=\"set\"") +
                after.Sum("ringmaster_commands_total", "command=\"get\"") +
                after.Sum("ringmaster_commands_total", "command=\"incr\""),
            static_cast<double>(sent));
  EXPECT_GT(after.Sum("ringmaster_worker_busy_seconds_total"), 0);
  EXPECT_GT(after.Sum("ringmaster_worker_cpu_seconds_total"), 0);
  if (std::system("command -v promtool > /dev/null") != 0) return;
  const std::string file = proxy_.folder().Write("metrics.txt", Get("/metrics").body);
  EXPECT_EQ(std::system(("promtool check metrics < " + file).c_str()), 0);
}

TEST_F(AdminPagesTest, ReadyMeansThatEveryShardTakesWrites) {
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Get("/readyz").status, 200) << Get("/readyz").body;  // before any client came
  cluster_.server(2).Kill();
  ASSERT_TRUE(Eventually([&] { return Get("/readyz").status == 503; }));
  EXPECT_THAT(Get("/readyz").body, HasSubstr("shard s2 of pool 'main' takes no writes: "));
  EXPECT_THAT(Get("/readyz").body, testing::Not(HasSubstr("shard s1")));
  EXPECT_EQ(Get("/healthz").status, 200);
  ASSERT_TRUE(cluster_.server(2).Restart());
  EXPECT_TRUE(Eventually([&] { return Get("/readyz").status == 200; }));
}

TEST_F(AdminPagesTest, LostShardIsSeenInItsMetrics) {
  Client client = proxy_.Connect();
  const std::string key = cluster_.KeyOn(1);
  client.Command({"SET", key, "v"});
  cluster_.server(1).Kill();
  ASSERT_TRUE(Eventually([&] {
    client.Command({"GET", key});
    return Metrics().Value("ringmaster_shard_up{pool=\"main\",shard=\"s1\"}") == 0;
  }));
  const MetricsText metrics = Metrics();
  EXPECT_GE(metrics.Value("ringmaster_shard_connections_lost_total{pool=\"main\",shard=\"s1\"}"),
            1);
  EXPECT_GE(metrics.Value("ringmaster_shard_failures_total{pool=\"main\",shard=\"s1\"}"), 1);
  EXPECT_EQ(metrics.Value("ringmaster_shard_up{pool=\"main\",shard=\"s0\"}"), 1);
  EXPECT_NE(Page("/api/shards")["shards"][1]["last_error"], "");
}

TEST_F(AdminPagesTest, JsonSaysWhatTheOperatorsCommandsSay) {
  Client client = proxy_.Connect();
  client.Command({"SET", "a", "1"});
  // Who asked whether it serves may still be leaving.
  EXPECT_TRUE(Eventually([&] { return Page("/api/status")["clients"] == 1; }));
  const json status = Page("/api/status");
  EXPECT_EQ(status["workers"], 2);
  EXPECT_EQ(status["pid"], proxy_.pid());
  EXPECT_TRUE(status["journal"]["open"]);
  EXPECT_EQ(Page("/api/workers")["workers"].size(), 2);
  EXPECT_EQ(Page("/api/shards")["shards"].size(), 3);
  EXPECT_EQ(Page("/api/commands")["commands"][0]["calls"].is_number(), true);
  EXPECT_EQ(Page("/api/sagas")["pools"][0]["pool"], "main");
  EXPECT_EQ(Page("/api/rebalance")["pools"][0]["state"], "stable");
  EXPECT_TRUE(Page("/api/jobs")["jobs"].empty());
  EXPECT_EQ(Get("/api").status, 404);
}

TEST_F(AdminPagesTest, SagaThatWaitsForItsShardIsListed) {
  const std::string first = cluster_.KeyOn(0), second = cluster_.KeyOn(1);
  cluster_.server(1).Pause();
  Client client = proxy_.Connect();
  client.Send("MSET " + first + " 1 " + second + " 2\r\n");
  json open;
  EXPECT_TRUE(Eventually([&] {
    open = Page("/api/sagas")["open"];
    return open.size() == 1;
  }));
  cluster_.server(1).Resume();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0]["pool"], "main");
  EXPECT_EQ(client.Read(), "OK");
  EXPECT_TRUE(Eventually([&] { return Page("/api/sagas")["open"].empty(); }));
}

TEST_F(AdminPagesTest, MoveIsSeenFromItsBeginToItsEnd) {
  Client client = proxy_.Connect();
  std::vector<std::vector<std::string>> writes;
  for (int i = 0; i < 3000; ++i) writes.push_back({"SET", "k" + std::to_string(i), "value"});
  client.Pipeline(writes);
  const double epoch = Metrics().Value("ringmaster_rebalance_epoch{pool=\"main\"}");
  const RedisServer extra;
  ConfigText next = proxy_.config();
  next.pool().Shard("extra", extra.address());
  proxy_.Reload(next);
  ASSERT_TRUE(Eventually(
      [&] { return Metrics().Value("ringmaster_rebalance_moves_total{pool=\"main\"}") == 1; }));
  const MetricsText metrics = Metrics();
  const std::string held = extra.Command({"DBSIZE"});
  EXPECT_GT(metrics.Value("ringmaster_rebalance_keys_total{pool=\"main\"}"), 3000 / 8.0);
  EXPECT_GT(metrics.Value("ringmaster_rebalance_bytes_total{pool=\"main\"}"), 0);
  EXPECT_EQ(metrics.Value("ringmaster_rebalance_epoch{pool=\"main\"}"), epoch + 1);
  EXPECT_EQ(metrics.Value("ringmaster_rebalance_freezes_total{pool=\"main\"}"), 1);
  EXPECT_GT(metrics.Value("ringmaster_rebalance_last_freeze_seconds{pool=\"main\"}"), 0);
  EXPECT_TRUE(Eventually([&] {
    return Metrics().Value("ringmaster_rebalance_active{pool=\"main\"}") == 0;
  })) << held;
  EXPECT_GT(Metrics().Value("ringmaster_shard_ring_share_ratio{pool=\"main\",shard=\"extra\"}"),
            0.2);
  EXPECT_EQ(Metrics().Value("ringmaster_reloads_total"), 1);
}

TEST_F(AdminPagesTest, ReloadMovesTheListenerAndTurnsItOff) {
  const Port other;
  ConfigText next = proxy_.config();
  next.admin = "127.0.0.1:" + std::to_string(other.number());
  EXPECT_THAT(proxy_.Reload(next), HasSubstr("read again"));
  EXPECT_EQ(HttpGet(other.number(), "/healthz").status, 200);
  EXPECT_EQ(Get("/healthz").status, 0);
  next.admin = proxy_.folder().File("admin.sock");
  EXPECT_THAT(proxy_.Reload(next), HasSubstr("read again"));
  EXPECT_EQ(HttpGet(Address{Address::kUnix, "", 0, *next.admin}, "/healthz").status, 200);
  next.admin = "";
  EXPECT_THAT(proxy_.Reload(next), HasSubstr("read again"));
  EXPECT_EQ(HttpGet(other.number(), "/healthz").status, 0);
  EXPECT_EQ(proxy_.Command({"PING"}), "PONG");
}

TEST_F(AdminPagesTest, ReloadToAnAddressInUseChangesNothing) {
  const RedisServer taken;
  ConfigText next = proxy_.config();
  next.admin = taken.address().ToString();
  const std::string said = proxy_.Reload(next);
  EXPECT_THAT(said, HasSubstr("reload refused"));
  EXPECT_THAT(said, HasSubstr("admin.listen: "));
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Metrics().Value("ringmaster_reloads_refused_total"), 1);
}

TEST(AdminListenerTest, AddressInUseIsAClearErrorAtStart) {
  const RedisServer taken;
  const TempFolder folder;
  const Port port;
  const std::string file = folder.Write(
      "ringmaster.yml",
      "pools:\n  - listen: [127.0.0.1:" + std::to_string(port.number()) +
          "]\n    shards: [127.0.0.1:7001]\nsaga: {journal: " + folder.File("state.db") + "}\n" +
          "admin: {listen: '" + taken.address().ToString() + "'}\n");
  const Finished done = RunProgram({ProxyProgram(), "--config", file});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.output, HasSubstr("admin.listen: "));
  EXPECT_THAT(done.output, HasSubstr(taken.address().ToString()));
}

// Wherever a client of it is, and whatever it does, the proxy goes on.
TEST_F(AdminPagesTest, ClientsThatMisbehaveAreAnsweredOrClosed) {
  const Address admin{Address::kTcp, "127.0.0.1", proxy_.admin_port(), ""};
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(std::make_unique<Client>(admin));
  Client nonsense(admin);
  nonsense.Send("*1\r\n$4\r\nPING\r\n\r\n");
  for (auto& each : silent) each->Reset();
  EXPECT_THAT(nonsense.ReadToEnd(), testing::AnyOf(HasSubstr(" 400 "), HasSubstr(" 503 ")));
  EXPECT_TRUE(Eventually([&] { return Get("/healthz").status == 200; }));
  EXPECT_EQ(proxy_.Command({"PING"}), "PONG");
}

// A liveness probe has a second, and kills who does not answer.
TEST_F(AdminPagesTest, IdleAndTricklingConnectionsKeepNoProbeWaiting) {
  const Address admin{Address::kTcp, "127.0.0.1", proxy_.admin_port(), ""};
  std::vector<std::unique_ptr<Client>> others;
  const auto crowd = [&](const std::string& says) {
    for (int i = 0; i < 100; ++i) {
      others.push_back(std::make_unique<Client>(admin));
      others.back()->Send(says);
    }
  };
  for (const std::string& says :
       {std::string(), std::string("GET /healthz HTTP/1.1\r\nX: "),
        std::string("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")}) {
    crowd(says);
    for (int i = 0; i < 20; ++i) {
      const TimePoint asked = MonotonicNow();
      EXPECT_EQ(Get("/healthz").status, 200) << says;
      EXPECT_LT(MonotonicNow() - asked, std::chrono::seconds(1)) << says;
      for (auto& each : others) each->Send("x");
    }
  }
}

// A page of another site that got a name to lead here reads nothing.
TEST_F(AdminPagesTest, AnswersOnlyToItsOwnNames) {
  const Address admin{Address::kTcp, "127.0.0.1", proxy_.admin_port(), ""};
  const std::string port = ":" + std::to_string(proxy_.admin_port());
  for (const std::string& own : {"localhost" + port, "127.0.0.1" + port, std::string("[::1]")}) {
    EXPECT_EQ(HttpGet(admin, "/api/status", own).status, 200) << own;
  }
  for (const char* path : {"/metrics", "/api/status", "/healthz", "/"}) {
    EXPECT_EQ(HttpGet(admin, path, "evil.example" + port).status, 403) << path;
  }
  const std::string own = "listen: \"127.0.0.1" + port + "\"";
  std::string yaml = proxy_.Yaml(proxy_.config());
  yaml.replace(yaml.find(own), own.size(), own + ", hosts: [Proxy.Example]");
  EXPECT_THAT(proxy_.ReloadText(yaml), HasSubstr("read again"));
  EXPECT_EQ(HttpGet(admin, "/metrics", "proxy.example" + port).status, 200);
  EXPECT_EQ(HttpGet(admin, "/metrics", "evil.example" + port).status, 403);
}

// What waits is no stable ring: the reload does not say that it moves, and everybody sees why.
TEST_F(AdminPagesTest, MoveThatWaitsSaysSoEverywhere) {
  RedisServer extra;
  ConfigText next = proxy_.config();
  next.pool().Shard("extra", extra.address());
  extra.Kill();
  const std::string said = proxy_.Reload(next);
  EXPECT_THAT(said, HasSubstr("their move is being prepared"));
  EXPECT_THAT(said, testing::Not(HasSubstr("they move now")));
  ASSERT_TRUE(Eventually([&] { return StatusField(proxy_, "state") == "waiting"; }));
  const auto waiting = [&] {
    return Metrics().Value("ringmaster_rebalance_waiting{pool=\"main\"}");
  };
  EXPECT_EQ(waiting(), 1);
  EXPECT_EQ(Page("/api/rebalance")["pools"][0]["state"], "waiting");
  EXPECT_THAT(StatusField(proxy_, "waiting"), HasSubstr("extra"));
  const HttpReply ready = Get("/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_THAT(ready.body, HasSubstr("pool 'main': keys are to move and do not: "));
  ASSERT_TRUE(extra.Restart());
  EXPECT_TRUE(Eventually(
      [&] { return Metrics().Value("ringmaster_rebalance_moves_total{pool=\"main\"}") == 1; },
      std::chrono::seconds(40)));
  EXPECT_EQ(StatusField(proxy_, "state"), "stable");
  EXPECT_EQ(waiting(), 0);
  EXPECT_EQ(Get("/readyz").body, "ready\n");
}

// Counted each, logged once.
TEST_F(AdminPagesTest, ShardThatRefusesEverybodyIsSeen) {
  Client client = proxy_.Connect();
  const std::string key = cluster_.KeyOn(1);
  const auto refusals = [&](const std::string& reason) {
    return Metrics().Value("ringmaster_shard_refusals_total{pool=\"main\",shard=\"s1\",reason=\"" +
                           reason + "\"}");
  };
  const auto set_there = [&](const std::string& name, const std::string& value) {
    ASSERT_EQ(cluster_.server(1).Command({"CONFIG", "SET", name, value}), "OK");
  };
  set_there("min-replicas-to-write", "1");
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(client.Command({"SET", key, "v"}), HasSubstr("NOREPLICAS"));
  }
  EXPECT_EQ(refusals("noreplicas"), 5);
  set_there("min-replicas-to-write", "0");
  set_there("maxmemory", "1");
  for (int i = 0; i < 3; ++i) EXPECT_THAT(client.Command({"SET", key, "v"}), HasSubstr("OOM"));
  client.Command({"MSET", key, "v", cluster_.KeyOn(0), "v"});
  EXPECT_GE(refusals("oom"), 4);
  EXPECT_EQ(refusals("loading"), 0);
  EXPECT_EQ(Page("/api/shards")["shards"][1]["refusals"]["noreplicas"], 5);
  const std::string log = proxy_.Log();
  for (const char* word : {" answers NOREPLICAS: ", " answers OOM: "}) {
    const size_t first = log.find(word);
    EXPECT_NE(first, std::string::npos) << word;
    EXPECT_EQ(log.find(word, first + 1), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace ringmaster::integration
