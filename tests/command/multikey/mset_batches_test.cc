#include "command/multikey/mset_batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/shard_side.h"

namespace ringmaster {
namespace {

class SetGroupsTest : public testing::Test {
 protected:
  using Joined = MsetBatches::Joined;

  // A key of the shard, another one for each number.
  std::string KeyOn(uint32_t shard, int number = 0) {
    for (int i = 0;; ++i) {
      std::string key = "key:" + std::to_string(i);
      if (plane_.router.ShardOf(key) == shard && number-- == 0) return key;
    }
  }
  Joined Join(const std::vector<std::string>& words, int database = 0) {
    const std::vector<Bytes> args(words.begin(), words.end());
    return groups_.Join(plane_.router, database, args, now_);
  }
  // One that needs these shards.
  Joined JoinOn(const std::vector<uint32_t>& shards) {
    std::vector<std::string> words;
    for (const uint32_t shard : shards) {
      words.push_back(KeyOn(shard));
      words.emplace_back("v");
    }
    return Join(words);
  }
  static bool Started(const Joined& joined) { return joined.group->may_start().set(); }
  // As many as run before others have to wait.
  std::vector<Joined> Busy(const std::vector<uint32_t>& shards) {
    std::vector<Joined> running;
    while (running.size() < MsetBatches::kAtOnce) running.push_back(JoinOn(shards));
    return running;
  }

