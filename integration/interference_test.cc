// Somebody writes past the proxy, straight to a shard, exactly between the moment in which a
// command over several shards has read a key there and the one in which it carries the new value
// home. What he wrote is not lost: the command is undone and tried again, or says that it was not
// applied.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/cluster.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Words = std::vector<std::string>;

class InterferenceTest : public testing::Test {
 protected:
  InterferenceTest() : cluster_(Options()), client_(cluster_.Connect()) {
    there_ = cluster_.KeyOn(0);
    here_ = cluster_.KeyOn(1);
    // Whatever needs connections has them.
    client_.Command({"MSET", there_, "1", here_, "1"});
    client_.Command({"RENAME", there_, here_});
    client_.Command({"DEL", here_});
  }
  static ClusterOptions Options() {
    return {.shards = 2, .faults = true, .timeouts = "command: 5s"};
  }

  Client Direct(size_t shard) { return Client(cluster_.server(shard).port()); }
  // How many have watched something there, ever.
  int64_t Watches(size_t shard = 0) {
    const std::string stats = Direct(shard).Command({"INFO", "commandstats"});
    const size_t at = stats.find("cmdstat_watch:calls=");
    return at == std::string::npos ? 0 : std::stoll(stats.substr(at + 20));
  }
  std::string Figure(const std::string& name) {
    const std::string info = client_.Command({"INFO", "everything"});
    const size_t at = info.find(name + "=", info.find("sagas:"));
    return info.substr(at, info.find(',', at) - at);
  }

  // Sends the commands, which read there, and has `outside` write there before they have done
  // anything here. The last reply.
  std::string Interfere(const std::vector<Words>& commands, const Words& outside) {
    const int64_t before = Watches();
    cluster_.fault(1).HoldRequests(true);
    std::thread other([&] {
      EXPECT_TRUE(Eventually([&] { return Watches() > before; })) << commands.back()[0];
      Direct(0).Command(outside);
      cluster_.fault(1).HoldRequests(false);
    });
    const std::string reply = client_.Pipeline(commands).back();
    other.join();
    return reply;
  }

  static std::string Value(Client& at, const std::string& key) {
    const std::string type = at.Command({"TYPE", key});
    if (type == "list") return at.Command({"LRANGE", key, "0", "-1"});
    if (type == "set") return at.Command({"SORT", key, "ALPHA"});
    if (type == "zset") return at.Command({"ZRANGE", key, "0", "-1", "WITHSCORES"});
    return type == "string" ? at.Command({"GET", key}) : type;
  }

  // The same to both keys and the same outside, once with the proxy and once with one Redis, where
  // the outside comes first.
  void ExpectAsIfItCameFirst(const std::vector<Words>& state, const Words& outside,
                             const std::vector<Words>& commands) {
    const std::string name = commands.back()[0] == "EXEC" ? commands[1][0] : commands.back()[0];
    Client one(one_.port());
    one.Command({"FLUSHALL"});
    client_.Command({"FLUSHALL"});
    for (const Words& each : state) one.Command(each), client_.Command(each);
    const std::string before = Figure("interfered");
    one.Command(outside);
    const std::string expected = one.Pipeline(commands).back();
    EXPECT_EQ(Interfere(commands, outside), expected) << name;
    for (const std::string& key : {there_, here_}) {
      EXPECT_EQ(Value(client_, key), Value(one, key)) << name << " " << key;
    }
    EXPECT_NE(Figure("interfered"), before) << name;
  }

  Cluster cluster_;
  RedisServer one_;
  Client client_;
  std::string there_, here_;
};

TEST_F(InterferenceTest, WhatSomebodyWroteMeanwhileIsCarriedAlong) {
  const Words push = {"RPUSH", there_, "outside"};
  const std::vector<Words> lists = {{"RPUSH", there_, "a", "b"}, {"RPUSH", here_, "c"}};
  ExpectAsIfItCameFirst(lists, push, {{"LMOVE", there_, here_, "RIGHT", "LEFT"}});
  ExpectAsIfItCameFirst(lists, push, {{"RPOPLPUSH", there_, here_}});
  ExpectAsIfItCameFirst(lists, push, {{"RENAME", there_, here_}});
  const std::string script = "redis.call('RPUSH',KEYS[2],redis.call('LPOP',KEYS[1])) return 7";
  ExpectAsIfItCameFirst(lists, push, {{"EVAL", script, "2", there_, here_}});
  ExpectAsIfItCameFirst(lists, push,
                        {{"MULTI"}, {"LMOVE", there_, here_, "RIGHT", "LEFT"}, {"EXEC"}});
  const std::vector<Words> sets = {{"SADD", there_, "a", "b"}, {"SADD", here_, "c"}};
  const Words add = {"SADD", there_, "outside"};
  ExpectAsIfItCameFirst(sets, add, {{"SMOVE", there_, here_, "a"}});
}

