#include "command/whole/whole_quantities.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using Texts = std::vector<std::string>;

TEST(WholeQuantitiesTest, SharesTogetherAreTheWholeByWeight) {
  EXPECT_EQ(SharesOf("10000002", {1, 1, 1, 1}),
            (Texts{"2500000", "2500001", "2500000", "2500001"}));
  EXPECT_EQ(SharesOf("100", {1, 3}), (Texts{"25", "75"}));
  EXPECT_EQ(SharesOf("9223372036854775807", {1, 1, 1}),
            (Texts{"3074457345618258602", "3074457345618258602", "3074457345618258603"}));
}

TEST(WholeQuantitiesTest, WhatIsInUseIsLeftToTheShardThatUsesIt) {
  EXPECT_EQ(SharesOf("100", {1, 1}, {50, 10}), (Texts{"70", "30"}));
  EXPECT_EQ(SharesOf("60", {1, 1}, {50, 10}), (Texts{"30", "30"}));
  EXPECT_EQ(SharesOf("0", {1, 1}, {50, 10}), (Texts{"0", "0"}));
}

TEST(WholeQuantitiesTest, UnitsAreRedissOwn) {
  EXPECT_EQ(SharesOf("1k", {1, 1}), (Texts{"500", "500"}));
  EXPECT_EQ(SharesOf("4Mb", {1, 1}), (Texts{"2097152", "2097152"}));
  EXPECT_EQ(SharesOf("1gb", {1}), (Texts{"1073741824"}));
}

TEST(WholeQuantitiesTest, NoLimitIsNoneForEachShardAndALimitIsOneForEach) {
  EXPECT_EQ(SharesOf("0", {1, 1}), (Texts{"0", "0"}));
  EXPECT_EQ(SharesOf("1", {1, 1, 1}), (Texts{"1", "1", "1"}));
}

TEST(WholeQuantitiesTest, WhatIsNoNumberIsLeftToTheShards) {
  for (const char* value : {"", "much", "-1", "5%", "1 gb", "1tb", "9223372036854775807gb"}) {
    EXPECT_EQ(SharesOf(value, {1, 1}), Texts()) << value;
  }
}

TEST(WholeQuantitiesTest, TheSumIsWhatWasSetAndNoLimitWhereAShardHasNone) {
  EXPECT_EQ(SumOfShares({"2500000", "2500001", "2500000", "2500001"}), "10000002");
  EXPECT_EQ(SumOfShares({"5", "0"}), "0");
  EXPECT_EQ(SumOfShares({"5", "5%"}), std::nullopt);
}

TEST(WholeQuantitiesTest, ParametersAreKnownInAnyCase) {
  EXPECT_TRUE(IsQuantityOfAll("MaxMemory"));
  EXPECT_TRUE(IsQuantityOfAll("tracking-table-max-keys"));
  EXPECT_FALSE(IsQuantityOfAll("maxmemory-policy"));
}

}  // namespace
}  // namespace ringmaster
