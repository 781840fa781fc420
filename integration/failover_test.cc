// The promise: commands go to a server that says that it is a primary, and to no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "support/cluster.h"
#include "support/http.h"
#include "support/sentinels.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// "1234" of "role=slave,role_since=1234": behind `field`=.
std::string FieldOfShards(const ProxyProcess& proxy, const std::string& field) {
  const std::string shards = proxy.Command({"PROXY", "SHARDS"});
  const size_t at = shards.find("," + field + "=");
  if (at == std::string::npos) return "";
  const size_t value = at + field.size() + 2;
  return shards.substr(value, shards.find_first_of(",\n", value) - value);
}

class ReplicaTest : public testing::Test {
 protected:
  ReplicaTest() { config_.pool().Shard("a", first_.address()); }
  std::string Follow(const RedisServer& who, const RedisServer& whom) {
    return who.Command({"REPLICAOF", whom.address().host, std::to_string(whom.port())});
  }

  RedisServer first_, second_;
  ConfigText config_;
};

TEST_F(ReplicaTest, OneThatIsAReplicaAtTheStartGetsNothing) {
  ASSERT_EQ(Follow(first_, second_), "OK");
  ProxyProcess proxy(config_);
  Client client = proxy.Connect();
  const std::string why = "shard a: it is a replica of " + second_.address().ToString();
  EXPECT_THAT(client.Command({"SET", "k", "v"}), HasSubstr("NOTAPPLIED " + why));
  EXPECT_THAT(client.Command({"GET", "k"}), HasSubstr("NOTAPPLIED " + why));
  EXPECT_EQ(FieldOfShards(proxy, "role"), "slave");
  EXPECT_EQ(FieldOfShards(proxy, "state"), "down");
  const HttpReply ready = HttpGet(proxy.admin_port(), "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_THAT(ready.body, HasSubstr("shard a of pool 'main' takes no writes: it is a replica of "));
  EXPECT_THAT(HttpGet(proxy.admin_port(), "/metrics").body,
              HasSubstr("ringmaster_shard_primary{pool=\"main\",shard=\"a\"} 0"));
  ASSERT_EQ(first_.Command({"REPLICAOF", "NO", "ONE"}), "OK");
  EXPECT_TRUE(Eventually([&] { return client.Command({"SET", "k", "v"}) == "OK"; }));
  EXPECT_EQ(FieldOfShards(proxy, "role"), "master");
  EXPECT_EQ(HttpGet(proxy.admin_port(), "/readyz").status, 200);
}

// The server keeps its connections.
TEST_F(ReplicaTest, OneThatBecomesAReplicaIsFoundOutByItsFirstRefusal) {
  ProxyProcess proxy(config_);
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(proxy.Connect());  // on both workers
  for (Client& client : clients) ASSERT_EQ(client.Command({"SET", "k", "v"}), "OK");
  ASSERT_EQ(Follow(first_, second_), "OK");
  EXPECT_THAT(clients[0].Command({"SET", "k", "w"}),
              testing::AnyOf(HasSubstr("READONLY"), HasSubstr("is a replica of")));
  for (Client& client : clients) {
    EXPECT_TRUE(Eventually([&] {
      return client.Command({"GET", "k"}).find("NOTAPPLIED shard a: it is a replica of") !=
             std::string::npos;
    }));
  }
  EXPECT_TRUE(proxy.LogSays("it gets no commands until it is a primary"));
  EXPECT_EQ(HttpGet(proxy.admin_port(), "/readyz").status, 503);
  ASSERT_EQ(first_.Command({"REPLICAOF", "NO", "ONE"}), "OK");
  for (Client& client : clients) {
    EXPECT_TRUE(Eventually([&] { return client.Command({"SET", "k", "v"}) == "OK"; }));
  }
}

// Moves and their checks ask on their own.
TEST_F(ReplicaTest, NoKeyMovesToOne) {
  ProxyProcess proxy(config_);
  RedisServer replica;
  ASSERT_EQ(Follow(replica, second_), "OK");
  ConfigText more = proxy.config();
  more.pool().Shard("b", replica.address());
  proxy.Reload(more);
  EXPECT_TRUE(Eventually([&] {
    return proxy.Command({"PROXY", "REBALANCE", "STATUS"}).find("it is a replica of") !=
           std::string::npos;
  }));
}

// Writes and reads keys of its own, one command after the other, over several connections.
class Load {
 public:
  Load(const ProxyProcess& proxy, int clients) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, i, client = proxy.Connect()]() mutable { Run(i, client); });
    }
  }
  ~Load() { Stop(); }
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  uint64_t done() const { return done_; }
  // When a command last succeeded.
  TimePoint last() const { return TimePoint(Duration(last_.load())); }
  // Errors that are no -NOTAPPLIED and no -UNCERTAIN, lost connections among them.
  std::vector<std::string> others() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return others_;
  }

 private:
  void Run(int number, Client& client) {
    for (int i = 0; !stop_; ++i) {
      const std::string key = std::to_string(number) + ":" + std::to_string(i % 100);
      const std::string reply = i % 4 == 3 ? client.Command({"GET", key})
                                           : client.Command({"SET", key, std::to_string(i)});
      if (reply == "OK" || reply.starts_with("\"") || reply == "(nil)") {
        ++done_;
        last_ = MonotonicNow().time_since_epoch().count();
      } else if (!reply.starts_with("(error) NOTAPPLIED") &&
                 !reply.starts_with("(error) UNCERTAIN")) {
        const std::lock_guard<std::mutex> lock(mutex_);
        others_.push_back(reply);
        if (!client.connected() || others_.size() > 100) return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // a pace, no wait
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> done_{0};
  std::atomic<Duration::rep> last_{0};
  std::mutex mutex_;
  std::vector<std::string> others_;
  std::vector<std::thread> threads_;
};

class FailoverTest : public testing::Test {
 protected:
  static RedisServer::Options Replica(const RedisServer& primary) {
    return {.config = {"replicaof 127.0.0.1 " + std::to_string(primary.port())}};
  }
  FailoverTest() {
    EXPECT_TRUE(Eventually([&] {
      return replica_.Command({"INFO", "replication"}).find("master_link_status:up") !=
             std::string::npos;
    }));
  }
  ConfigText Config(const Sentinels& sentinels) {
    ConfigText config;
    config.timeouts = "command: 2s, connect: 300ms";
    config.pool().more = sentinels.Yaml();
    config.pool().Shard("a", primary_.address(), "master: s0");
    return config;
  }
  std::string Address() { return FieldOfShards(*proxy_, "address"); }
  // The first connection that hears of it.
  static std::thread OnSwitch(const Sentinels& sentinels, std::atomic<Duration::rep>& at) {
    return std::thread([&at, client = Client(sentinels.address(0))]() mutable {
      client.set_patience(std::chrono::seconds(30));
      client.Send("SUBSCRIBE +switch-master\r\n");
      client.Read();
      if (client.Read().find("switch-master") != std::string::npos) {
        at = MonotonicNow().time_since_epoch().count();
      }
    });
  }

  RedisServer primary_{{.config = {"repl-diskless-sync-delay 0"}}};
  RedisServer replica_{Replica(primary_)};
  std::unique_ptr<ProxyProcess> proxy_;
};

TEST_F(FailoverTest, CommandsGoOnAtThePromotedReplica) {
  const Sentinels sentinels(primary_, 3);
  proxy_ = std::make_unique<ProxyProcess>(Config(sentinels));
  ASSERT_EQ(Address(), primary_.address().ToString());
  std::atomic<Duration::rep> switched{0};
  std::thread listener = OnSwitch(sentinels, switched);
  Load load(*proxy_, 8);
  ASSERT_TRUE(Eventually([&] { return load.done() > 1000; }));
  primary_.Kill();
  ASSERT_TRUE(Eventually([&] { return switched != 0; }, kPatience * 3));
  const TimePoint event{Duration(switched.load())};
  ASSERT_TRUE(Eventually([&] { return load.last() > event; }));
  RecordProperty("milliseconds_after_the_event",
                 static_cast<int>(Milliseconds(MonotonicNow() - event)));
  EXPECT_LT(Milliseconds(MonotonicNow() - event), 500 * Slowness());
  listener.join();
  load.Stop();
  EXPECT_THAT(load.others(), testing::IsEmpty());
  EXPECT_EQ(Address(), replica_.address().ToString());
  EXPECT_EQ(FieldOfShards(*proxy_, "switches"), "1");
  EXPECT_EQ(FieldOfShards(*proxy_, "role"), "master");
  EXPECT_THAT(HttpGet(proxy_->admin_port(), "/metrics").body,
              HasSubstr("ringmaster_shard_switches_total{pool=\"main\",shard=\"a\"} 1"));
  EXPECT_EQ(HttpGet(proxy_->admin_port(), "/readyz").status, 200);
  // The file names the one that is gone.
  proxy_ = std::make_unique<ProxyProcess>(Config(sentinels));
  EXPECT_EQ(Address(), replica_.address().ToString());
  EXPECT_EQ(proxy_->Command({"SET", "k", "v"}), "OK");
}

// What it had in its sockets when it was stopped is -UNCERTAIN; nothing comes after that.
TEST_F(FailoverTest, AFrozenPrimaryThatComesBackGetsNothingMore) {
  const Sentinels sentinels(primary_, 3);
  proxy_ = std::make_unique<ProxyProcess>(Config(sentinels));
  Client client = proxy_->Connect();
  ASSERT_EQ(client.Command({"SET", "before", "1"}), "OK");
  Load load(*proxy_, 4);
  ASSERT_TRUE(Eventually([&] { return load.done() > 200; }));
  primary_.Pause();
  const TimePoint stopped = MonotonicNow();
  ASSERT_TRUE(
      Eventually([&] { return Address() == replica_.address().ToString(); }, kPatience * 3));
  ASSERT_TRUE(Eventually([&] { return client.Command({"SET", "after", "1"}) == "OK"; }));
  const Duration frozen = std::chrono::seconds(8) - (MonotonicNow() - stopped);
  Eventually([] { return false; }, std::max(Duration(0), frozen));  // the scenario: eight seconds
  primary_.Resume();
  Client there = primary_.Connect();
  bool was_master = false;
  uint64_t writes = 0;
  const uint64_t done = load.done();
  // As long as nobody told it to follow, whatever is there came by the proxy.
  ASSERT_TRUE(Eventually([&] {
    const std::vector<std::string> said =
        there.Pipeline({{"MULTI"}, {"ROLE"}, {"EXISTS", "after"}, {"EXEC"}});
    const bool master = said[3].find("master") != std::string::npos;
    was_master = was_master || master;
    if (master && said[3].find("(integer) 1") != std::string::npos) ++writes;
    return !master || load.done() > done + 2000;
  }));
  EXPECT_TRUE(was_master);
  EXPECT_EQ(writes, 0U);
  EXPECT_EQ(client.Command({"GET", "after"}), "\"1\"");
  load.Stop();
  EXPECT_THAT(load.others(), testing::IsEmpty());
  EXPECT_EQ(Address(), replica_.address().ToString());
}

// One that names another server for good is one of three; when two are gone there is no majority.
TEST_F(FailoverTest, WhoLiesAloneOrIsAloneChangesNothing) {
  Sentinels honest(primary_, 2);
  const RedisServer other;
  const Sentinels liar(other, 1, 0);
  ConfigText config = Config(honest);
  config.pool().more = "sentinels: {addresses: [" + liar.address(0).ToString() + ", " +
                       honest.address(0).ToString() + ", " + honest.address(1).ToString() + "]}";
  proxy_ = std::make_unique<ProxyProcess>(config);
  Client client = proxy_->Connect();
  ASSERT_EQ(client.Command({"SET", "k", "1"}), "OK");
  EXPECT_THAT(proxy_->Log(), HasSubstr("shard a is at " + primary_.address().ToString()));
  honest.Kill(0);
  EXPECT_TRUE(proxy_->LogSays("shard a stays at " + primary_.address().ToString() +
                              ": of s0 no 2 of 3 Sentinels agree"));
  honest.Kill(1);
  EXPECT_EQ(client.Command({"SET", "k", "2"}), "OK");
  EXPECT_EQ(Address(), primary_.address().ToString());
  EXPECT_EQ(FieldOfShards(*proxy_, "switches"), "0");
  EXPECT_EQ(other.Command({"DBSIZE"}), "(integer) 0");
}

// An operator's failover, there and back, of a shard that is followed since a reload.
TEST_F(FailoverTest, AFailoverThatWasOrderedIsFollowedThereAndBack) {
  const Sentinels sentinels(primary_, 3);
  ConfigText plain;
  plain.pool().Shard("a", primary_.address());
  proxy_ = std::make_unique<ProxyProcess>(plain);
  ConfigText followed = Config(sentinels);
  followed.pool().listen = proxy_->config().pools.front().listen;
  EXPECT_THAT(proxy_->Reload(followed), HasSubstr("0.00 % of the keys changed owner"));
  Load load(*proxy_, 4);
  for (int i = 1; i <= 2; ++i) {
    const std::string before = Address();
    ASSERT_TRUE(Eventually(
        [&] {
          return sentinels.Command(0, {"SENTINEL", "FAILOVER", "s0"}) == "OK";
        },
        kPatience * 3));
    ASSERT_TRUE(Eventually([&] { return Address() != before; }, kPatience * 3));
    const uint64_t done = load.done();
    ASSERT_TRUE(Eventually([&] { return load.done() > done + 500; }));
  }
  EXPECT_EQ(FieldOfShards(*proxy_, "switches"), "2");
  load.Stop();
  EXPECT_THAT(load.others(), testing::IsEmpty());
}

}  // namespace
}  // namespace ringmaster::integration
