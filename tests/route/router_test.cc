#include "route/router.h"

#include <gtest/gtest.h>

#include "support/shard_side.h"

namespace ringmaster {
namespace {

TEST(RouterTest, ALeavingShardServesWhatIsUnderWayAndIsClosedThen) {
  RouterSide plane(2);
  Asker asker(MakeRequest({"GET", "k"}));
  plane.router.backend(1).Shared(0, 2).Send(asker);
  plane.Turns();
  plane.router.Use(plane.Snapshot(1));
  plane.router.Tick(plane.loop.Now());
  plane.Turns();
  EXPECT_FALSE(plane.shards[1]->peers[0]->gone);
  plane.shards[1]->Send("+v\r\n");
  plane.Turns();
  plane.router.Tick(plane.loop.Now());
  plane.Turns();
  EXPECT_EQ(asker.told(), "+v|");
  EXPECT_TRUE(plane.shards[1]->peers[0]->gone);
}

TEST(RouterTest, AShardThatStaysKeepsItsConnections) {
  RouterSide plane(2);
  Asker asker(MakeRequest({"GET", "k"}));
  plane.router.backend(0).Shared(0, 2).Send(asker);
  plane.Turns();
  plane.router.Use(plane.Snapshot(1));
  plane.shards[0]->Send("+v\r\n");
  plane.Turns();
  EXPECT_EQ(asker.told(), "+v|");
  EXPECT_EQ(plane.shards[0]->peers.size(), 1U);
}

TEST(RouterTest, WhoAsksOnFromTheLastAnswerIsRefused) {
  RouterSide plane(1);
  Asker first(MakeRequest({"GET", "a"})), next(MakeRequest({"GET", "b"}));
  first.then = [&] { plane.router.backend(0).Shared(0, 2).Send(next); };
  plane.router.backend(0).Shared(0, 2).Send(first);
  plane.Turns();
  plane.router.Close("the end");
  EXPECT_EQ(next.told(), "-NOTAPPLIED shard a: the proxy is shutting down|");
}

// Whoever suspends holds the routes that its numbers are of.
TEST(RouterTest, RoutesThatAreHeldKeepTheirShards) {
  RouterSide plane(3);
  std::shared_ptr<const Routes> held = plane.router.routes();
  plane.router.Use(plane.Snapshot(1));
  plane.router.Tick(plane.loop.Now());
  EXPECT_EQ(plane.router.shard_count(), 1U);
  EXPECT_NE(held, plane.router.routes());
  ASSERT_EQ(held->shard_count(), 3U);
  EXPECT_EQ(held->shard_name(2), "c");
  EXPECT_EQ(&held->backend(0), &plane.router.backend(0));
  Asker asker(MakeRequest({"GET", "k"}));
  held->backend(2).Shared(0, 2).Send(asker);
  plane.Turns();
  plane.shards[2]->Send("+v\r\n");
  plane.Turns();
  EXPECT_EQ(asker.told(), "+v|");
  plane.router.Tick(plane.loop.Now());
  plane.Turns();
  EXPECT_FALSE(plane.shards[2]->peers[0]->gone);
  held.reset();
  plane.router.Tick(plane.loop.Now());
  plane.Turns();
  EXPECT_TRUE(plane.shards[2]->peers[0]->gone);
}

}  // namespace
}  // namespace ringmaster
