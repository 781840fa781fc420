#include <gtest/gtest.h>

#include "command/multikey/placed_transaction.h"
#include "command/multikey/stretches.h"
#include "support/data_plane.h"

namespace ringmaster {
namespace {

using Where = PlacedTransaction::Where;

// Shards that answer as Redis does around MULTI: each command with its place in the queue.
class TransactionsTest : public testing::Test {
 protected:
  TransactionsTest() {
    for (const auto& shard : plane_.shards) {
      shard->answer = [queued = -1](const std::string& request) mutable {
        if (request == "MULTI") {
          queued = 0;
          return std::string("+OK\r\n");
        }
        if (request != "EXEC") return std::string(queued++ < 0 ? "+plain\r\n" : "+QUEUED\r\n");
        std::string reply = "*" + std::to_string(queued) + "\r\n";
        for (int i = 0; i < queued; ++i) reply += ":" + std::to_string(i) + "\r\n";
        queued = -1;
        return reply;
      };
    }
  }

  std::string KeyOn(uint32_t shard, int nth = 0) {
    for (int i = 0;; ++i) {
      const std::string key = "k" + std::to_string(i);
      if (plane_.router.ShardOf(key) == shard && nth-- == 0) return key;
    }
  }
  // "0-2@1" for commands 0 and 1 on shard 1, "@any", "@proxy".
  std::string Cuts(const std::vector<std::vector<std::string>>& commands) {
    std::string said;
    for (const Stretch& stretch : Cut(plane_.commands, nullptr, Queue(commands))) {
      said += said.empty() ? "" : " ";
      said += std::to_string(stretch.begin) + "-" + std::to_string(stretch.end) + "@";
      said += !stretch.shard                         ? "proxy"
              : *stretch.shard == Stretch::kAnyShard ? "any"
                                                     : std::to_string(*stretch.shard);
    }
    return said;
  }
  std::optional<PlacedTransaction> Placed(const std::vector<std::vector<std::string>>& commands) {
    return PlaceTransaction(plane_.commands, nullptr, 3, Queue(commands));
  }
  std::vector<Transaction::Queued> Queue(const std::vector<std::vector<std::string>>& commands) {
    std::vector<Transaction::Queued> queue;
    for (const auto& words : commands) {
      const std::vector<Bytes> views(words.begin(), words.end());
      queue.push_back({plane_.table.Find(views), words});
    }
    return queue;
  }
  // The replies to MULTI, the commands and EXEC, on one line.
  std::string Exec(TestClient& client, const std::vector<std::vector<std::string>>& commands) {
    client.Ask({"MULTI"});
    for (const auto& words : commands) {
      const std::vector<Bytes> views(words.begin(), words.end());
      client.Send(MakeRequest(std::span<const Bytes>(views)));
    }
    client.Ask({"EXEC"});
    plane_.Turns(30);
    return client.Line();
  }

  DataPlane plane_{2};
};

TEST_F(TransactionsTest, CommandsOfOneShardAreOneStretch) {
  const std::string a = KeyOn(0), b = KeyOn(1);
  EXPECT_EQ(Cuts({{"set", a, "1"}, {"get", a}}), "0-2@0");
  EXPECT_EQ(Cuts({{"set", a, "1"}, {"get", b}, {"get", b}}), "0-1@0 1-3@1");
  EXPECT_EQ(Cuts({{"set", a, "1"}, {"rename", a, b}, {"get", a}}), "0-1@0 1-2@proxy 2-3@0");
  EXPECT_EQ(Cuts({{"mset", a, "1", KeyOn(0, 1), "2"}, {"blpop", a, "0"}}), "0-2@0");
  EXPECT_EQ(Cuts({{"set", a, "1"}, {"dbsize"}}), "0-1@0 1-2@proxy");
}

TEST_F(TransactionsTest, WhatHasNoKeysJoinsAnyStretch) {
  const std::string b = KeyOn(1);
  EXPECT_EQ(Cuts({{"eval", "return 1", "0"}}), "0-1@any");
  EXPECT_EQ(Cuts({{"eval", "return 1", "0"}, {"get", b}, {"eval", "return 1", "0"}}), "0-3@1");
}

TEST_F(TransactionsTest, WhatTheProxyAnswersIsAPartOfAStretchUnlessItIsSelect) {
  const std::string b = KeyOn(1);
  EXPECT_EQ(Cuts({{"ping"}, {"get", b}, {"echo", "x"}}), "0-3@1");
  EXPECT_EQ(Cuts({{"get", b}, {"select", "1"}, {"get", b}}), "0-1@1 1-2@proxy 2-3@1");
  EXPECT_EQ(Cuts({{"ping"}}), "0-1@proxy");
}

TEST_F(TransactionsTest, PlacesAreOfAllShardsAndNameEachKeyOnce) {
  const std::string a = KeyOn(0), b = KeyOn(1);
  const auto placed =
      Placed({{"set", a, "1"}, {"rename", a, b}, {"ping"}, {"eval", "return 1", "0"}, {"get", b}});
  ASSERT_TRUE(placed);
  std::vector<Where> where;
  for (const auto& each : placed->commands) where.push_back(each.where);
  EXPECT_EQ(where, (std::vector<Where>{Where::kOneShard, Where::kSeveral, Where::kAfter,
                                       Where::kAnywhere, Where::kOneShard}));
  EXPECT_EQ(placed->commands[4].shard, 1U);
  ASSERT_EQ(placed->keys.size(), 2U);
  EXPECT_TRUE(placed->keys[0].writes && placed->keys[1].writes);
  EXPECT_EQ(placed->keys[0].database, 3);
  EXPECT_EQ(placed->keys[1].shard, 1U);
}

TEST_F(TransactionsTest, WhatTouchesOtherDatabasesOrAllKeysHasNoPlace) {
  const std::string a = KeyOn(0), b = KeyOn(1);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"flushall"},
                                                {"select", "1"},
                                                {"move", a, "1"},
                                                {"copy", a, b, "db", "1"},
                                                {"sort", a, "by", "w*"},
                                                {"keys", "*"}}) {
    EXPECT_FALSE(Placed({{"set", a, "1"}, words, {"set", b, "2"}})) << words[0];
  }
  EXPECT_FALSE(Placed({{"ping"}})) << "it has no keys";
}

