// What `ring` promises about amounts: even shards, and changes that move no more than they must.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ring/topology.h"

namespace ringmaster {
namespace {

// How people name shards; %d is the number.
constexpr const char* kNameSets[] = {
    "%d",
    "shard%d",
    "redis-%d.cache.example.com:6379",
    "127.0.0.1:700%d",
    "a%d#1",
    "10.0.%d.17:6379",
    "/run/redis/%d.sock",
    "\xff%d x%d",
};

std::string NameOf(const std::string& set, int number) {
  std::string name = set;
  for (size_t at = name.find("%d"); at != std::string::npos; at = name.find("%d")) {
    name.replace(at, 2, std::to_string(number));
  }
  return name;
}

TopologySpec Spec(const std::string& names, const std::vector<uint32_t>& weights) {
  TopologySpec spec;
  for (const uint32_t weight : weights) {
    const int number = static_cast<int>(spec.shards.size());
    spec.shards.push_back({NameOf(names, number), "", weight});
  }
  return spec;
}

std::vector<double> SharesOf(const Topology& topology, int keys) {
  std::vector<double> shares(topology.shards().size());
  std::string key;
  for (int i = 0; i < keys; ++i) {
    key = "user:";
    AppendInteger(key, i);
    shares[topology.ShardOf(key)] += 1.0 / keys;
  }
  return shares;
}

class RingBalanceTest : public testing::TestWithParam<const char*> {};

TEST_P(RingBalanceTest, FullestOfTenShardsHasAtMostFivePercentOverTheMean) {
  const auto topology = Topology::Build(Spec(GetParam(), std::vector<uint32_t>(10, 1)), 1).value();
  const std::vector<double> shares = SharesOf(*topology, 1000000);
  const double fullest = *std::max_element(shares.begin(), shares.end()) * 10;
  RecordProperty("fullest", std::to_string(fullest));
  EXPECT_LE(fullest, 1.05);
}

TEST_P(RingBalanceTest, WeightsAreKeptWithinFivePercent) {
  const std::vector<uint32_t> weights = {1, 2, 3, 4, 5, 6};
  const auto topology = Topology::Build(Spec(GetParam(), weights), 1).value();
  const std::vector<double> shares = SharesOf(*topology, 300000);
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(shares[i] * 21 / weights[i], 1.0, 0.05);
}

// Moves of `keys` keys from one topology to the next, seen by shard name.
struct Moves {
  int to_the_new = 0;
  int between_old = 0;
};

Moves CountMoves(const Topology& from, const Topology& to, const std::string& grown, int keys) {
  Moves moves;
  std::string key;
  for (int i = 0; i < keys; ++i) {
    key = "user:";
    AppendInteger(key, i);
    const std::string& before = from.shards()[from.ShardOf(key)].name;
    const std::string& after = to.shards()[to.ShardOf(key)].name;
    if (before == after) continue;
    ++(after == grown ? moves.to_the_new : moves.between_old);
  }
  return moves;
}

TEST_P(RingBalanceTest, AddedShardTakesItsShareAndNothingElseMoves) {
  constexpr int kKeys = 50000;
  for (int n = 1; n <= 12; ++n) {
    // The new one stands first in the file: its place there must not matter.
    TopologySpec spec = Spec(GetParam(), std::vector<uint32_t>(static_cast<size_t>(n) + 1, 1));
    std::rotate(spec.shards.begin(), spec.shards.end() - 1, spec.shards.end());
    const auto to = Topology::Build(spec, 2).value();
    spec.shards.erase(spec.shards.begin());
    const auto from = Topology::Build(spec, 1).value();
    const Moves moves = CountMoves(*from, *to, to->shards()[0].name, kKeys);
    EXPECT_EQ(moves.between_old, 0) << n;
    EXPECT_LE(moves.to_the_new, kKeys * 1.1 / (n + 1)) << n;
    EXPECT_GE(moves.to_the_new, kKeys * 0.9 / (n + 1)) << n;
    EXPECT_LE(MovedShare(*from, *to), 1.1 / (n + 1)) << n;
  }
}

TEST_P(RingBalanceTest, MoreWeightTakesItsShareAndNothingElseMoves) {
  constexpr int kKeys = 100000;
  const auto from = Topology::Build(Spec(GetParam(), {2, 3, 1, 4}), 1).value();
  const auto to = Topology::Build(Spec(GetParam(), {2, 3, 3, 4}), 2).value();
  const Moves moves = CountMoves(*from, *to, to->shards()[2].name, kKeys);
  EXPECT_EQ(moves.between_old, 0);
  // From 1 of 10 to 3 of 12.
  EXPECT_NEAR(moves.to_the_new, kKeys * (3.0 / 12 - 1.0 / 10), kKeys * 0.01);
}

TEST_P(RingBalanceTest, RemovedShardLeavesTheOthersKeysAlone) {
  const auto from = Topology::Build(Spec(GetParam(), {1, 2, 1, 1}), 1).value();
  TopologySpec spec = Spec(GetParam(), {1, 2, 1, 1});
  const std::string removed = spec.shards[1].name;
  spec.shards.erase(spec.shards.begin() + 1);
  const auto to = Topology::Build(spec, 2).value();
  for (int i = 0; i < 20000; ++i) {
    const std::string key = "user:" + std::to_string(i);
    const std::string& before = from->shards()[from->ShardOf(key)].name;
    if (before == removed) continue;
    ASSERT_EQ(to->shards()[to->ShardOf(key)].name, before) << key;
  }
  EXPECT_DOUBLE_EQ(MovedShare(*from, *to), from->ShareOf(1));
}

INSTANTIATE_TEST_SUITE_P(NameSets, RingBalanceTest, testing::ValuesIn(kNameSets),
                         [](const auto& info) { return "Set" + std::to_string(info.index); });

// The ring spreads what the hash function leaves together: consecutive keys under crc16, whose
// upper bits are the key's last bytes, or fnv, whose upper bits hardly see them.
TEST(RingTest, EveryHashFunctionFillsTenShardsEvenly) {
  for (int i = 0; i <= static_cast<int>(HashKind::kOneAtATime); ++i) {
    TopologySpec spec = Spec("shard%d", std::vector<uint32_t>(10, 1));
    spec.hash = static_cast<HashKind>(i);
    const auto topology = Topology::Build(spec, 1).value();
    const std::vector<double> shares = SharesOf(*topology, 200000);
    EXPECT_LE(*std::max_element(shares.begin(), shares.end()) * 10, 1.08) << HashName(spec.hash);
  }
}

}  // namespace
}  // namespace ringmaster
