// The promise: the shard list changes by a reload while clients work, and keys follow: none lost,
// none stale, none twice, with their times to live, in all databases (FIELD.md B10;
// scripts/histories goes on from here).
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <thread>

#include "support/cluster.h"
#include "support/rebalance_status.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

// Counters and lists that clients write without a pause, and what they must hold in the end.
class Writers {
 public:
  static constexpr int kKeys = 400;

  explicit Writers(const ProxyProcess& proxy, int clients = 3) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, &proxy, i] { Write(proxy, i); });
    }
  }
  ~Writers() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  uint64_t rounds() const { return rounds_; }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  void Fail(const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (failures_.size() < 20) failures_.push_back(what);
  }

  // Each client has keys of its own, so it knows what every reply must be.
  void Write(const ProxyProcess& proxy, int id) {
    Client client = proxy.Connect();
    std::map<int, int64_t> counts;
    for (int n = 0; !stop_; ++n) {
      const int k = (n * 7919) % kKeys;
      const std::string key = std::to_string(id) + ":" + std::to_string(k);
      const int64_t expected = ++counts[k];
      const std::string number = std::to_string(expected);
      const std::vector<std::string> replies = client.Pipeline({{"INCR", "n:" + key},
                                                                {"RPUSH", "l:" + key, number},
                                                                {"SET", "s:" + key, number},
                                                                {"GET", "s:" + key},
                                                                {"MGET", "n:" + key, "s:" + key},
                                                                {"LINDEX", "l:" + key, "-1"}});
      const std::vector<std::string> wanted = {"(integer) " + number,
                                               "(integer) " + number,
                                               "OK",
                                               "\"" + number + "\"",
                                               "[\"" + number + "\", \"" + number + "\"]",
                                               "\"" + number + "\""};
      for (size_t i = 0; i < replies.size(); ++i) {
        if (replies[i] != wanted[i]) {
          Fail(key + " reply " + std::to_string(i) + " is " + replies[i] + ", expected " +
               wanted[i]);
        }
      }
      ++rounds_;
    }
  }

  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> rounds_{0};
  std::mutex mutex_;
  std::vector<std::string> failures_;
};

class MovesTest : public testing::Test {
 protected:
  void Fill(int keys) {
    Client client = cluster_.Connect();
    std::vector<std::vector<std::string>> commands;
    for (int i = 0; i < keys; ++i) {
      commands.push_back({"SET", "key:" + std::to_string(i), "value:" + std::to_string(i)});
    }
    client.Pipeline(commands);
  }
  void ExpectAll(int keys) {
    Client client = cluster_.Connect();
    std::vector<std::vector<std::string>> commands;
    for (int i = 0; i < keys; ++i) commands.push_back({"GET", "key:" + std::to_string(i)});
    const std::vector<std::string> replies = client.Pipeline(commands);
    int wrong = 0;
    for (int i = 0; i < keys; ++i) {
      if (replies[i] != "\"value:" + std::to_string(i) + "\"" && ++wrong < 5) {
        ADD_FAILURE() << "key:" << i << " is " << replies[i];
      }
    }
    EXPECT_EQ(wrong, 0);
  }

  Cluster cluster_{ClusterOptions{.shards = 3}};
  ProxyProcess& proxy_ = cluster_.proxy();
};

TEST_F(MovesTest, ShardJoinsAndLeavesUnderLoadAndNoReplyIsWrong) {
  constexpr int kKeys = 5000;
  Fill(kKeys);
  const RedisServer extra;
  const ConfigText base = proxy_.config();
  Writers writers(proxy_);
  ASSERT_TRUE(Eventually([&] { return writers.rounds() > 200; }));
  ConfigText more = base;
  more.pool().Shard("extra", extra.address());
  ASSERT_NE(proxy_.Reload(more).find("change"), std::string::npos);
  ASSERT_TRUE(Settled(proxy_, "2")) << proxy_.Command({"PROXY", "REBALANCE", "STATUS"});
  EXPECT_GT(KeysOn(extra), kKeys / 6);
  ExpectAll(kKeys);
  proxy_.Reload(base);
  ASSERT_TRUE(Settled(proxy_, "3")) << proxy_.Command({"PROXY", "REBALANCE", "STATUS"});
  EXPECT_EQ(KeysOn(extra), 0);
  EXPECT_TRUE(proxy_.LogSays("safe to stop"));
  const uint64_t before = writers.rounds();
  EXPECT_TRUE(Eventually([&] { return writers.rounds() > before + 100; }));
  writers.Stop();
  for (const std::string& failure : writers.failures()) ADD_FAILURE() << failure;
  ExpectAll(kKeys);
}