TEST_F(TransactionsTest, OneShardRunsItAndTheProxyPutsItsOwnAnswersInBetween) {
  const std::string b = KeyOn(1);
  const auto client = plane_.Connect();
  EXPECT_EQ(Exec(*client, {{"SET", b, "1"}, {"ECHO", "x"}, {"GET", b}}),
            "+OK|+QUEUED|+QUEUED|+QUEUED|*3|:0|$1|x|:1|");
  EXPECT_EQ(plane_.shards[0]->Requests(), "");
  EXPECT_EQ(plane_.shards[1]->Requests(), "MULTI, SET " + b + " 1, GET " + b + ", EXEC");
}

TEST_F(TransactionsTest, AReadAloneNeedsNoTransactionOfTheShard) {
  const std::string b = KeyOn(1);
  const auto client = plane_.Connect();
  EXPECT_EQ(Exec(*client, {{"GET", b}}), "+OK|+QUEUED|*1|+plain|");
  EXPECT_EQ(plane_.shards[1]->Requests(), "GET " + b);
}

TEST_F(TransactionsTest, WithoutSagasEachStretchRunsInItsTurn) {
  const std::string a = KeyOn(0), b = KeyOn(1);
  const auto client = plane_.Connect();
  EXPECT_EQ(Exec(*client, {{"SET", a, "1"}, {"SET", b, "1"}, {"SET", b, "2"}}),
            "+OK|+QUEUED|+QUEUED|+QUEUED|*3|:0|:0|:1|");
  EXPECT_EQ(plane_.shards[0]->Requests(), "MULTI, SET " + a + " 1, EXEC");
  EXPECT_EQ(plane_.shards[1]->Requests(), "MULTI, SET " + b + " 1, SET " + b + " 2, EXEC");
}

// Alone it goes to any shard that answers; so it does in a transaction.
TEST_F(TransactionsTest, WhatHasNoKeysDoesNotNeedTheFirstShard) {
  for (int i = 0; i < 10; ++i) plane_.links[0]->OnFailure(plane_.loop.Now(), "it is down");
  ASSERT_TRUE(plane_.links[0]->failing());
  const auto client = plane_.Connect();
  EXPECT_EQ(Exec(*client, {{"EVAL", "return 1", "0"}}), "+OK|+QUEUED|*1|:0|");
  EXPECT_EQ(plane_.shards[0]->Requests(), "");
}

TEST_F(TransactionsTest, ARefusedCommandBreaksIt) {
  const auto client = plane_.Connect();
  const std::string said = Exec(*client, {{"SET", "k", "v"}, {"NONSENSE"}});
  EXPECT_NE(said.find("EXECABORT"), std::string::npos) << said;
  const std::string named = Exec(*client, {{"GET", "__rm:x"}});
  EXPECT_NE(named.find("'__rm:x' is reserved"), std::string::npos) << named;
  EXPECT_NE(named.find("EXECABORT"), std::string::npos) << named;
  EXPECT_EQ(plane_.shards[0]->Requests() + plane_.shards[1]->Requests(), "");
}

}  // namespace
}  // namespace ringmaster
