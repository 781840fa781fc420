#include "schedule/gathering.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

class GatheringTest : public ::testing::Test {
 protected:
  // For half a second, measured every 100 ms.
  void Live(size_t clients, const std::vector<double>& busy) {
    for (int i = 0; i < 5; ++i) {
      now_ += milliseconds(100);
      gathering_.Update(clients, busy, now_);
    }
  }

  Gathering gathering_;
  TimePoint now_{std::chrono::seconds(10)};
};

TEST_F(GatheringTest, FewClientsThatNeedLittleGatherAfterAWhile) {
  gathering_.Update(3, std::vector<double>{0.1, 0.2}, now_);
  EXPECT_FALSE(gathering_.together());
  Live(3, {0.1, 0.2});
  EXPECT_TRUE(gathering_.together());
}

TEST_F(GatheringTest, TheyPartAtOnceWhenTheirWorkerIsBusy) {
  Live(3, {0.1, 0.2});
  Live(3, {0.55, 0});
  EXPECT_TRUE(gathering_.together()) << "more than would make them gather, but not full";
  now_ += milliseconds(100);
  gathering_.Update(3, std::vector<double>{0.6, 0}, now_);
  EXPECT_FALSE(gathering_.together());
  EXPECT_FALSE(gathering_.Takes(3));
}

TEST_F(GatheringTest, TheyPartAtOnceWhenTheyAreMany) {
  Live(8, {0.1, 0});
  EXPECT_TRUE(gathering_.together());
  now_ += milliseconds(100);
  gathering_.Update(9, std::vector<double>{0.1, 0}, now_);
  EXPECT_FALSE(gathering_.together());
}

TEST_F(GatheringTest, ABusyMomentBeginsTheWaitAnew) {
  Live(3, {0.9, 0});
  for (int i = 0; i < 10; ++i) {
    Live(3, {0.9, 0.9});
    now_ += milliseconds(200);
    gathering_.Update(3, std::vector<double>{0.1, 0.1}, now_);
    EXPECT_FALSE(gathering_.together());
  }
}

TEST_F(GatheringTest, NewClientsGoHomeWhileTheyAreFewAndItHasTime) {
  EXPECT_TRUE(gathering_.Takes(0));
  EXPECT_TRUE(gathering_.Takes(7));
  EXPECT_FALSE(gathering_.Takes(8));
}

TEST_F(GatheringTest, ZeroClientsMeansNever) {
  gathering_.set_rule({.clients = 0});
  Live(0, {0, 0});
  EXPECT_FALSE(gathering_.together());
  EXPECT_FALSE(gathering_.Takes(0));
}

}  // namespace
}  // namespace ringmaster
