// The promise: put in front of a Redis that is full and in use, the proxy changes nothing, and two
// empty shards added by a reload take their part of its keys while its clients work: all types, all
// databases, times to live, and nothing is lost.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/cluster.h"
#include "support/rebalance_status.h"

namespace ringmaster::integration {
namespace {

using Commands = std::vector<std::vector<std::string>>;

// As it grew before there was a proxy: straight to the one Redis.
class SingleRedisTest : public testing::Test {
 protected:
  static constexpr int kOfEach = 120;

  void SetUp() override {
    Client redis = cluster_.server(0).Connect();
    for (const int database : {0, 3, 11}) {
      redis.Command({"SELECT", std::to_string(database)});
      Commands commands;
      for (int i = 0; i < kOfEach; ++i) Fill(std::to_string(i), commands);
      std::vector<std::string> large = {"HSET", "large"};
      for (int i = 0; i < 25000; ++i) {
        large.push_back("field" + std::to_string(i));
        large.push_back("a value of some length " + std::to_string(i));
      }
      commands.push_back(large);
      for (const std::string& reply : redis.Pipeline(commands)) {
        ASSERT_EQ(reply.find("(error)"), std::string::npos) << reply;
      }
    }
    redis.Command({"SELECT", "0"});
    redis.Command({"SET", "clients:total", "0"});
  }

  static void Fill(const std::string& n, Commands& to) {
    to.push_back({"SET", "string:" + n, std::string(10, 'x') + n});
    to.push_back({"SET", "empty:" + n, ""});
    to.push_back({"SET", "binary:" + n, std::string("\0\r\n\xff", 4) + n});
    to.push_back({"SET", "expires:" + n, n, "PX", "9000000"});
    to.push_back({"SETBIT", "bits:" + n, "1000", "1"});
    to.push_back({"PFADD", "log:" + n, "a", "b", n});
    to.push_back({"HSET", "hash:" + n, "a", "1", "b", n});
    to.push_back({"RPUSH", "list:" + n, "1", "2", std::string(200, 'l'), n});
    to.push_back({"SADD", "numbers:" + n, "1", "2", "3"});
    to.push_back({"SADD", "set:" + n, "a", "b", n});
    to.push_back({"ZADD", "sorted:" + n, "1", "a", "-inf", "b", "2.5", n});
    to.push_back({"GEOADD", "places:" + n, "13.36", "38.11", "Palermo"});
    to.push_back({"XADD", "stream:" + n, "1-1", "f", n});
    to.push_back({"XADD", "stream:" + n, "2-1", "f", "second"});
    to.push_back({"XGROUP", "CREATE", "stream:" + n, "workers", "0"});
    to.push_back(
        {"XREADGROUP", "GROUP", "workers", "one", "COUNT", "1", "STREAMS", "stream:" + n, ">"});
    to.push_back({"EXPIRE", "hash:" + n, "9000"});
  }

  std::string Verified() const {
    return cluster_.Connect().CommandRaw({"PROXY", "VERIFY", "DIGEST"});
  }
  std::string Field(const std::string& text, const std::string& name) const {
    const size_t at = text.find("\n" + name + ": ");
    if (at == std::string::npos) return text;
    const size_t begin = at + name.size() + 3;
    return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
  }
  void AddTwoShards() {
    ConfigText more = proxy_.config();
    more.pool().Shard("s1", second_.address()).Shard("s2", third_.address());
    proxy_.Reload(more);
    ASSERT_TRUE(Settled(proxy_, "2")) << StatusField(proxy_, "everything");
  }

  RedisServer second_;
  RedisServer third_;
  Cluster cluster_{ClusterOptions{.shards = 1}};
  ProxyProcess& proxy_ = cluster_.proxy();
};

TEST_F(SingleRedisTest, KeysOfAllTypesAndDatabasesSpreadAndStayTheSame) {
  const std::string before = Verified();
  AddTwoShards();
  const std::string after = Verified();
  EXPECT_EQ(Field(before, "digest").size(), 16U) << before;
  EXPECT_EQ(Field(after, "digest"), Field(before, "digest")) << after;
  EXPECT_EQ(Field(after, "keys"), Field(before, "keys"));
  EXPECT_EQ(Field(after, "misplaced"), "0");
  EXPECT_GT(KeysOn(second_), kOfEach);
  EXPECT_GT(KeysOn(third_), kOfEach);
  Client client = cluster_.Connect();
  client.Command({"SELECT", "11"});
  const std::string left = client.Command({"PTTL", "expires:7"});
  EXPECT_GT(std::stoll(left.substr(left.find(' ') + 1)), 8000000);
  EXPECT_EQ(client.Command({"HLEN", "large"}), "(integer) 25000");
  EXPECT_NE(client.Command({"XPENDING", "stream:7", "workers"}).find("one"), std::string::npos);
  // Any value that changed is seen.
  const std::vector<std::vector<std::string>> changes = {{"APPEND", "string:7", "!"},
                                                         {"HSET", "hash:7", "a", "2"},
                                                         {"HSET", "large", "new", "1"},
                                                         {"LSET", "list:7", "1", "3"},
                                                         {"SADD", "numbers:7", "4"},
                                                         {"ZADD", "sorted:7", "2.25", "a"},
                                                         {"XADD", "stream:7", "9-9", "f", "v"},
                                                         {"XACK", "stream:7", "workers", "1-1"},
                                                         {"PERSIST", "hash:7"}};
  std::string last = Field(before, "digest");
  for (const auto& change : changes) {
    const std::string said = client.Command(change);
    ASSERT_EQ(said.find("error"), std::string::npos) << said;
    const std::string now = Field(Verified(), "digest");
    EXPECT_NE(now, last) << change[0] << ": " << said;
    last = now;
  }
}

TEST_F(SingleRedisTest, ClientsThatWorkMeanwhileLoseNothing) {
  std::atomic<bool> stop{false};
  std::atomic<int64_t> done{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int id = 0; id < 3; ++id) {
    clients.emplace_back([&, id] {
      Client client = cluster_.Connect();
      for (int64_t n = 1; !stop; ++n) {
        const std::string own = "own:" + std::to_string(id) + ":" + std::to_string(n % 97);
        const std::string some = std::to_string(n % kOfEach);
        const std::vector<std::string> replies =
            client.Pipeline({{"INCR", "clients:total"},
                             {"SET", own, std::to_string(n)},
                             {"GET", own},
                             {"HGET", "hash:" + some, "b"},
                             {"GET", "string:" + some},
                             {"SISMEMBER", "set:" + some, "a"}});
        ++done;
        if (replies[2] != "\"" + std::to_string(n) + "\"" || replies[3] != "\"" + some + "\"" ||
            replies[4] != "\"xxxxxxxxxx" + some + "\"" || replies[5] != "(integer) 1") {
          ++wrong;
        }
      }
    });
  }
  ASSERT_TRUE(Eventually([&] { return done > 200; }));
  AddTwoShards();
  const int64_t then = done;
  ASSERT_TRUE(Eventually([&] { return done > then + 200; }));
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(cluster_.Connect().Command({"GET", "clients:total"}),
            "\"" + std::to_string(done) + "\"");
  EXPECT_EQ(Field(Verified(), "misplaced"), "0");
}

}  // namespace
}  // namespace ringmaster::integration