TEST_F(MovesTest, KilledInTheMiddleItGoesOnAfterTheRestart) {
  constexpr int kKeys = 3000;
  Fill(kKeys);
  const RedisServer extra;
  ConfigText more = proxy_.config();
  more.pool().Shard("extra", extra.address());
  more.more = "rebalance: {max_keys_per_second: 20}";
  proxy_.Reload(more);
  ASSERT_TRUE(Eventually([&] { return KeysOn(extra) > 20; }));
  proxy_.Kill9();
  ProxyProcess again({"--config", proxy_.folder().File("ringmaster.yml")}, proxy_.address());
  ASSERT_TRUE(again.LogSays("goes on"));
  ExpectAll(kKeys);
  more.more = "";
  proxy_.folder().Write("ringmaster.yml", proxy_.Yaml(more));
  again.Signal(SIGHUP);
  ASSERT_TRUE(Settled(again, "2")) << again.Command({"PROXY", "REBALANCE", "STATUS"});
  ExpectAll(kKeys);
}

TEST_F(MovesTest, TurnedAroundEveryKeyIsBackWhereItWas) {
  constexpr int kKeys = 3000;
  Fill(kKeys);
  const RedisServer extra;
  const ConfigText before = proxy_.config();
  ConfigText more = before;
  more.pool().Shard("extra", extra.address());
  more.more = "rebalance: {max_keys_per_second: 1}";
  Writers writers(proxy_);
  proxy_.Reload(more);
  // Those that the writers fetch; most are still to come.
  ASSERT_TRUE(Eventually([&] { return KeysOn(extra) > 100; }));
  const std::string said = proxy_.Command({"PROXY", "REBALANCE", "REVERSE"});
  ASSERT_EQ(said.find("ERR"), std::string::npos) << said;
  proxy_.Reload(before);
  ASSERT_TRUE(Settled(proxy_, "3")) << proxy_.Command({"PROXY", "REBALANCE", "STATUS"});
  EXPECT_EQ(KeysOn(extra), 0);
  writers.Stop();
  for (const std::string& failure : writers.failures()) ADD_FAILURE() << failure;
  ExpectAll(kKeys);
}

TEST_F(MovesTest, TypesDatabasesAndTimesToLiveTravel) {
  Client client = cluster_.Connect();
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < 60; ++i) {
    const std::string n = std::to_string(i);
    commands.push_back({"HSET", "hash:" + n, "a", n, "b", "2"});
    commands.push_back({"SADD", "set:" + n, n, "x"});
    commands.push_back({"ZADD", "zset:" + n, "0.5", "m", "3", n});
    commands.push_back({"XADD", "stream:" + n, "1-1", "f", n});
    commands.push_back({"SET", "short:" + n, n, "PX", "100000"});
  }
  client.Pipeline(commands);
  ASSERT_EQ(client.Command({"SELECT", "3"}), "OK");
  commands.clear();
  for (int i = 0; i < 60; ++i) commands.push_back({"SET", "three:" + std::to_string(i), "3"});
  client.Pipeline(commands);
  // Larger than is moved at once: copied in pieces.
  std::vector<std::string> large = {"HSET", "large"};
  for (int i = 0; i < 30000; ++i) {
    large.push_back("field" + std::to_string(i));
    large.push_back("value" + std::to_string(i));
  }
  std::vector<std::string> names;
  for (int i = 0; i < 8; ++i) {
    names.push_back("large" + std::to_string(i));
    large[1] = names.back();
    ASSERT_EQ(client.Command(large), "(integer) 30000");
    ASSERT_EQ(client.Command({"PEXPIRE", names.back(), "500000"}), "(integer) 1");
  }
  const RedisServer first;
  const RedisServer second;
  ConfigText other = proxy_.config();
  other.pool().shards.clear();
  other.pool().Shard("first", first.address()).Shard("second", second.address());
  // One stays, so that it is the same deployment.
  other.pool().Shard("s0", cluster_.server(0).address());
  proxy_.Reload(other);
  ASSERT_TRUE(Settled(proxy_, "2")) << proxy_.Command({"PROXY", "REBALANCE", "STATUS"});
  EXPECT_EQ(KeysOn(cluster_.server(1)), 0);
  EXPECT_EQ(KeysOn(cluster_.server(2)), 0);
  for (const std::string& name : names) {
    EXPECT_EQ(client.Command({"HLEN", name}), "(integer) 30000");
    EXPECT_EQ(client.Command({"HGET", name, "field29999"}), "\"value29999\"");
    const std::string left = client.Command({"PTTL", name});
    EXPECT_GT(std::stoll(left.substr(left.find(' ') + 1)), 400000);
  }
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(client.Command({"GET", "three:" + std::to_string(i)}), "\"3\"");
  }
  ASSERT_EQ(client.Command({"SELECT", "0"}), "OK");
  for (int i = 0; i < 60; ++i) {
    const std::string n = std::to_string(i);
    EXPECT_EQ(client.Command({"HGET", "hash:" + n, "a"}), "\"" + n + "\"");
    EXPECT_EQ(client.Command({"SISMEMBER", "set:" + n, "x"}), "(integer) 1");
    EXPECT_EQ(client.Command({"ZSCORE", "zset:" + n, "m"}), "\"0.5\"");
    EXPECT_EQ(client.Command({"XLEN", "stream:" + n}), "(integer) 1");
    const std::string left = client.Command({"PTTL", "short:" + n});
    const int64_t millis = std::stoll(left.substr(left.find(' ') + 1));
    EXPECT_GT(millis, 80000);
    EXPECT_LE(millis, 100000);
  }
}

