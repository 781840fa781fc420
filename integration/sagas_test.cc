// Writes over several shards through the proxy: all or nothing, also when a shard is down or the
// proxy is killed at any named point (proxy/base/crash_point.h) and started again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "resp/request_writer.h"
#include "support/cluster.h"
#include "support/temp_folder.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

using Words = std::vector<std::string>;

class SagasTest : public testing::TestWithParam<int> {
 protected:
  SagasTest() {
    for (int i = 0; i < GetParam(); ++i) servers_.push_back(std::make_unique<RedisServer>());
    Start();
    Client client = proxy_->Connect();
    for (int i = 0; keys_.size() < servers_.size(); ++i) {
      const std::string key = "key:" + std::to_string(i);
      const std::string shard = client.Command({"PROXY", "LOCATE", key});
      keys_.emplace(shard, key);
    }
  }

  void Start(const std::string& crash_at = "") {
    proxy_.reset();
    ConfigText config;
    config.saga = "journal: " + folder_.File("state.db");
    config.timeouts = "command: 1s, connect: 500ms";
    for (size_t i = 0; i < servers_.size(); ++i) {
      config.pool().Shard("s" + std::to_string(i), servers_[i]->address());
    }
    if (!crash_at.empty()) setenv("RINGMASTER_CRASH_AT", crash_at.c_str(), 1);
    proxy_ = std::make_unique<ProxyProcess>(std::move(config));
    unsetenv("RINGMASTER_CRASH_AT");
  }

  Words Keys() const {
    Words keys;
    for (const auto& [shard, key] : keys_) keys.push_back(key);
    return keys;
  }
  // Each key's value, in their order.
  std::string Values() {
    Words words = {"MGET"};
    for (const std::string& key : Keys()) words.push_back(key);
    return proxy_->Command(words);
  }
  void Reset() {
    Client client = proxy_->Connect();
    client.Command({"FLUSHALL"});
    for (const std::string& key : Keys()) client.Command({"SET", key, "old"});
  }
  Words Mset(const std::string& name = "MSET") {
    Words words = {name};
    for (const std::string& key : Keys()) {
      words.push_back(key);
      words.push_back("new");
    }
    return words;
  }
  // Memory of the last shard: "1" refuses every write there, "0" none.
  void Limit(const std::string& bytes) {
    Client(servers_.back()->port()).Command({"CONFIG", "SET", "maxmemory", bytes});
  }
  void ExpectNothingOfOursIsLeft(const std::string& when) {
    for (const auto& server : servers_) {
      Client direct(server->port());
      const std::string found = direct.Command({"EVAL",
                                                "local n=0 for _,k in ipairs(redis.call('KEYS',"
                                                "'__rm:*')) do if redis.call('GET',k)~='A' then "
                                                "n=n+1 end end return n",
                                                "0"});
      EXPECT_EQ(found, "(integer) 0") << when << ", port " << server->port();
    }
  }

  TempFolder folder_;
  std::vector<std::unique_ptr<RedisServer>> servers_;
  std::unique_ptr<ProxyProcess> proxy_;
  std::map<std::string, std::string> keys_;  // one for each shard
};

TEST_P(SagasTest, AShardThatIsDownMeansThatNothingIsWritten) {
  Reset();
  const std::string before = Values();
  servers_.back()->Stop();
  const std::string reply = proxy_->Command(Mset());
  EXPECT_TRUE(reply.starts_with("(error) NOTAPPLIED")) << reply;
  for (size_t i = 0; i + 1 < servers_.size(); ++i) {
    Client direct(servers_[i]->port());
    for (const std::string& key : Keys()) {
      const std::string value = direct.Command({"GET", key});
      EXPECT_TRUE(value == "\"old\"" || value == "(nil)") << value;
    }
  }
}

TEST_P(SagasTest, ARefusedPartUndoesTheOthers) {
  Client client = proxy_->Connect();
  const Words keys = Keys();
  client.Command({"SET", keys.front(), "old", "EX", "1000"});
  Limit("1");
  EXPECT_TRUE(client.Command(Mset()).starts_with("(error) OOM"));
  Limit("0");
  for (size_t i = 1; i < keys.size(); ++i) {
    EXPECT_EQ(client.Command({"EXISTS", keys[i]}), "(integer) 0");
  }
  EXPECT_EQ(client.Command({"GET", keys.front()}), "\"old\"");
  EXPECT_NE(client.Command({"TTL", keys.front()}), "(integer) -1");
  EXPECT_EQ(client.Command({"PROXY", "SAGAS", "LIST"}), "\"\"");
  ExpectNothingOfOursIsLeft("after MSET");
}

