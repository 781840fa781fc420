// The promise: rules (ring.together) put keys on one shard that programs take to be together and
// that have no hash tag, and a rule that comes or goes moves them live.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "support/checked_load.h"
#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kQueues = 40;

// As job queues do it: one of the keys is declared, the others are made of it.
constexpr char kAddJob[] =
    "local base = string.sub(KEYS[1], 1, -5)\n"
    "local id = redis.call('incr', base .. 'id')\n"
    "redis.call('hset', base .. id, 'data', ARGV[1])\n"
    "redis.call('lpush', base .. 'wait', id)\n"
    "return id";

class KeysTogetherTest : public testing::Test {
 protected:
  static std::string Queue(int n) { return "bull:queue" + std::to_string(n) + ":"; }
  void Rules(const std::string& rules) {
    ConfigText next = cluster_.proxy().config();
    next.pool().ring = rules;
    ASSERT_THAT(cluster_.proxy().Reload(next), HasSubstr("read again"));
    ASSERT_TRUE(Eventually([&] {
      return client_.CommandRaw({"PROXY", "REBALANCE", "STATUS"}).find("state: stable") !=
             std::string::npos;
    })) << client_.CommandRaw({"PROXY", "REBALANCE", "STATUS"});
  }
  std::string AddJob(int queue, const std::string& data) {
    return client_.Command({"EVAL", kAddJob, "1", Queue(queue) + "wait", data});
  }
  // How many shards have keys of it.
  size_t ShardsOf(int queue) {
    std::set<std::string> shards;
    for (const char* part : {"id", "wait", "1", "2", "3"})
      shards.insert(client_.Command({"PROXY", "LOCATE", Queue(queue) + part}));
    return shards.size();
  }

  Cluster cluster_{ClusterOptions{.shards = 3}};
  Client client_ = cluster_.Connect();
};

TEST_F(KeysTogetherTest, ScriptsFindTheKeysThatTheyDoNotDeclare) {
  Rules("together: ['bull:{queue}:*']");
  std::set<std::string> shards;
  for (int queue = 0; queue < kQueues; ++queue) {
    for (int job = 1; job <= 3; ++job)
      ASSERT_EQ(AddJob(queue, "d"), "(integer) " + std::to_string(job));
    EXPECT_EQ(ShardsOf(queue), 1U) << queue;
    EXPECT_EQ(client_.Command({"GET", Queue(queue) + "id"}), "\"3\"");
    EXPECT_EQ(client_.Command({"LLEN", Queue(queue) + "wait"}), "(integer) 3");
    EXPECT_EQ(client_.Command({"HGET", Queue(queue) + "2", "data"}), "\"d\"");
    shards.insert(client_.Command({"PROXY", "LOCATE", Queue(queue) + "id"}));
  }
  EXPECT_EQ(shards.size(), 3U) << "queues are spread";
}

TEST_F(KeysTogetherTest, OperatorSeesWhichRuleTookPart) {
  Rules("together: ['bull:{queue}:*', 'queues:{name}']");
  EXPECT_THAT(client_.CommandRaw({"PROXY", "EXPLAIN", "MGET", "bull:mail:id", "bull:{x}", "{x}"}),
              testing::AllOf(HasSubstr("bull:mail:id on shard"),
                             HasSubstr("with all of mail by the rule bull:{queue}:*"),
                             Not(HasSubstr("all of x by"))));
  EXPECT_THAT(
      client_.CommandRaw({"PROXY", "RING"}),
      testing::AllOf(HasSubstr("together: bull:{queue}:*"), HasSubstr("together: queues:{name}")));
}

TEST_F(KeysTogetherTest, RuleThatComesAndGoesMovesWhatItIsAbout) {
  for (int queue = 0; queue < kQueues; ++queue) {
    ASSERT_EQ(client_.Command({"SET", Queue(queue) + "id", std::to_string(queue)}), "OK");
    ASSERT_EQ(client_.Command({"RPUSH", Queue(queue) + "wait", "a", "b"}), "(integer) 2");
    ASSERT_EQ(client_.Command({"HSET", Queue(queue) + "1", "f", "v"}), "(integer) 1");
  }
  CheckedLoad load(cluster_.proxy().address(), {.clients = 2, .pipeline = 2});
  const auto all_there = [&] {
    for (int queue = 0; queue < kQueues; ++queue) {
      EXPECT_EQ(client_.Command({"GET", Queue(queue) + "id"}), "\"" + std::to_string(queue) + "\"");
      EXPECT_EQ(client_.Command({"LRANGE", Queue(queue) + "wait", "0", "-1"}), "[\"a\", \"b\"]");
      EXPECT_EQ(client_.Command({"HGET", Queue(queue) + "1", "f"}), "\"v\"");
    }
  };
  Rules("together: ['bull:{queue}:*']");
  all_there();
  for (int queue = 0; queue < kQueues; ++queue) EXPECT_EQ(ShardsOf(queue), 1U) << queue;
  Rules("");
  all_there();
  size_t spread = 0;
  for (int queue = 0; queue < kQueues; ++queue) spread += ShardsOf(queue) > 1 ? 1 : 0;
  EXPECT_GT(spread, kQueues / 2U);
  EXPECT_THAT(client_.CommandRaw({"PROXY", "VERIFY"}), HasSubstr("misplaced: 0"));
  const CheckedLoad::Report report = load.Stop();
  EXPECT_TRUE(report.mismatches.empty() && report.errors == 0) << Summary(report);
}

TEST_F(KeysTogetherTest, SortStaysOnOneShardWhereARulePlacesItsPatterns) {
  Rules("together: ['bull:{queue}:*']");
  for (int i = 1; i <= 3; ++i) {
    ASSERT_EQ(client_.Command({"RPUSH", "bull:q:ids", std::to_string(i)}),
              "(integer) " + std::to_string(i));
    ASSERT_EQ(client_.Command({"SET", "bull:q:w" + std::to_string(i), std::to_string(9 - i)}),
              "OK");
  }
  const std::vector<std::string> sort = {"SORT", "bull:q:ids", "BY", "bull:q:w*"};
  EXPECT_EQ(client_.Command(sort), "[\"3\", \"2\", \"1\"]");
  std::vector<std::string> explain = {"PROXY", "EXPLAIN"};
  explain.insert(explain.end(), sort.begin(), sort.end());
  EXPECT_THAT(client_.CommandRaw(explain), HasSubstr("as it is by its shard"));
}

}  // namespace
}  // namespace ringmaster::integration
