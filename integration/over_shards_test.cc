// Commands whose keys live on several shards: served as by one Redis, in the client's order, and
// never seen half done by others of the same proxy.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

class OverShardsTest : public testing::Test {
 protected:
  void ExpectNothingLeftBehind() {
    for (size_t shard = 0; shard < cluster_.size(); ++shard) {
      Client direct(cluster_.server(shard).port());
      for (size_t other = 0; other < cluster_.size(); ++other) {
        if (other == shard) continue;
        for (size_t n = 0; n < 3; ++n) {
          EXPECT_EQ(direct.Command({"EXISTS", cluster_.KeyOn(other, n)}), "(integer) 0")
              << "shard " << shard << " holds a key of shard " << other;
        }
      }
      EXPECT_EQ(direct.Command({"KEYS", "__rm:*:*:*"}), "[]") << "shard " << shard;
    }
  }

  Cluster cluster_;
  Client client_ = cluster_.Connect();
};

TEST_F(OverShardsTest, ReadsAndStoresAreThoseOfOneRedisAndLeaveNoCopies) {
  const std::string a = cluster_.KeyOn(0), b = cluster_.KeyOn(1), c = cluster_.KeyOn(2);
  const std::string d = cluster_.KeyOn(3);
  client_.Command({"SADD", a, "1", "2", "3"});
  client_.Command({"SADD", b, "2", "3", "4"});
  client_.Command({"SADD", c, "3"});
  EXPECT_EQ(client_.Command({"SINTER", a, b, c}), "[\"3\"]");
  EXPECT_EQ(client_.Command({"SINTERCARD", "2", a, b}), "(integer) 2");
  EXPECT_EQ(client_.Command({"SUNIONSTORE", d, a, b}), "(integer) 4");
  EXPECT_EQ(client_.Command({"SCARD", d}), "(integer) 4");
  EXPECT_EQ(client_.Command({"SDIFF", d, b, "none"}), "[\"1\"]");
  EXPECT_EQ(client_.Command({"ZUNION", "2", a, b, "WITHSCORES"}),
            "[\"1\", \"1\", \"4\", \"1\", \"2\", \"2\", \"3\", \"2\"]");
  client_.Command({"EXPIRE", a, "1000"});
  client_.Command({"DEL", d});
  EXPECT_EQ(client_.Command({"COPY", a, d}), "(integer) 1");
  EXPECT_EQ(client_.Command({"COPY", a, d}), "(integer) 0");
  const std::string ttl = client_.Command({"TTL", d});
  EXPECT_TRUE(ttl == "(integer) 1000" || ttl == "(integer) 999") << ttl;
  ExpectNothingLeftBehind();
}

TEST_F(OverShardsTest, SortFindsWhatItsPatternsNameOnAnyShard) {
  client_.Command({"RPUSH", "ids", "1", "2", "3", "4"});
  for (int i = 1; i <= 4; ++i) {
    const std::string id = std::to_string(i);
    client_.Command({"SET", "weight_" + id, std::to_string(10 - i)});
    client_.Command({"HSET", "object_" + id, "name", "n" + id});
  }
  EXPECT_EQ(client_.Command({"SORT", "ids", "BY", "weight_*", "GET", "object_*->name"}),
            "[\"n4\", \"n3\", \"n2\", \"n1\"]");
  EXPECT_EQ(client_.Command({"SORT", "ids", "BY", "weight_*", "LIMIT", "0", "2", "STORE", "best"}),
            "(integer) 2");
  EXPECT_EQ(client_.Command({"LRANGE", "best", "0", "-1"}), "[\"4\", \"3\"]");
  EXPECT_EQ(client_.Command({"SORT", "ids", "BY", "nosort", "GET", "#", "GET", "missing_*"}),
            "[\"1\", (nil), \"2\", (nil), \"3\", (nil), \"4\", (nil)]");
}

