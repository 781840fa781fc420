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

}  // namespace
}  // namespace ringmaster
