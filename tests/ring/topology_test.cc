#include "ring/topology.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringmaster {
namespace {

// "a*2" is a shard named a of weight 2.
TopologySpec Spec(DistributionKind distribution, const std::vector<std::string>& shards,
                  HashKind hash = HashKind::kXxh3) {
  TopologySpec spec;
  spec.distribution = distribution;
  spec.hash = hash;
  for (const std::string& text : shards) {
    const size_t star = text.find('*');
    const int weight = star == std::string::npos ? 1 : std::stoi(text.substr(star + 1));
    spec.shards.push_back({text.substr(0, star), "", static_cast<uint32_t>(weight)});
  }
  return spec;
}

std::string ErrorOf(const TopologySpec& spec) {
  const auto result = Topology::Build(spec, 1);
  return result.ok() ? "" : result.error().text;
}

// The owners of 60 keys, then how many of 20,000 each shard owns.
std::string Placement(const Topology& topology) {
  std::string text;
  std::vector<int> counts(topology.shards().size());
  for (int i = 0; i < 20000; ++i) {
    const uint32_t shard = topology.ShardOf(std::to_string(i) + ":key");
    ++counts[shard];
    if (i < 60) text += std::to_string(shard);
  }
  for (const int count : counts) text += " " + std::to_string(count);
  return text;
}

TEST(TopologyTest, KetamaPlacesAsTwemproxyDoes) {
  // From nc_ketama.c of twemproxy 60aaf85. The last set has a shard too light for a single point.
  const auto placement = [](const std::vector<std::string>& shards) {
    return Placement(
        *Topology::Build(Spec(DistributionKind::kKetama, shards, HashKind::kFnv1a_64), 1).value());
  };
  EXPECT_EQ(placement({"a", "b", "c", "d"}),
            "233201221330223320132232231211320200300003200003230130020002 5945 4606 4960 4489");
  EXPECT_EQ(placement({"127.0.0.1:7001", "127.0.0.1:7002*2", "cache*5"}),
            "222212102222222211222211112222211222112122222222222221212112 2302 4561 13137");
  EXPECT_EQ(placement({"a*3", "b*7", "c*11", "d*13", "e*17"}),
            "233211444334234424132233234211342431322003242444234443324442 976 2609 4192 4989 7234");
  EXPECT_EQ(placement({"small", "big*99", "huge*900"}),
            "222222222222221222222222222222221222222222122222212222221222 0 1650 18350");
}

TEST(TopologyTest, ModulaPlacesAsTwemproxyDoes) {
  const auto placement = [](const std::vector<std::string>& shards) {
    return Placement(
        *Topology::Build(Spec(DistributionKind::kModula, shards, HashKind::kFnv1a_64), 1).value());
  };
  EXPECT_EQ(placement({"a", "b", "c", "d"}),
            "210321032112301230122103210321301230123003210321031230123012 4999 5001 5001 4999");
  EXPECT_EQ(
      placement({"a*3", "b*7", "c*11", "d*13", "e*17"}),
      "103234303430433213334314310242412324211424334323022442204244 1192 2768 4161 5157 6722");
}

TEST(TopologyTest, ModulaTakesShardsInTwemproxysOrder) {
  // Shorter names first, then by their bytes, wherever they stand in the file.
  const auto topology =
      Topology::Build(
          Spec(DistributionKind::kModula, {"cache10", "cache9*2", "b", "a"}, HashKind::kCrc32), 1)
          .value();
  std::string owners;
  for (const char* key : {"", "a", "abc", "ab"}) {  // 0, 26807, 13604, 7811: modulo 5 0, 2, 4, 1
    owners += topology->shards()[topology->ShardOf(key)].name + " ";
  }
  EXPECT_EQ(owners, "a cache9 cache10 b ");
}

TEST(TopologyTest, EmptyKeyIsNotHashedAsInTwemproxy) {
  // fnv1a_64 of nothing is 0x84222325, which is 1 modulo 4; twemproxy takes 0.
  const auto topology =
      Topology::Build(Spec(DistributionKind::kModula, {"a", "b", "c", "d"}, HashKind::kFnv1a_64), 1)
          .value();
  EXPECT_EQ(topology->ShardOf(""), 0U);
}

// Users' data lies where these say: a change here moves keys between their shards.
TEST(TopologyTest, RingPlacementNeverChangesBetweenReleases) {
  const std::vector<std::string> shards = {"a", "b*2", "c", "d"};
  const auto placement = [&](HashKind hash) {
    return Placement(*Topology::Build(Spec(DistributionKind::kRing, shards, hash), 1).value());
  };
  EXPECT_EQ(placement(HashKind::kXxh3),
            "212021111332111100010232111112101233313131223123113133320001 3984 7955 4029 4032");
  EXPECT_EQ(placement(HashKind::kMurmur),
            "202113112121103113311110010302331111010203113000110312331110 4066 7828 4075 4031");
}

TEST(TopologyTest, HashTagIsFirstOpeningToNextClosingUnlessEmpty) {
  const auto topology = Topology::Build(Spec(DistributionKind::kRing, {"a", "b"}), 1).value();
  const std::pair<const char*, const char*> cases[] = {
      {"{user1000}.following", "user1000"},
      {"foo{}{bar}", "foo{}{bar}"},
      {"foo{{bar}}zap", "{bar"},
      {"foo{bar}{zap}", "bar"},
      {"foo{bar", "foo{bar"},
      {"foo}bar{zap", "foo}bar{zap"},
      {"}{x}", "x"},
      {"plain", "plain"},
      {"", ""},
      {"{", "{"},
      {"{}", "{}"},
      {"{a}", "a"},
  };
  for (const auto& [key, tag] : cases) EXPECT_EQ(topology->HashTagOf(key), tag) << key;
}

TEST(TopologyTest, HashTagMayUseOneCharacterForBothEnds) {
  TopologySpec spec = Spec(DistributionKind::kRing, {"a", "b"});
  spec.hash_tag = "||";
  const auto topology = Topology::Build(spec, 1).value();
  EXPECT_EQ(topology->HashTagOf("x|tag|y"), "tag");
  EXPECT_EQ(topology->HashTagOf("x||y|"), "x||y|");
}

TEST(TopologyTest, WithoutHashTagTheWholeKeyCounts) {
  TopologySpec spec = Spec(DistributionKind::kRing, {"a", "b"});
  spec.hash_tag = "";
  EXPECT_EQ(Topology::Build(spec, 1).value()->HashTagOf("{a}b"), "{a}b");
}

TEST(TopologyTest, RulesTakeThePartOfAKeyThatPlacesItBeforeHashTags) {
  TopologySpec spec = Spec(DistributionKind::kRing, {"a", "b", "c", "d", "e"});
  spec.together = {"bull:{queue}:*", "queues:{queue}:*", "queues:{queue}"};
  const auto topology = Topology::Build(spec, 1).value();
  EXPECT_EQ(topology->HashTagOf("bull:mail:wait"), "mail");
  EXPECT_EQ(topology->HashTagOf("bull:{x}:wait"), "{x}");
  EXPECT_EQ(topology->HashTagOf("queues:mail"), "mail");
  EXPECT_EQ(topology->HashTagOf("queues:mail:reserved"), "mail");
  EXPECT_EQ(topology->HashTagOf("other:{x}"), "x");
  EXPECT_EQ(topology->HashTagOf("other"), "other");
  EXPECT_EQ(topology->ByRule("queues:mail").rule->text(), "queues:{queue}");
  EXPECT_EQ(topology->ByRule("other:{x}").rule, nullptr);
  for (int i = 0; i < 200; ++i) {
    const std::string queue = std::to_string(i);
    const uint32_t shard = topology->ShardOf("bull:" + queue + ":wait");
    EXPECT_EQ(topology->ShardOf("bull:" + queue + ":active"), shard);
    EXPECT_EQ(topology->ShardOf("queues:" + queue), shard);
    EXPECT_EQ(topology->ShardOf("{" + queue + "}"), shard);
  }
}

TEST(TopologyTest, PrefixPlacesKeysOnlyWhereNothingBehindItCanChangeThat) {
  TopologySpec spec = Spec(DistributionKind::kRing, {"a", "b"});
  spec.together = {"bull:{queue}:*", "user:{id}"};
  const auto topology = Topology::Build(spec, 1).value();
  for (const Bytes prefix : {"bull:mail:", "bull:mail:w_", "x{t}", "{t}:"})
    EXPECT_TRUE(topology->PlacesAll(prefix)) << prefix;
  for (const Bytes prefix : {"bull:mail", "bull:", "bu", "user:12", "user:{t}", "x", "x{t", ""})
    EXPECT_FALSE(topology->PlacesAll(prefix)) << prefix;
}

TEST(TopologyTest, RulesThatMakeNoSenseAreRefused) {
  TopologySpec spec = Spec(DistributionKind::kRing, {"a"});
  spec.together = {"bull:*"};
  EXPECT_EQ(ErrorOf(spec).find("together: 'bull:*' names no part of the keys"), 0U);
  spec.together.assign(65, "a{b}");
  EXPECT_EQ(ErrorOf(spec), "together has at most 64 rules");
}

class DistributionTest : public testing::TestWithParam<DistributionKind> {};

TEST_P(DistributionTest, KeysWithOneHashTagLieTogether) {
  const auto topology =
      Topology::Build(Spec(GetParam(), {"a", "b", "c", "d", "e", "f", "g"}), 1).value();
  for (int i = 0; i < 200; ++i) {
    const std::string tag = "user" + std::to_string(i);
    const uint32_t shard = topology->ShardOf(tag);
    EXPECT_EQ(topology->ShardOf("{" + tag + "}.name"), shard);
    EXPECT_EQ(topology->ShardOf("cart:{" + tag + "}"), shard);
  }
}

TEST_P(DistributionTest, OrderAndAddressOfShardsDoNotMoveKeys) {
  TopologySpec spec = Spec(GetParam(), {"a", "b*2", "c"});
  TopologySpec other = Spec(GetParam(), {"c", "a", "b*2"});
  other.shards[0].address = "10.0.0.1:6379";
  EXPECT_EQ(MovedShare(*Topology::Build(spec, 1).value(), *Topology::Build(other, 2).value()), 0.0);
}

TEST_P(DistributionTest, OneShardOwnsEverything) {
  const auto topology = Topology::Build(Spec(GetParam(), {"only"}), 1).value();
  EXPECT_EQ(topology->ShardOf("any"), 0U);
  EXPECT_EQ(topology->ShareOf(0), 1.0);
}

TEST_P(DistributionTest, SharesAddUpToOne) {
  const auto topology = Topology::Build(Spec(GetParam(), {"a", "b*2", "c*3", "d"}), 1).value();
  double sum = 0;
  for (uint32_t shard = 0; shard < 4; ++shard) sum += topology->ShareOf(shard);
  EXPECT_DOUBLE_EQ(sum, 1.0);
}

TEST_P(DistributionTest, NameLeadsBackToItsKind) {
  EXPECT_EQ(ParseDistributionKind(DistributionName(GetParam())), GetParam());
}

TEST_P(DistributionTest, ImpossibleSpecsAreRefusedWithTheReason) {
  const DistributionKind kind = GetParam();
  EXPECT_EQ(ErrorOf(Spec(kind, {})), "a pool needs at least one shard");
  EXPECT_EQ(ErrorOf(Spec(kind, {"a", "b", "a"})), "two shards are named a");
  EXPECT_EQ(ErrorOf(Spec(kind, {"a", "b*0"})), "shard b: the weight is at least 1");
  TopologySpec spec = Spec(kind, {"a"});
  spec.hash_tag = "{";
  EXPECT_EQ(ErrorOf(spec), "hash_tag has two characters, such as \"{}\", or none");
}

INSTANTIATE_TEST_SUITE_P(All, DistributionTest,
                         testing::Values(DistributionKind::kRing, DistributionKind::kKetama,
                                         DistributionKind::kModula),
                         [](const auto& info) {
                           return std::string(DistributionName(info.param));
                         });

TEST(TopologyTest, UnknownDistributionsHaveNoKind) {
  EXPECT_EQ(ParseDistributionKind("random"), std::nullopt);
  EXPECT_EQ(ParseDistributionKind(""), std::nullopt);
}

TEST(TopologyTest, HugeWeightsAreRefusedBeforeTheyCostMemory) {
  const std::string too_large =
      "the weights (times virtual_nodes) are too large together; use smaller numbers";
  TopologySpec ring = Spec(DistributionKind::kRing, {"a", "b"});
  ring.shards[1].weight = UINT32_MAX;
  ring.virtual_nodes = UINT32_MAX;
  EXPECT_EQ(ErrorOf(ring), too_large);
  ring.virtual_nodes = 1;
  EXPECT_EQ(ErrorOf(ring), too_large);
  ring.distribution = DistributionKind::kModula;
  EXPECT_EQ(ErrorOf(ring), too_large);
  ring.distribution = DistributionKind::kKetama;
  EXPECT_EQ(ErrorOf(ring), too_large);
}

TEST(TopologyTest, VirtualNodesMustBePositive) {
  TopologySpec spec = Spec(DistributionKind::kRing, {"a"});
  spec.virtual_nodes = 0;
  EXPECT_EQ(ErrorOf(spec), "virtual_nodes is at least 1");
}

TEST(TopologyTest, KeepsItsEpochAndShards) {
  const auto topology = Topology::Build(Spec(DistributionKind::kRing, {"a", "b*2"}), 42).value();
  EXPECT_EQ(topology->epoch(), 42U);
  EXPECT_EQ(topology->shards()[1].name, "b");
  EXPECT_EQ(topology->shards()[1].weight, 2U);
}

// The intervals, walked one by one, say the same as the table lookup; with few and with many points
// for each bucket.
TEST(TopologyTest, IntervalsCoverTheCircleAndAgreeWithLookup) {
  for (const uint32_t virtual_nodes : {1U, 3U, 1024U}) {
    TopologySpec spec = Spec(DistributionKind::kRing, {"a", "b", "c*2"});
    spec.virtual_nodes = virtual_nodes;
    const auto topology = Topology::Build(spec, 1).value();
    const auto& intervals = topology->intervals();
    EXPECT_EQ(intervals.back().last, UINT32_MAX);
    for (size_t i = 1; i < intervals.size(); ++i) {
      ASSERT_LT(intervals[i - 1].last, intervals[i].last);
      ASSERT_NE(intervals[i - 1].shard, intervals[i].shard);
    }
    for (int i = 0; i < 3000; ++i) {
      const std::string key = "key:" + std::to_string(i);
      const uint32_t position = topology->PositionOf(key);
      size_t at = 0;
      while (intervals[at].last < position) ++at;
      ASSERT_EQ(topology->ShardOf(key), intervals[at].shard) << key;
    }
  }
}

TEST(MovedShareTest, IsExactForTwoRings) {
  const auto from = Topology::Build(Spec(DistributionKind::kRing, {"a", "b", "c"}), 1).value();
  const auto to = Topology::Build(Spec(DistributionKind::kRing, {"a", "b", "c", "d"}), 2).value();
  // All that moved is what the new shard owns, and the reverse.
  EXPECT_EQ(MovedShare(*from, *to), to->ShareOf(3));
  EXPECT_EQ(MovedShare(*to, *from), to->ShareOf(3));
}

TEST(MovedShareTest, IsWholeWhenAllNamesChange) {
  const auto from = Topology::Build(Spec(DistributionKind::kRing, {"a", "b"}), 1).value();
  const auto to = Topology::Build(Spec(DistributionKind::kRing, {"c", "d"}), 2).value();
  EXPECT_EQ(MovedShare(*from, *to), 1.0);
}

TEST(MovedShareTest, IsMeasuredWhenThePlacementRulesDiffer) {
  const std::vector<std::string> shards = {"a", "b", "c", "d"};
  const auto ring = Topology::Build(Spec(DistributionKind::kRing, shards), 1).value();
  const auto ketama = Topology::Build(Spec(DistributionKind::kKetama, shards), 2).value();
  const auto md5 =
      Topology::Build(Spec(DistributionKind::kRing, shards, HashKind::kMd5), 3).value();
  EXPECT_NEAR(MovedShare(*ring, *ketama), 0.75, 0.05);
  EXPECT_NEAR(MovedShare(*ring, *md5), 0.75, 0.05);
  EXPECT_EQ(MovedShare(*ketama, *ketama), 0.0);
}

}  // namespace
}  // namespace ringmaster