// A move of cold keys must not drive out the hot ones of its new owner.
TEST_F(MovesTest, KeysKeepTheirRankWhereTheNewOwnerEvicts) {
  constexpr int kKeys = 200;
  struct Case {
    const char* policy;
    const char* word;
    const char* rank;
    int64_t least;
  };
  for (const Case& each :
       {Case{"allkeys-lru", "IDLETIME", "5000", 5000}, Case{"volatile-lfu", "FREQ", "200", 190}}) {
    Cluster cluster(
        {.shards = 1, .server = {.config = {std::string("maxmemory-policy ") + each.policy}}});
    Client client = cluster.Connect();
    const std::string rank =
        "redis.call('SET', KEYS[1], 'v') return redis.call('RESTORE', KEYS[1], 0, "
        "redis.call('DUMP', KEYS[1]), 'REPLACE', ARGV[1], ARGV[2])";
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_EQ(
          client.Command({"EVAL", rank, "1", "key:" + std::to_string(i), each.word, each.rank}),
          "OK");
    }
    const RedisServer extra(
        {.config = {"maxmemory 100mb", std::string("maxmemory-policy ") + each.policy}});
    ConfigText more = cluster.proxy().config();
    more.pool().Shard("extra", extra.address());
    cluster.proxy().Reload(more);
    ASSERT_TRUE(Settled(cluster.proxy(), "2"));
    int moved = 0;
    for (int i = 0; i < kKeys; ++i) {
      const std::string said = extra.Command({"OBJECT", each.word, "key:" + std::to_string(i)});
      if (!said.starts_with("(integer)")) continue;
      ++moved;
      EXPECT_GE(std::stoll(said.substr(said.find(' '))), each.least) << said;
    }
    EXPECT_GT(moved, kKeys / 4);
  }
}

TEST_F(MovesTest, NewShardThatIsNotEmptyIsRefusedWithTheWayOut) {
  constexpr int kKeys = 500;
  Fill(kKeys);
  const RedisServer extra;
  extra.Command({"SET", "stale", "1"});
  ConfigText more = proxy_.config();
  more.pool().Shard("extra", extra.address());
  proxy_.Reload(more);
  EXPECT_TRUE(proxy_.LogSays("shard extra is new and holds 1 keys"));
  EXPECT_EQ(StatusField(proxy_, "epoch"), "1");
  ExpectAll(kKeys);
  // What sagas left there when it was a shard before is nobody's data.
  extra.Command({"SET", "__rm:7:0:m", "1"});
  extra.Command({"DEL", "stale"});
  ASSERT_TRUE(Settled(proxy_, "2")) << proxy_.Command({"PROXY", "REBALANCE", "STATUS"});
  ExpectAll(kKeys);
}

