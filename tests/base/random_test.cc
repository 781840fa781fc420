#include "base/random.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(RandomTest, RepeatsForTheSameSeedOnly) {
  Random a(1), same(1), other(2);
  const uint64_t first = a.Next();
  EXPECT_EQ(first, same.Next());
  EXPECT_NE(first, other.Next());
}

TEST(RandomTest, GivesThePublishedNumbersOfSplitmix64) {
  Random random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317U);
  EXPECT_EQ(random.Next(), 3203168211198807973U);
}

TEST(RandomTest, StaysBelowItsBoundAndReachesAllOfIt) {
  Random random(7);
  int seen[3] = {};
  for (int i = 0; i < 3000; ++i) ++seen[random.Below(3)];
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(random.Below(1), 0U);
}

TEST(RandomTest, GivesFractionsFromZeroToBelowOne) {
  Random random(7);
  double sum = 0;
  for (int i = 0; i < 1000; ++i) {
    const double fraction = random.Fraction();
    ASSERT_GE(fraction, 0);
    ASSERT_LT(fraction, 1);
    sum += fraction;
  }
  EXPECT_NEAR(sum / 1000, 0.5, 0.05);
}

}  // namespace
}  // namespace ringmaster
