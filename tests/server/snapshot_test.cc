#include "server/snapshot.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmaster {
namespace {

Config TwoShards() {
  Config config;
  PoolConfig pool;
  pool.name = "main";
  for (const char* name : {"a", "b"}) {
    ShardConfig shard;
    shard.name = name;
    shard.address = {Address::kTcp, "127.0.0.1", name[0] == 'a' ? uint16_t{7001} : uint16_t{7002},
                     ""};
    pool.shards.push_back(shard);
  }
  config.pools.push_back(pool);
  return config;
}

std::shared_ptr<const RouteSnapshot> Make(const Config& config,
                                          const std::shared_ptr<const RouteSnapshot>& previous) {
  auto made =
      MakeSnapshot(config.pools[0], config, ShardTls(), previous, previous == nullptr ? 1 : 2);
  EXPECT_TRUE(made.ok()) << made.error().text;
  return made.ok() ? *made : nullptr;
}

TEST(SnapshotTest, ShardsAreInTheOrderOfTheTopology) {
  const auto snapshot = Make(TwoShards(), nullptr);
  ASSERT_EQ(snapshot->links.size(), 2U);
  EXPECT_EQ(snapshot->links[0]->name(), "a");
  EXPECT_EQ(snapshot->links[1]->name(), "b");
}

TEST(SnapshotTest, ShardThatStaysAsItIsKeepsItsLink) {
  const auto before = Make(TwoShards(), nullptr);
  Config next = TwoShards();
  next.pools[0].shards[0].weight = 3;
  const auto after = Make(next, before);
  EXPECT_EQ(after->links[0], before->links[0]);
  EXPECT_EQ(after->links[1], before->links[1]);
}

TEST(SnapshotTest, ChangedAddressPasswordOrTimeoutMakesANewLink) {
  const auto before = Make(TwoShards(), nullptr);
  Config moved = TwoShards(), password = TwoShards(), timeout = TwoShards();
  moved.pools[0].shards[0].address.port = 9999;
  password.pools[0].shards[0].password = "secret";
  timeout.timeouts.command = std::chrono::seconds(77);
  EXPECT_NE(Make(moved, before)->links[0], before->links[0]);
  EXPECT_EQ(Make(moved, before)->links[1], before->links[1]);
  EXPECT_NE(Make(password, before)->links[0], before->links[0]);
  EXPECT_NE(Make(timeout, before)->links[0], before->links[0]);
}

// Its address in the file is where it is looked for first, and no more.
TEST(SnapshotTest, AShardThatIsFollowedKeepsItsLinkAndItsPlace) {
  Config config = TwoShards();
  config.pools[0].shards[0].master = "m";
  const auto places = std::make_shared<ShardPlaces>();
  const auto make = [&](const std::shared_ptr<const RouteSnapshot>& previous) {
    auto topology = Topology::Build(SpecOf(config.pools[0]), 1).value();
    return MakeSnapshot(config.pools[0].shards, config, ShardTls(), previous, topology, nullptr,
                        {"main", "", places})
        .value();
  };
  const auto before = make(nullptr);
  const Address other{Address::kTcp, "127.0.0.1", 7009, ""};
  before->links[0]->place()->Leave();
  EXPECT_FALSE(before->links[0]->AllowAttempt(MonotonicNow()));
  before->links[0]->place()->Arrive(other);
  config.pools[0].shards[0].address.port = 9999;
  EXPECT_EQ(make(before)->links[0], before->links[0]);
  config.pools[0].shards[0].password = "new";
  const auto after = make(before);
  EXPECT_NE(after->links[0], before->links[0]);
  EXPECT_EQ(after->links[0]->address(), other);
  EXPECT_EQ(after->links[0]->place()->switches(), 1U);
  EXPECT_EQ(MakeTarget(config.pools[0].shards[0], places->Of("main", config.pools[0].shards[0]))
                .place->address(),
            other);
}

TEST(SnapshotTest, BadCertificateIsAnErrorThatNamesTheShard) {
  Config config = TwoShards();
  config.pools[0].shards[1].tls.enabled = true;
  config.pools[0].shards[1].tls.authorities = "/no/such/ca.pem";
  const auto made = MakeSnapshot(config.pools[0], config, ShardTls(), nullptr, 1);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().text.find("shard b"), std::string::npos) << made.error().text;
}

}  // namespace
}  // namespace ringmaster