TEST_F(OverShardsTest, PopsFromTheFirstKeyThatHasSomething) {
  const std::string a = cluster_.KeyOn(0), b = cluster_.KeyOn(1);
  client_.Command({"RPUSH", b, "x", "y"});
  EXPECT_EQ(client_.Command({"LMPOP", "2", a, b, "LEFT"}), "[\"" + b + "\", [\"x\"]]");
  EXPECT_EQ(client_.Command({"LMPOP", "2", a, b, "LEFT", "COUNT", "5"}),
            "[\"" + b + "\", [\"y\"]]");
  EXPECT_EQ(client_.Command({"LMPOP", "2", a, b, "LEFT"}), "(nil array)");
}

TEST_F(OverShardsTest, APipelineSeesItsOwnEffectsInOrder) {
  const std::string a = cluster_.KeyOn(0), b = cluster_.KeyOn(1), c = cluster_.KeyOn(2);
  std::vector<std::vector<std::string>> commands;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    const std::string value = std::to_string(i);
    commands.push_back({"SADD", a, value});
    commands.push_back({"SUNIONSTORE", c, a, b});
    commands.push_back({"SCARD", c});
  }
  const std::vector<std::string> replies = client_.Pipeline(commands);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(replies[static_cast<size_t>(i) * 3 + 2], "(integer) " + std::to_string(i + 1));
  }
}

// A union of two sets that are always changed one after the other: the second never has what the
// first has not got yet, however the two lie.
TEST_F(OverShardsTest, CommandsOfManyClientsOnTheSameKeysGoOneAfterTheOther) {
  const std::string a = cluster_.KeyOn(0), b = cluster_.KeyOn(1), c = cluster_.KeyOn(2);
  std::atomic<bool> stop{false};
  std::atomic<int> faults{0};
  std::atomic<int> rounds{0};
  std::thread writer([&] {
    Client client = cluster_.Connect();
    for (int i = 0; !stop; ++i) {
      client.Command({"SADD", a, std::to_string(i)});
      client.Command({"SADD", b, std::to_string(i)});
    }
  });
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&, reader] {
      Client client = cluster_.Connect();
      while (!stop) {
        const std::string odd = reader % 2 == 0 ? client.Command({"SDIFF", b, a})
                                                : client.Command({"SUNIONSTORE", c, a, b});
        if (reader % 2 == 0 ? odd != "[]" : odd.find("(integer)") != 0) ++faults;
        ++rounds;
      }
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (rounds < 1000 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  stop = true;
  writer.join();
  for (std::thread& each : readers) each.join();
  EXPECT_GE(rounds, 1000);
  EXPECT_EQ(faults, 0);
  ExpectNothingLeftBehind();
}

TEST_F(OverShardsTest, ExplainSaysWhichWayACommandGoes) {
  const std::string a = cluster_.KeyOn(0), b = cluster_.KeyOn(1);
  const auto served = [&](std::vector<std::string> command) {
    command.insert(command.begin(), {"PROXY", "EXPLAIN"});
    const std::string said = client_.CommandRaw(command);
    const size_t at = said.find("served: ");
    return said.substr(at, said.find('\n', said.find("atomic: ")) - at);
  };
  EXPECT_EQ(served({"GET", a}), "served: as it is by its shard\natomic: as in Redis");
  EXPECT_EQ(served({"MSET", a, "1", b, "2"}),
            "served: a saga: its keys are locked, and each of 2 shards does its part\n"
            "atomic: all or nothing, also when the proxy is killed");
  EXPECT_EQ(served({"SINTERSTORE", a, b}),
            "served: its keys are locked, and shard s0 runs it in a transaction with copies of the "
            "others' keys\natomic: all or nothing, for all that is written lives there");
  EXPECT_EQ(served({"RENAME", a, b}).find("served: a saga: its keys are locked, shard s"), 0U);
  EXPECT_EQ(served({"DEL", a, b}),
            "served: a part to each shard, replies merged\natomic: each shard for itself");
}

}  // namespace
}  // namespace ringmaster::integration
