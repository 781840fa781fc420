#include "command/push/push_hub.h"

#include <optional>

#include "command/fixture.h"
#include "support/shard_side.h"

namespace ringmaster {
namespace {

struct PushHubTest : testing::Test, RouterSide {
  PushHubTest() { hub.emplace(context, counts); }

  void Publish(const std::string& channel) {
    const std::vector<Bytes> args = {"PUBLISH", channel, "message"};
    Call call{args, Slice(), *table.Find(args), client.state(), context, asker, &client};
    hub->Publish(call, PushKind::kChannel);
  }
  FakeShard& shard() { return *shards[0]; }

  const CommandTable table{AllCommands()};
  FakeProxy proxy;
  RecipeSet recipes;
  WorkerMetrics metrics{table.size()};
  CommandContext context{table, router, scatters, blocks, recipes, metrics, proxy};
  const std::shared_ptr<PushCounts> counts = std::make_shared<PushCounts>();
  std::optional<PushHub> hub;
  FakeClient client{5};
  Asker asker{""};
};

TEST_F(PushHubTest, PublishIsPassedOnWhereNobodyIsSubscribed) {
  Publish("c");
  EXPECT_EQ(backends.asides.under_way(), 0U);
  Turns();
  EXPECT_EQ(shard().Requests(), "PUBLISH c message");
  shard().Send(":7\r\n");
  Turns();
  EXPECT_EQ(asker.told(), ":7|");
}

TEST_F(PushHubTest, PublishCountsClientsWhereTheShardCountsConnections) {
  counts->Add(PushKind::kChannel, "c", {.clients = 5, .connections = 1});
  counts->Add(PushKind::kPattern, "c*", {.clients = 10, .connections = 2});
  Publish("c");
  Turns();
  EXPECT_EQ(shard().Requests(), "PUBLISH c message");
  shard().Send(":4\r\n");
  Turns();
  EXPECT_EQ(asker.told(), ":16|");
  EXPECT_EQ(backends.asides.under_way(), 0U);
}

TEST_F(PushHubTest, PublishGetsTheShardsErrorAsItIs) {
  counts->Add(PushKind::kChannel, "c", {.clients = 5, .connections = 1});
  Publish("c");
  Turns();
  shard().Send("-NOPERM no\r\n");
  Turns();
  EXPECT_EQ(asker.told(), "-NOPERM no|");
}

// The question to the shard that leaves is answered by closing its connection, in the middle of
// that.
TEST_F(PushHubTest, ShardLeavesWhileItIsAskedToTrack) {
  shards.push_back(std::make_unique<FakeShard>());
  shards.push_back(std::make_unique<FakeShard>());
  router.Use(Snapshot(3));
  shards[0]->answer = [](const std::string&) { return std::string("+OK\r\n"); };
  client.state().resp = 3;
  const std::vector<Bytes> args = {"CLIENT", "TRACKING", "ON"};
  Call call{args, Slice(), *table.Find(args), client.state(), context, asker, &client};
  hub->Track(call);
  Turns();
  EXPECT_EQ(asker.answers, 0);
  router.Use(Snapshot(1));
  hub->TopologyChanged();
  EXPECT_EQ(asker.answers, 0);
  proxy.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(asker.answers, 1);
  EXPECT_EQ(OnOneLine(asker.reply).find("-NOTAPPLIED"), 0U) << asker.reply;
  EXPECT_EQ(client.state().push, nullptr) << "it does not track";
  Turns();
}

// The hub may be gone before its worker's connections are.
TEST_F(PushHubTest, APublishUnderWayIsAnsweredAfterTheHubHasGone) {
  const std::string channel(100, 'c');
  counts->Add(PushKind::kChannel, channel, {.clients = 5, .connections = 1});
  Publish(channel);
  Turns();
  hub.reset();
  shard().Send(":1\r\n");
  Turns();
  EXPECT_EQ(asker.told(), ":5|");
  hub.emplace(context, counts);
  Publish(channel);
  hub.reset();
  router.Close("it stops");
  EXPECT_EQ(asker.answers, 2);
  EXPECT_EQ(asker.outcome, Outcome::kNotApplied);
}

}  // namespace
}  // namespace ringmaster