TEST_F(MovesTest, VerifyCountsEveryKeyAndNamesThoseThatAreNotWhereTheyBelong) {
  Fill(1000);
  const auto verified = [&] { return proxy_.Connect().CommandRaw({"PROXY", "VERIFY"}); };
  EXPECT_NE(verified().find("\nkeys: 1000\nmisplaced: 0\n"), std::string::npos) << verified();
  const RedisServer extra;
  ConfigText more = proxy_.config();
  more.pool().Shard("extra", extra.address());
  proxy_.Reload(more);
  ASSERT_TRUE(Settled(proxy_, "2"));
  EXPECT_NE(verified().find("\nkeys: 1000\nmisplaced: 0\n"), std::string::npos) << verified();
  // Twice, written past the proxy.
  for (size_t i = 0; i < 3; ++i) cluster_.server(i).Command({"SET", "twice", "1"});
  extra.Command({"SET", "twice", "1"});
  EXPECT_NE(verified().find("\nkeys: 1004\nmisplaced: 3\n"), std::string::npos) << verified();
  EXPECT_NE(verified().find("misplaced_key: twice in database 0 on shard "), std::string::npos);
}

TEST_F(MovesTest, ScanDuringAMoveSeesEveryKey) {
  constexpr int kKeys = 4000;
  Fill(kKeys);
  const RedisServer extra;
  ConfigText more = proxy_.config();
  more.pool().Shard("extra", extra.address());
  more.more = "rebalance: {max_keys_per_second: 20}";
  proxy_.Reload(more);
  ASSERT_TRUE(Eventually([&] { return KeysOn(extra) > 20; }));
  Client client = cluster_.Connect();
  std::map<std::string, int> seen;
  std::string cursor = "0";
  do {
    const std::string raw = client.CommandRaw({"SCAN", cursor, "COUNT", "100"});
    std::vector<std::string> words;
    for (size_t at = raw.find("$"); at != std::string::npos; at = raw.find("\r\n$", at)) {
      if (raw[at] != '$') at += 2;
      const size_t end = raw.find("\r\n", at);
      const size_t size = std::stoul(raw.substr(at + 1, end - at - 1));
      words.push_back(raw.substr(end + 2, size));
      at = end + 2 + size;
    }
    ASSERT_FALSE(words.empty()) << raw;
    cursor = words[0];
    for (size_t i = 1; i < words.size(); ++i) ++seen[words[i]];
  } while (cursor != "0");
  EXPECT_EQ(seen.size(), static_cast<size_t>(kKeys));
  EXPECT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  more.more = "";
  proxy_.Reload(more);
  ASSERT_TRUE(Settled(proxy_, "2"));
}

// Who looks how far it is must not slow it down; who works with keys is heeded.
TEST_F(MovesTest, OperatorsAreNotClientsForThePaceOfAMove) {
  Fill(2000);
  const RedisServer extra;
  ConfigText more = proxy_.config();
  more.pool().Shard("extra", extra.address());
  more.more = "rebalance: {max_keys_per_second: 20}";
  proxy_.Reload(more);
  Client client = cluster_.Connect();
  const auto pace = [&] {
    const std::string status = client.CommandRaw({"PROXY", "REBALANCE", "STATUS"});
    const size_t at = status.find("pace: beside_clients=");
    return at == std::string::npos ? "none"
                                   : status.substr(at + 21, status.find(',', at) - at - 21);
  };
  ASSERT_TRUE(Eventually([&] { return pace() == "no"; }));
  for (int i = 0; i < 100; ++i) {
    client.Pipeline({{"INFO"}, {"CONFIG", "GET", "maxmemory"}, {"CLIENT", "LIST"}, {"ECHO", "x"}});
    ASSERT_EQ(pace(), "no") << i;
  }
  EXPECT_TRUE(Eventually([&] {
    for (int i = 0; i < 20; ++i) client.Command({"GET", "nothing"});
    return pace() == "yes";
  }));
  EXPECT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  more.more = "";
  proxy_.Reload(more);
  ASSERT_TRUE(Settled(proxy_, "2"));
}

}  // namespace
}  // namespace ringmaster::integration