TEST_P(SagasTest, MsetnxThatIsRefusedTouchesNothing) {
  Client client = proxy_->Connect();
  const Words keys = Keys();
  client.Command({"SET", keys.back(), "old"});
  EXPECT_EQ(client.Command({"WATCH", keys.front()}), "OK");
  EXPECT_EQ(client.Command(Mset("MSETNX")), "(integer) 0");
  EXPECT_EQ(client.Command({"MULTI"}), "OK");
  EXPECT_EQ(client.Command({"SET", keys.front(), "mine"}), "QUEUED");
  EXPECT_EQ(client.Command({"EXEC"}), "[OK]");
  client.Command({"DEL", keys.back()});
  EXPECT_EQ(client.Command(Mset("MSETNX")), "(integer) 0");
  client.Command({"DEL", keys.front()});
  EXPECT_EQ(client.Command(Mset("MSETNX")), "(integer) 1");
  EXPECT_EQ(client.Command({"DBSIZE"}), "(integer) " + std::to_string(keys.size()))
      << "what the saga left was not counted";
}

TEST_P(SagasTest, OperatorsSeeWhatIsThere) {
  Client client = proxy_->Connect();
  EXPECT_EQ(client.Command(Mset()), "OK");
  Limit("1");
  client.Command(Mset());
  EXPECT_NE(client.Command({"INFO", "ringmaster"}).find("sagas:started=2,committed=1,undone=1"),
            std::string::npos);
  EXPECT_NE(client.Command({"PROXY", "SAGAS", "RECENT"}).find("command=mset "), std::string::npos);
  EXPECT_NE(client.Command({"PROXY", "SAGAS", "JOURNAL", "VERIFY"}).find("incarnation: "),
            std::string::npos);
  EXPECT_TRUE(
      client.Command({"PROXY", "SAGAS", "RETRY", "77"}).starts_with("(error) ERR there is"));
  EXPECT_TRUE(
      client.Command({"PROXY", "SAGAS", "NONSENSE"}).starts_with("(error) ERR PROXY SAGAS"));
}

// Killed at the point while it serves `commands`; after the next start it is all or nothing.
TEST_P(SagasTest, KilledAtAnyPointItIsWholeOrGoneAfterTheNextStart) {
  struct Case {
    std::string kind;
    std::vector<std::string> points;
  };
  const std::vector<Case> cases = {
      {"mset",
       {"saga-locked", "journal-begin", "saga-begun", "saga-step-send-0", "saga-step-send-1",
        "saga-step-answered-0", "saga-step-answered-1", "saga-steps-done", "journal-commit",
        "saga-committed", "saga-answer", "saga-cleanup-send-0", "saga-cleanup-send-1",
        "saga-cleaned-0", "saga-cleaned-1", "saga-finish", "journal-end"}},
      {"exec",
       {"saga-begun", "saga-prepare-send-0", "saga-prepare-send-1", "saga-prepared-0",
        "saga-prepared-1", "saga-executed-0", "saga-executed-1", "saga-steps-done",
        "saga-committed", "saga-cleaned-1"}},
      {"eval",
       {"saga-prepare-send-0", "saga-prepared-0", "saga-executed-0", "saga-step-answered-0",
        "saga-home-send-1", "saga-steps-done", "saga-answer", "saga-cleanup-send-0"}},
      {"refused", {"saga-undo", "saga-undo-send-0", "saga-undone-0"}},
  };
  const Words keys = Keys();
  for (const Case& each : cases) {
    for (const std::string& point : each.points) {
      const std::string when = each.kind + " at " + point;
      Start();
      Reset();
      // The step of one shard is refused, so the others are undone.
      const bool refused = each.kind == "refused";
      if (refused) Limit("1");
      const std::string before = Values();
      Start(point);
      Client client = proxy_->Connect();
      std::string reply;
      if (each.kind == "mset" || refused) reply = client.Command(Mset());
      if (each.kind == "eval") {
        Words words = {"EVAL", "for _,k in ipairs(KEYS) do redis.call('SET',k,'new') end return 1",
                       std::to_string(keys.size())};
        words.insert(words.end(), keys.begin(), keys.end());
        reply = client.Command(words);
      }
      if (each.kind == "exec") {
        client.Command({"MULTI"});
        for (const std::string& key : keys) client.Command({"SET", key, "new"});
        reply = client.Command({"EXEC"});
      }
      EXPECT_TRUE(Eventually([&] { return !proxy_->running(); }))
          << when << " was not passed: " << reply;
      Start();
      ASSERT_TRUE(proxy_->serving()) << when;
      const std::string after = Values();
      std::string whole = "[";
      for (size_t i = 0; i < keys.size(); ++i) whole += i == 0 ? "\"new\"" : ", \"new\"";
      whole += "]";
      EXPECT_TRUE(after == before || (after == whole && !refused)) << when << ": " << after;
      const bool acknowledged = reply == "OK" || reply == "(integer) 1";
      if (acknowledged) {
        EXPECT_EQ(after, whole) << when;
      }
      ExpectNothingOfOursIsLeft(when);
      if (refused) Limit("0");
    }
  }
}

