#include "saga/attempts.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(AttemptsTest, AreThreeAfterTheFirst) {
  const TimePoint start;
  Attempts attempts(start);
  EXPECT_TRUE(attempts.Again(start));
  EXPECT_TRUE(attempts.Again(start));
  EXPECT_TRUE(attempts.Again(start));
  EXPECT_EQ(attempts.made(), 4);
  EXPECT_FALSE(attempts.Again(start));
  EXPECT_EQ(attempts.made(), 4);
}

TEST(AttemptsTest, NoneBeginsLaterThanASecondAfterTheFirst) {
  const TimePoint start;
  Attempts attempts(start);
  EXPECT_TRUE(attempts.Again(start + std::chrono::milliseconds(999)));
  EXPECT_FALSE(attempts.Again(start + std::chrono::seconds(1)));
}

}  // namespace
}  // namespace ringmaster
