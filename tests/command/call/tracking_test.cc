#include "command/call/tracking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "support/shard_side.h"

namespace ringmaster {
namespace {

struct TrackingTest : testing::Test, RouterSide {
  TrackingTest() : RouterSide(2) {
    for (const auto& shard : shards) {
      shard->answer = [](const std::string& request) {
        return std::string(request == "CLIENT ID" ? ":7\r\n" : "+OK\r\n");
      };
    }
    tracking = std::make_unique<Tracking>(
        router, [this](Bytes keys) { invalid += OnOneLine(keys); }, [] {});
  }
  void Start(int resp) {
    tracking->Start({}, 0, resp, [this](const std::string& error) { done = error; });
  }

  std::string invalid;
  std::optional<std::string> done;
  std::unique_ptr<Tracking> tracking;
};

TEST_F(TrackingTest, IsOnWhenEveryShardHasAnswered) {
  Start(3);
  EXPECT_EQ(done, std::nullopt);
  Turns();
  EXPECT_EQ(done, "");
  EXPECT_EQ(shards[0]->Requests(), "CLIENT TRACKING ON");
  EXPECT_EQ(shards[1]->Requests(), "CLIENT TRACKING ON");
}

TEST_F(TrackingTest, MessagesOfAClientInRESP2TakeAConnectionOfTheirOwn) {
  Start(2);
  Turns();
  EXPECT_EQ(done, "");
  EXPECT_THAT(shards[0]->Requests(), testing::HasSubstr("CLIENT TRACKING ON REDIRECT 7"));
}

TEST_F(TrackingTest, WhatItAskedEndsBeforeItDoes) {
  for (const int resp : {2, 3}) {
    done.reset();
    Start(resp);
    EXPECT_GT(backends.asides.under_way(), 0U);
    tracking = std::make_unique<Tracking>(
        router, [](Bytes) {}, [] {});
    EXPECT_EQ(backends.asides.under_way(), 0U);
    ASSERT_TRUE(done.has_value());
    EXPECT_THAT(*done, testing::StartsWith("-NOTAPPLIED "));
  }
}

// A client that is closed for what its command brought.
TEST_F(TrackingTest, MayEndFromInsideOfWhatItIsTold) {
  tracking->Start({}, 0, 3, [this](const std::string& error) {
    done = error;
    tracking.reset();
  });
  Turns();
  EXPECT_EQ(done, "");
  EXPECT_EQ(tracking, nullptr);
  EXPECT_EQ(backends.asides.under_way(), 0U);
}

TEST_F(TrackingTest, WhatItAskedEndsWhenTheWorkerStops) {
  Start(3);
  router.Close("it stops");
  EXPECT_EQ(backends.asides.under_way(), 0U);
  ASSERT_TRUE(done.has_value());
  EXPECT_THAT(*done, testing::StartsWith("-NOTAPPLIED "));
}

}  // namespace
}  // namespace ringmaster
