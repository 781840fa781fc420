// The promise: a tool that reads INFO, SLOWLOG, LATENCY or MEMORY sees one server, whose figures
// are those of all shards; and a shard that is down does not blind it.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

// The fields of an INFO reply.
std::map<std::string, std::string> Fields(Client& client, const std::vector<std::string>& words) {
  std::map<std::string, std::string> fields;
  std::istringstream lines(client.CommandRaw(words));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const size_t colon = line.find(':');
    if (colon != std::string::npos) fields[line.substr(0, colon)] = line.substr(colon + 1);
  }
  return fields;
}

std::set<std::string> Names(const std::map<std::string, std::string>& fields) {
  std::set<std::string> names;
  for (const auto& [name, value] : fields) names.insert(name);
  return names;
}

TEST(InfoOfOneServerTest, HasTheFieldsOfOneRedis) {
  RedisServer one;
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client reference = one.Connect();
  Client client = cluster.Connect();
  for (const char* section : {"server", "clients", "memory", "persistence", "stats", "replication",
                              "cpu", "cluster", "keyspace"}) {
    EXPECT_EQ(Names(Fields(reference, {"INFO", section})), Names(Fields(client, {"INFO", section})))
        << section;
  }
  EXPECT_EQ(client.CommandRaw({"INFO", "nonsense"}), reference.CommandRaw({"INFO", "nonsense"}));
}

TEST(InfoOfOneServerTest, AddsUpTheShardsAndSpeaksForItself) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  for (int i = 0; i < 100; ++i) client.Command({"SET", "k" + std::to_string(i), "x"});
  for (int i = 0; i < 150; ++i) client.Command({"GET", "k" + std::to_string(i)});
  auto fields = Fields(client, {"INFO", "everything"});
  EXPECT_EQ(fields["keyspace_hits"], "100");
  EXPECT_EQ(fields["keyspace_misses"], "50");
  EXPECT_EQ(fields["db0"], "keys=100,expires=0,avg_ttl=0");
  EXPECT_EQ(fields["cmdstat_get"].substr(0, 10), "calls=150,");
  EXPECT_EQ(fields["connected_clients"], "1");
  EXPECT_EQ(fields["tcp_port"], std::to_string(cluster.proxy().port()));
  EXPECT_EQ(fields["process_id"], std::to_string(cluster.proxy().pid()));
  EXPECT_EQ(fields["redis_version"], "7.0.15");
  EXPECT_EQ(fields["shards"], "3");
  EXPECT_EQ(fields["shard1"].substr(0, 8), "name=s1,");
}

TEST(InfoOfOneServerTest, SaysWhichShardIsDown) {
  Cluster cluster{ClusterOptions{.shards = 2, .timeouts = "connect: 200ms, command: 500ms"}};
  Client client = cluster.Connect();
  client.Command({"SET", cluster.KeyOn(0), "x"});
  cluster.server(1).Kill();
  ASSERT_TRUE(Eventually([&client] {
    const auto fields = Fields(client, {"INFO"});
    return fields.count("shard1") == 1 &&
           fields.at("shard1").find("state=down") != std::string::npos;
  }));
  auto fields = Fields(client, {"INFO"});
  EXPECT_NE(fields["shard0"].find("state=up"), std::string::npos);
  EXPECT_EQ(fields["db0"], "keys=1,expires=0,avg_ttl=0");

  cluster.server(0).Kill();
  fields = Fields(client, {"INFO"});
  EXPECT_EQ(fields["redis_version"], "7.0.15") << "no shard is needed to be asked for";
  EXPECT_EQ(fields["role"], "master");
}

TEST(InfoOfOneServerTest, SlowlogShowsTheLatestOfAllShards) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  client.Command({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  client.Command({"SLOWLOG", "RESET"});
  for (size_t i = 0; i < 3; ++i)
    client.Command({"SET", cluster.KeyOn(i), "slow" + std::to_string(i)});
  client.Command({"CONFIG", "SET", "slowlog-log-slower-than", "-1"});
  const std::string log = client.Command({"SLOWLOG", "GET", "-1"});
  for (const char* value : {"slow0", "slow1", "slow2"}) {
    EXPECT_NE(log.find(value), std::string::npos) << value;
  }
  EXPECT_EQ(client.CommandRaw({"SLOWLOG", "GET", "2"}).substr(0, 4), "*2\r\n");
  EXPECT_EQ(client.CommandRaw({"SLOWLOG", "GET", "x"}),
            cluster.server(0).Connect().CommandRaw({"SLOWLOG", "GET", "x"}));
}

TEST(InfoOfOneServerTest, ConfigurationIsThatOfEveryShard) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  EXPECT_EQ(client.Command({"CONFIG", "SET", "hash-max-listpack-entries", "77"}), "OK");
  EXPECT_EQ(client.Command({"CONFIG", "GET", "hash-max-listpack-entries"}),
            "[\"hash-max-listpack-entries\", \"77\"]");
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(cluster.server(i).Command({"CONFIG", "GET", "hash-max-listpack-entries"}),
              "[\"hash-max-listpack-entries\", \"77\"]");
  }
  EXPECT_EQ(client.Command({"CONFIG", "SET", "nonsense", "1"}).substr(0, 19),
            "(error) ERR Unknown");
}

TEST(InfoOfOneServerTest, LimitsOfTheWholeAreCutIntoShares) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client client = cluster.Connect();
  EXPECT_EQ(
      client.Command({"CONFIG", "SET", "maxmemory", "100mb", "tracking-table-max-keys", "31"}),
      "OK");
  EXPECT_EQ(client.Command({"CONFIG", "GET", "maxmemory"}), "[\"maxmemory\", \"104857600\"]");
  EXPECT_EQ(client.Command({"CONFIG", "GET", "tracking-table-max-keys"}),
            "[\"tracking-table-max-keys\", \"31\"]");
  EXPECT_NE(client.CommandRaw({"INFO", "memory"}).find("maxmemory:104857600\r\n"),
            std::string::npos);
  // As it has what it uses already and a third of the rest.
  EXPECT_EQ(cluster.server(0).Command({"CONFIG", "GET", "maxmemory"}).substr(0, 16),
            "[\"maxmemory\", \"3");
  EXPECT_EQ(client.Command({"CONFIG", "SET", "maxmemory", "much"}).substr(0, 30),
            "(error) ERR CONFIG SET failed ");
  EXPECT_EQ(client.Command({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  EXPECT_EQ(cluster.server(2).Command({"CONFIG", "GET", "maxmemory"}), "[\"maxmemory\", \"0\"]");
}

TEST(InfoOfOneServerTest, TextsOfShardsStandUnderTheirNames) {
  Cluster cluster{ClusterOptions{.shards = 2}};
  Client client = cluster.Connect();
  const std::string text = client.CommandRaw({"MEMORY", "DOCTOR"});
  EXPECT_NE(text.find("# shard s0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("# shard s1\n"), std::string::npos) << text;
  const std::string stats = client.Command({"MEMORY", "STATS"});
  EXPECT_NE(stats.find("total.allocated"), std::string::npos) << stats;
}

}  // namespace
}  // namespace ringmaster::integration