TEST_F(InterferenceTest, TransactionsOfEachShardsOwnCommandsAreUndoneAndTriedAgain) {
  ExpectAsIfItCameFirst({{"SET", there_, "10"}, {"SET", here_, "10"}}, {"INCRBY", there_, "5"},
                        {{"MULTI"}, {"DECRBY", there_, "3"}, {"INCRBY", here_, "3"}, {"EXEC"}});
}

TEST_F(InterferenceTest, WhatTheClientWatchesIsLookedAtLast) {
  client_.Command({"MSET", there_, "10", here_, "10"});
  client_.Command({"WATCH", there_});
  const std::vector<Words> commands = {
      {"MULTI"}, {"SET", there_, "9"}, {"SET", here_, "11"}, {"EXEC"}};
  EXPECT_EQ(Interfere(commands, {"INCRBY", there_, "5"}), "(nil array)");
  EXPECT_EQ(client_.Command({"MGET", there_, here_}), "[\"15\", \"10\"]");
}

TEST_F(InterferenceTest, AConnectionThatIsLostWatchesNothing) {
  client_.Command({"RPUSH", there_, "a", "b"});
  const int64_t before = Watches();
  cluster_.fault(1).HoldRequests(true);
  std::thread other([&] {
    EXPECT_TRUE(Eventually([&] { return Watches() > before; }));
    cluster_.fault(0).Cut();
    Direct(0).Command({"RPUSH", there_, "outside"});
    cluster_.fault(1).HoldRequests(false);
  });
  EXPECT_EQ(client_.Command({"LMOVE", there_, here_, "LEFT", "LEFT"}), "\"a\"");
  other.join();
  EXPECT_EQ(client_.Command({"LRANGE", there_, "0", "-1"}), "[\"b\", \"outside\"]");
  EXPECT_EQ(client_.Command({"LRANGE", here_, "0", "-1"}), "[\"a\"]");
}

TEST_F(InterferenceTest, WithoutEndItIsNotAppliedAndNamesTheKey) {
  client_.Command({"RPUSH", there_, "a", "b"});
  cluster_.fault(0).Delay(std::chrono::milliseconds(3));
  std::atomic<bool> stop = false;
  int64_t pushed = 0;
  std::thread other([&] {
    Client direct = Direct(0);
    while (!stop) {
      direct.Command({"RPUSH", there_, "outside"});
      ++pushed;
    }
  });
  const std::string reply = client_.Command({"LMOVE", there_, here_, "LEFT", "LEFT"});
  stop = true;
  other.join();
  EXPECT_EQ(reply, "(error) NOTAPPLIED shard s0: key '" + there_ +
                       "' was written past the proxy since it was read, each of the 4 times that "
                       "this was tried; everything is undone");
  EXPECT_EQ(client_.Command({"LLEN", there_}), "(integer) " + std::to_string(pushed + 2));
  EXPECT_EQ(client_.Command({"EXISTS", here_}), "(integer) 0");
  EXPECT_EQ(Figure("interfered"), "interfered=4");
  EXPECT_EQ(Figure("conflicts"), "conflicts=0");
  EXPECT_THAT(client_.Command({"PROXY", "SAGAS", "RECENT"}),
              HasSubstr("somebody wrote past the proxy what it had read on s0"));
  // The keys are free again.
  cluster_.fault(0).Delay(Duration(0));
  EXPECT_EQ(client_.Command({"LMOVE", there_, here_, "LEFT", "LEFT"}), "\"a\"");
}

// The other half of the promise: what is undone where it was executed is not put over what somebody
// wrote there since.
TEST_F(InterferenceTest, AnUndoLeavesWhatSomebodyWroteSince) {
  client_.Command({"RPUSH", there_, "a", "b"});
  client_.Command({"RPUSH", here_, "c"});
  const int64_t before = Watches();
  cluster_.fault(1).HoldRequests(true);
  std::thread other([&] {
    EXPECT_TRUE(Eventually([&] { return Watches() > before; }));
    cluster_.fault(0).HoldRequests(true);
    Direct(0).Command({"RPUSH", there_, "outside"});
    cluster_.fault(1).HoldRequests(false);
    Client direct = Direct(1);
    EXPECT_TRUE(Eventually([&] { return direct.Command({"LLEN", here_}) == "(integer) 2"; }));
    direct.Command({"RPUSH", here_, "since"});
    cluster_.fault(0).HoldRequests(false);
  });
  EXPECT_THAT(client_.Command({"LMOVE", there_, here_, "LEFT", "RIGHT"}),
              StartsWith("(error) UNCERTAIN shard s1"));
  other.join();
  EXPECT_EQ(client_.Command({"LRANGE", there_, "0", "-1"}), "[\"a\", \"b\", \"outside\"]");
  EXPECT_EQ(client_.Command({"LRANGE", here_, "0", "-1"}), "[\"c\", \"a\", \"since\"]");
  EXPECT_EQ(Figure("conflicts"), "conflicts=1");
  EXPECT_THAT(client_.Command({"PROXY", "SAGAS", "LIST"}), HasSubstr("poisoned"));
}

}  // namespace
}  // namespace ringmaster::integration