  RouterSide plane_{4};
  std::vector<bool> up_ = std::vector<bool>(4, true);
  MsetBatches groups_{[this](uint32_t shard, int) { return up_[shard]; }};
  TimePoint now_ = plane_.loop.Now();
};

TEST_F(SetGroupsTest, WhileLittleIsUnderWayEachStartsAtOnceAndAlone) {
  for (size_t i = 0; i < MsetBatches::kAtOnce; ++i) {
    const Joined joined = JoinOn({0, 1});
    EXPECT_TRUE(joined.leads);
    EXPECT_TRUE(Started(joined));
    EXPECT_EQ(joined.group->members(), 1U);
  }
}

TEST_F(SetGroupsTest, LaterOnesGatherAndGoTogetherWhenOneIsOver) {
  const auto running = Busy({0, 1});
  const Joined first = Join({KeyOn(0), "1", KeyOn(1), "1"});
  const Joined second = Join({KeyOn(1), "2", KeyOn(2), "2"});
  EXPECT_TRUE(first.leads);
  EXPECT_FALSE(second.leads);
  EXPECT_EQ(first.group, second.group);
  EXPECT_FALSE(Started(first));
  groups_.Over(*running[0].group, "+OK\r\n");
  EXPECT_TRUE(Started(first));
  EXPECT_EQ(running[0].group->reply(), "+OK\r\n");
  const Assignments& all = *first.group->assignments();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all.key(1), KeyOn(1));
  EXPECT_EQ(all.value(1), "2") << "the later command's value counts";
  EXPECT_EQ(all.shard(2), 2U);
}

TEST_F(SetGroupsTest, DatabasesDoNotMix) {
  const auto running = Busy({0, 1});
  EXPECT_TRUE(Started(Join({KeyOn(0), "v", KeyOn(1), "v"}, 1)));
}

TEST_F(SetGroupsTest, AGroupThatIsFullDoesNotWait) {
  const auto running = Busy({0, 1});
  const Joined leader = JoinOn({0, 1});
  std::vector<std::string> many;
  for (size_t i = 0; i < MsetBatches::kMaxKeys / 2; ++i) {
    many.push_back("many:" + std::to_string(i));
    many.emplace_back("v");
  }
  Join(many);
  EXPECT_TRUE(Started(leader));
  EXPECT_FALSE(Started(JoinOn({0, 1}))) << "the next group gathers";
}

TEST_F(SetGroupsTest, WhoBringsMuchIsInNone) {
  EXPECT_EQ(Join({KeyOn(0), std::string(MsetBatches::kMaxArg + 1, 'v'), KeyOn(1), "v"}).group,
            nullptr);
  std::vector<std::string> many;
  for (size_t i = 0; i <= MsetBatches::kMaxKeys; ++i) {
    many.push_back("many:" + std::to_string(i));
    many.emplace_back("v");
  }
  EXPECT_EQ(Join(many).group, nullptr);
}

TEST_F(SetGroupsTest, WhoNeedsAShardThatIsNotUpIsOnlyWithThoseThatNeedTheSame) {
  up_[3] = false;
  const auto running = Busy({0, 1});
  EXPECT_TRUE(running[0].group->mixed());
  const Joined other = JoinOn({0, 3});
  EXPECT_TRUE(Started(other)) << "it does not wait for those that run elsewhere";
  EXPECT_FALSE(other.group->mixed());
  EXPECT_NE(JoinOn({1, 2}).group, JoinOn({1, 3}).group);
}

TEST_F(SetGroupsTest, AfterAFailureNobodyIsWithThoseOfOtherShardsForAWhile) {
  groups_.OnTrouble(now_);
  const auto running = Busy({0, 1});
  EXPECT_FALSE(running[0].group->mixed());
  EXPECT_TRUE(Started(JoinOn({0, 2})));
  const Joined same = JoinOn({1, 0});
  EXPECT_FALSE(Started(same)) << "with those of the same shards it is";
  now_ += MsetBatches::kCaution;
  EXPECT_TRUE(JoinOn({0, 2}).group->mixed());
}

TEST_F(SetGroupsTest, NobodyWaitsLongForThoseThatAreStuck) {
  const auto stuck = Busy({0, 1});
  const Joined waiting = JoinOn({0, 2});
  groups_.Tick(now_);
  EXPECT_FALSE(Started(waiting));
  now_ += MsetBatches::kPatience;
  groups_.Tick(now_);
  EXPECT_TRUE(Started(waiting));
  EXPECT_FALSE(JoinOn({0, 2}).group->mixed()) << "who comes now is not with those that are stuck";
  for (const Joined& each : stuck) groups_.Over(*each.group, "");
  groups_.Over(*waiting.group, "");
  now_ += MsetBatches::kCaution;
  EXPECT_TRUE(Started(JoinOn({0, 1})));
}

TEST_F(SetGroupsTest, TheNextOneStartsWhenTheShardsAreDoneAndOnlyOne) {
  const auto running = Busy({0, 1});
  const Joined next = JoinOn({0, 1});
  groups_.Done(*running[0].group);
  EXPECT_TRUE(Started(next));
  const Joined third = JoinOn({0, 1});
  groups_.Over(*running[0].group, "+OK\r\n");
  EXPECT_FALSE(Started(third)) << "one end counted twice";
  EXPECT_TRUE(running[0].group->over().set());
}

TEST_F(SetGroupsTest, OverMayStartTheNextFromWithin) {
  auto running = Busy({0, 1});
  const Joined waiting = JoinOn({0, 1});
  for (const Joined& each : running) groups_.Over(*each.group, "+OK\r\n");
  EXPECT_TRUE(Started(waiting));
  groups_.Over(*waiting.group, "");
  EXPECT_TRUE(Started(JoinOn({0, 1}))) << "nothing is counted as running for ever";
}

TEST(AssignmentsTest, HoldWhatCameLastForEachKey) {
  RouterSide plane(3);
  Assignments assignments;
  std::vector<std::string> words;
  std::vector<uint32_t> shards;
  for (int round = 0; round < 3; ++round) {
    words.clear();
    for (int i = 0; i < 200; ++i) {
      words.push_back("key:" + std::to_string(i % (50 * (round + 1))));
      words.push_back(std::to_string(round) + ":" + std::to_string(i));
    }
    const std::vector<Bytes> args(words.begin(), words.end());
    ShardsOf(plane.router, args, shards);
    assignments.Add(plane.router, args, shards);
  }
  ASSERT_EQ(assignments.size(), 150U);
  for (size_t i = 0; i < assignments.size(); ++i) {
    const int number = std::stoi(std::string(assignments.key(i).substr(4)));
    const int last = number + 150 < 200 ? number + 150 : number;
    EXPECT_EQ(assignments.value(i), "2:" + std::to_string(last));
    EXPECT_EQ(assignments.shard(i), plane.router.ShardOf(assignments.key(i)));
  }
}

TEST(AssignmentsTest, ArePlacedAgainOnAnotherRing) {
  RouterSide plane(3);
  std::vector<std::string> words;
  words.reserve(30);
  for (int i = 0; i < 30; ++i) words.push_back(std::to_string(i));
  const std::vector<Bytes> args(words.begin(), words.end());
  std::vector<uint32_t> shards;
  ShardsOf(plane.router, args, shards);
  Assignments assignments;
  assignments.Add(plane.router, args, shards);
  plane.router.Use(plane.Snapshot(1));
  assignments.Place(plane.router);
  for (size_t i = 0; i < assignments.size(); ++i) EXPECT_EQ(assignments.shard(i), 0U);
}

}  // namespace
}  // namespace ringmaster
