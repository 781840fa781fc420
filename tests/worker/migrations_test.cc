#include "worker/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/data_plane.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

// One client, with the id 1, that is to go to worker 3.
class MigrationsTest : public testing::Test {
 protected:
  MigrationsTest() : client_(plane_.Connect()) {
    migrations_.Begin(plane_.session(), 0, {1, 3, false}, now_);
  }

  std::vector<uint64_t> Settle(Duration later) {
    return migrations_.Settle(now_ + later, [this](const Migrations::Leaving& leaving) {
      asked_.push_back(leaving.order.to);
      return may_go_;
    });
  }

  DataPlane plane_;
  const TimePoint now_ = MonotonicNow();
  Migrations migrations_;
  std::unique_ptr<TestClient> client_;
  bool may_go_ = true;
  std::vector<size_t> asked_;  // where to, for each that was asked whether it may
};

TEST_F(MigrationsTest, AQuietClientGoesAtTheEndOfTheTurn) {
  EXPECT_THAT(Settle(milliseconds(0)), IsEmpty());
  EXPECT_THAT(asked_, ElementsAre(3U));
  EXPECT_TRUE(migrations_.empty());
}

TEST_F(MigrationsTest, OneThatMayNotGoStaysAndIsServed) {
  may_go_ = false;
  EXPECT_THAT(Settle(milliseconds(0)), ElementsAre(1U));
  EXPECT_TRUE(migrations_.empty());
  client_->Ask({"PING"});
  plane_.Turns();
  EXPECT_EQ(client_->Line(), "+PONG|");
}

TEST_F(MigrationsTest, OneThatIsNotQuietInTimeStays) {
  migrations_.CancelAll();
  client_->Ask({"GET", "a"});
  plane_.Turns();
  migrations_.Begin(plane_.session(), 0, {1, 3, false}, now_);
  EXPECT_THAT(Settle(milliseconds(99)), IsEmpty());
  EXPECT_FALSE(migrations_.empty());
  EXPECT_THAT(Settle(milliseconds(100)), ElementsAre(1U));
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_TRUE(migrations_.empty());
}

TEST_F(MigrationsTest, OneThatLeftIsNoLongerWaitedFor) {
  plane_.session().view().Kill(false);
  EXPECT_THAT(Settle(milliseconds(0)), ElementsAre(1U));
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(MigrationsTest, WhoIsForgottenIsNotTouchedAgain) {
  migrations_.Forget(plane_.session());
  EXPECT_TRUE(migrations_.empty());
  EXPECT_THAT(migrations_.CancelAll(), IsEmpty());
}

TEST_F(MigrationsTest, AllStayWhenItIsCancelled) {
  client_->Ask({"PING"});
  plane_.Turns();
  EXPECT_EQ(client_->Line(), "");
  EXPECT_THAT(migrations_.CancelAll(), ElementsAre(1U));
  plane_.Turns();
  EXPECT_EQ(client_->Line(), "+PONG|");
}

}  // namespace
}  // namespace ringmaster
