#include "backend/breaker.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours(1)};

TEST(BreakerTest, HealthyShardTakesAnyNumberOfAttempts) {
  Breaker breaker(BreakerOptions{}, 1);
  EXPECT_TRUE(breaker.AllowAttempt(kStart) && breaker.AllowAttempt(kStart));
}

TEST(BreakerTest, OpensAtTheFifthFailureInARow) {
  Breaker breaker(BreakerOptions{}, 1);
  for (int i = 0; i < 4; ++i) breaker.OnFailure(kStart);
  EXPECT_FALSE(breaker.open());
  breaker.OnFailure(kStart);
  EXPECT_TRUE(breaker.open());
}

TEST(BreakerTest, AfterAFailureOneAttemptAtATimeIsAllowed) {
  Breaker breaker(BreakerOptions{}, 1);
  breaker.OnFailure(kStart);
  EXPECT_FALSE(breaker.AllowAttempt(kStart));
  EXPECT_TRUE(breaker.AllowAttempt(kStart + seconds(1)));
  EXPECT_FALSE(breaker.AllowAttempt(kStart + seconds(1)));
}

TEST(BreakerTest, AnAttemptThatNeverReportsIsForgotten) {
  Breaker breaker(BreakerOptions{}, 1);
  breaker.OnFailure(kStart);
  ASSERT_TRUE(breaker.AllowAttempt(kStart + seconds(1)));
  EXPECT_TRUE(breaker.AllowAttempt(kStart + seconds(6)));
}

TEST(BreakerTest, DelaysGrowWithJitterUpToTheLongest) {
  Breaker breaker(BreakerOptions{}, 7);
  for (int i = 0; i < 60; ++i) {
    breaker.OnFailure(kStart);
    const Duration delay = breaker.NextAttempt(kStart) - kStart;
    const Duration ceiling =
        std::min<Duration>(seconds(5), milliseconds(50) * (1LL << std::min(i, 20)));
    ASSERT_LE(delay, ceiling);
    ASSERT_GE(delay, ceiling / 10);
  }
}

TEST(BreakerTest, ARefusalOpensItAtOnce) {
  Breaker breaker(BreakerOptions{}, 1);
  breaker.OnRefusal(kStart);
  EXPECT_TRUE(breaker.open());
  EXPECT_LE(breaker.NextAttempt(kStart) - kStart, milliseconds(50));
  breaker.OnSuccess();
  EXPECT_FALSE(breaker.open());
}

TEST(BreakerTest, SuccessForgetsAllFailures) {
  Breaker breaker(BreakerOptions{}, 1);
  for (int i = 0; i < 9; ++i) breaker.OnFailure(kStart);
  breaker.OnSuccess();
  EXPECT_FALSE(breaker.open());
  EXPECT_EQ(breaker.NextAttempt(kStart), kStart);
}

}  // namespace
}  // namespace ringmaster
