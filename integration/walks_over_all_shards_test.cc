// The promise: SCAN, RANDOMKEY and WAIT see all shards as one server. SCAN returns every key that
// was there throughout, whatever else comes and goes, and also when the ring is reloaded halfway.
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

using Words = std::vector<std::string>;

struct Walk {
  std::multiset<std::string> keys;
  std::string cursor = "0";
  int calls = 0;
};

// The words of a rendered reply that stand in quotes.
std::vector<std::string> Strings(const std::string& rendered) {
  std::vector<std::string> strings;
  for (size_t at = rendered.find('"'); at != std::string::npos; at = rendered.find('"', at)) {
    const size_t end = rendered.find('"', at + 1);
    strings.push_back(rendered.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return strings;
}

// One more call. False: the walk is over.
bool Step(Client& client, Walk& walk, const Words& options = {}) {
  Words words = {"SCAN", walk.cursor};
  words.insert(words.end(), options.begin(), options.end());
  const std::string reply = client.Command(words);
  std::vector<std::string> strings = Strings(reply);
  EXPECT_FALSE(strings.empty()) << reply;
  if (strings.empty()) return false;
  walk.cursor = strings[0];
  walk.keys.insert(strings.begin() + 1, strings.end());
  ++walk.calls;
  return walk.cursor != "0" && walk.calls < 100000;
}

Walk WalkAll(Client& client, const Words& options = {}) {
  Walk walk;
  while (Step(client, walk, options)) {
  }
  return walk;
}

std::vector<Words> Writes(const std::string& prefix, int count) {
  std::vector<Words> writes;
  for (int i = 0; i < count; ++i) writes.push_back({"SET", prefix + std::to_string(i), "x"});
  return writes;
}

bool HasAll(const Walk& walk, const std::string& prefix, int count) {
  for (int i = 0; i < count; ++i) {
    if (walk.keys.count(prefix + std::to_string(i)) == 0) return false;
  }
  return true;
}

TEST(WalksOverAllShardsTest, ScanReturnsEveryKeyOnceWhenNothingChanges) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  client.Pipeline(Writes("k", 5000));
  for (const Words& options : {Words{}, {"COUNT", "1"}, {"COUNT", "300"}, {"COUNT", "99999"}}) {
    const Walk walk = WalkAll(client, options);
    EXPECT_EQ(walk.keys.size(), 5000U);
    EXPECT_TRUE(HasAll(walk, "k", 5000));
  }
  EXPECT_EQ(WalkAll(client, {"COUNT", "99999"}).calls, 1) << "few keys take few calls";
  EXPECT_EQ(WalkAll(client, {"MATCH", "k1*", "COUNT", "100"}).keys.size(), 1111U);
  EXPECT_EQ(WalkAll(client, {"TYPE", "list"}).keys.size(), 0U);
}

TEST(WalksOverAllShardsTest, ScanReturnsWhatStayedWhileOthersCameAndWent) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  client.Pipeline(Writes("stays", 2000));
  Walk walk;
  for (int i = 0; Step(client, walk); ++i) {
    // Enough to make the hash tables grow and shrink under the walk.
    client.Pipeline(Writes("comes" + std::to_string(i) + ":", 40));
    if (i % 20 == 19) {
      Words unlink = {"UNLINK"};
      for (int j = i - 19; j < i; ++j) {
        for (int k = 0; k < 40; ++k) {
          unlink.push_back("comes" + std::to_string(j) + ":" + std::to_string(k));
        }
      }
      client.Command(unlink);
    }
  }
  EXPECT_TRUE(HasAll(walk, "stays", 2000));
}

TEST(WalksOverAllShardsTest, ScanStartsAgainWhenTheRingIsReloadedHalfway) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  client.Pipeline(Writes("k", 600));
  Walk walk;
  while (walk.keys.size() < 300) ASSERT_TRUE(Step(client, walk));
  // The same shards in another order: no key changes its owner, but "the second shard" means
  // another one.
  ConfigText config = cluster.proxy().config();
  std::swap(config.pool().shards[0], config.pool().shards[2]);
  ASSERT_NE(cluster.proxy().Reload(config), "");
  while (Step(client, walk)) {
  }
  EXPECT_TRUE(HasAll(walk, "k", 600));
}

TEST(WalksOverAllShardsTest, ShowsNeitherForeignNorOwnKeys) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  for (size_t i = 0; i < 3; ++i) {
    cluster.server(i).Command({"SET", "__rm:marker", "x"});
    cluster.server(i).Command({"SET", "everywhere", "x"});
  }
  EXPECT_EQ(WalkAll(client).keys, std::multiset<std::string>{"everywhere"});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.Command({"RANDOMKEY"}), "\"everywhere\"");
  client.Command({"DEL", "everywhere"});
  EXPECT_EQ(client.Command({"RANDOMKEY"}), "(nil)");
  EXPECT_EQ(WalkAll(client).keys.size(), 0U);
}

TEST(WalksOverAllShardsTest, RandomKeyComesFromEveryShard) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  std::set<std::string> keys;
  for (size_t i = 0; i < 3; ++i) {
    keys.insert("\"" + cluster.KeyOn(i) + "\"");
    client.Command({"SET", cluster.KeyOn(i), "x"});
  }
  std::set<std::string> seen;
  for (int i = 0; i < 500 && seen.size() < 3; ++i) seen.insert(client.Command({"RANDOMKEY"}));
  EXPECT_EQ(seen, keys);
}

TEST(WalksOverAllShardsTest, WaitCountsTheReplicasThatEveryShardHas) {
  Cluster cluster{
      ClusterOptions{.shards = 2, .server = {.config = {"repl-diskless-sync-delay 0"}}}};
  Client client = cluster.Connect();
  const auto replica_of = [&cluster](size_t i) {
    RedisServer::Options options;
    options.config = {"replicaof 127.0.0.1 " + std::to_string(cluster.server(i).port())};
    return options;
  };
  client.Pipeline(Writes("k", 100));
  EXPECT_EQ(client.Command({"WAIT", "0", "0"}), "(integer) 0");
  const TimePoint before = MonotonicNow();
  EXPECT_EQ(client.Command({"WAIT", "1", "60"}), "(integer) 0");
  EXPECT_GE(MonotonicNow() - before, std::chrono::milliseconds(60));

  RedisServer first(replica_of(0));
  ASSERT_TRUE(Eventually([&] {
    return cluster.server(0).Command({"INFO", "replication"}).find("state=online") !=
           std::string::npos;
  }));
  EXPECT_EQ(client.Command({"WAIT", "1", "60"}), "(integer) 0") << "the other shard has none";

  RedisServer second(replica_of(1));
  EXPECT_EQ(client.Command({"WAIT", "1", "0"}), "(integer) 1");
}

}  // namespace
}  // namespace ringmaster::integration