// What the recovery itself is killed at.
TEST_P(SagasTest, KilledAgainWhileItRecoversItIsStillWholeOrGone) {
  for (const std::string second : {"recovery-start", "recovery-fenced", "saga-undo-send-0",
                                   "saga-undone-0", "recovery-done"}) {
    Start();
    Reset();
    const std::string before = Values();
    Start("saga-steps-done");
    proxy_->Connect().Command(Mset());
    EXPECT_TRUE(Eventually([&] { return !proxy_->running(); }));
    // It dies before it serves, so it is not waited for.
    const std::string file = folder_.Write("dying.yml", proxy_->Yaml(proxy_->config()));
    setenv("RINGMASTER_CRASH_AT", second.c_str(), 1);
    ChildProcess dying({ProxyProgram(), "--config", file}, folder_.File("dying.log"));
    unsetenv("RINGMASTER_CRASH_AT");
    EXPECT_EQ(dying.Wait(), 128 + 9) << second;
    Start();
    EXPECT_EQ(Values(), before) << second;
    ExpectNothingOfOursIsLeft(second);
  }
}

// Sixteen clients at once share sagas, and each set of keys gets its values from four of them.
TEST_P(SagasTest, KilledWhileManySetAtOnceEachIsWholeOrGone) {
  constexpr size_t kSets = 4;
  constexpr size_t kClients = 16;
  constexpr int kEach = 100;
  std::map<std::string, Words> of_shard;
  {
    Client client = proxy_->Connect();
    size_t full = 0;
    for (int i = 0; full < servers_.size(); ++i) {
      const std::string key = "set:" + std::to_string(i);
      Words& keys = of_shard[client.Command({"PROXY", "LOCATE", key})];
      if (keys.size() < kSets) keys.push_back(key);
      if (keys.size() == kSets && keys.back() == key) ++full;
    }
  }
  for (int round = 0; round < 3; ++round) {
    Start();
    std::vector<Client> clients;
    for (size_t c = 0; c < kClients; ++c) {
      std::string bytes;
      for (int n = 0; n < kEach; ++n) {
        Words words = {"MSET"};
        for (const auto& [shard, keys] : of_shard) {
          words.push_back(keys[c % kSets]);
          words.push_back(std::to_string(round) + ":" + std::to_string(c) + ":" +
                          std::to_string(n));
        }
        bytes += MakeRequest(std::vector<Bytes>(words.begin(), words.end()));
      }
      clients.push_back(proxy_->Connect());
      clients.back().Send(bytes);
    }
    for (const std::string& reply : clients[0].Read(static_cast<size_t>(20 + 17 * round))) {
      EXPECT_EQ(reply, "OK");
    }
    proxy_->Kill9();
    Start();
    ASSERT_TRUE(proxy_->serving());
    Client client = proxy_->Connect();
    for (size_t set = 0; set < kSets; ++set) {
      const std::string value = client.Command({"GET", of_shard.begin()->second[set]});
      EXPECT_EQ(value.substr(0, 3), "\"" + std::to_string(round) + ":");
      for (const auto& [shard, keys] : of_shard) {
        EXPECT_EQ(client.Command({"GET", keys[set]}), value) << "half of an MSET on " << shard;
      }
    }
    ExpectNothingOfOursIsLeft("round " + std::to_string(round));
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, SagasTest, testing::Values(2, 4));

// Over four shards, many at the same time.
class SharedSagasTest : public testing::Test {
 protected:
  static ClusterOptions Options() {
    ClusterOptions options;
    options.workers = 1;
    options.timeouts = "command: 1s, connect: 500ms";
    return options;
  }
  // One MSET of a key on each of these shards, by each of `count` clients, sent before any reply is
  // read; `first`: of the keys.
  std::vector<Client> SendFrom(size_t count, const std::vector<size_t>& shards, size_t first,
                               const std::string& value) {
    std::vector<Client> clients;
    for (size_t i = 0; i < count; ++i) {
      Words words = {"MSET"};
      for (const size_t shard : shards) {
        words.push_back(cluster_.KeyOn(shard, first + i));
        words.push_back(value);
      }
      clients.push_back(cluster_.Connect());
      clients.back().Send(MakeRequest(std::vector<Bytes>(words.begin(), words.end())));
    }
    return clients;
  }
  // The shards' connections come up with the first one.
  void Warm() {
    for (Client& client : SendFrom(1, {0, 1, 2, 3}, 0, "warm")) EXPECT_EQ(client.Read(), "OK");
  }

  Cluster cluster_{Options()};
};

TEST_F(SharedSagasTest, EachIsWholeThoughTheyShareSagas) {
  Warm();
  constexpr int kClients = 16;
  constexpr int kEach = 30;
  std::vector<Client> clients;
  for (int i = 0; i < kClients; ++i) {
    std::string bytes;
    for (int n = 0; n < kEach; ++n) {
      const std::string value = std::to_string(i) + ":" + std::to_string(n);
      Words words = {"MSET"};
      for (const size_t shard : {0, 1, 2, 3}) {
        words.push_back(cluster_.KeyOn(shard, static_cast<size_t>(n % 3)));
        words.push_back(value);
      }
      bytes += MakeRequest(std::vector<Bytes>(words.begin(), words.end()));
    }
    clients.push_back(cluster_.Connect());
    clients.back().Send(bytes);
  }
  for (Client& client : clients) {
    for (const std::string& reply : client.Read(kEach)) EXPECT_EQ(reply, "OK");
  }
  Client client = cluster_.Connect();
  for (size_t n = 0; n < 3; ++n) {
    const std::string value = client.Command({"GET", cluster_.KeyOn(0, n)});
    for (const size_t shard : {1, 2, 3}) {
      EXPECT_EQ(client.Command({"GET", cluster_.KeyOn(shard, n)}), value);
    }
  }
  const std::string info = client.Command({"INFO", "ringmaster"});
  const size_t at = info.find("sagas:started=");
  ASSERT_NE(at, std::string::npos);
  EXPECT_LT(std::stoi(info.substr(at + 14)), 1 + kClients * kEach) << "none was shared";
}

TEST_F(SharedSagasTest, AShardsRefusalIsForThoseWhoNeedIt) {
  Warm();
  cluster_.server(3).Connect().Command({"CONFIG", "SET", "maxmemory", "1"});
  std::vector<Client> harmed = SendFrom(12, {0, 3}, 1, "harmed");
  std::vector<Client> others = SendFrom(12, {0, 1, 2}, 20, "fine");
  for (Client& client : harmed) {
    const std::string reply = client.Read();
    EXPECT_TRUE(reply.starts_with("(error) OOM")) << reply;
  }
  for (Client& client : others) EXPECT_EQ(client.Read(), "OK");
  Client client = cluster_.Connect();
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(client.Command({"GET", cluster_.KeyOn(0, 1 + i)}), "(nil)");
    EXPECT_EQ(client.Command({"GET", cluster_.KeyOn(2, 20 + i)}), "\"fine\"");
  }
}

TEST_F(SharedSagasTest, AFrozenShardHoldsUpOnlyThoseWhoNeedIt) {
  Warm();
  cluster_.server(3).Pause();
  std::vector<Client> harmed = SendFrom(12, {0, 3}, 1, "harmed");
  std::vector<Client> others = SendFrom(12, {0, 1, 2}, 20, "fine");
  for (Client& client : others) {
    client.set_patience(std::chrono::seconds(2));
    EXPECT_EQ(client.Read(), "OK");
  }
  for (Client& client : harmed) {
    EXPECT_TRUE(client.Silent(std::chrono::milliseconds(1))) << "its shard answers nobody";
  }
  cluster_.server(3).Resume();
  for (Client& client : harmed) {
    const std::string reply = client.Read();
    EXPECT_TRUE(reply == "OK" || reply.starts_with("(error) NOTAPPLIED")) << reply;
  }
}

}  // namespace
}  // namespace ringmaster::integration
