#include "control/discovery/sentinel_votes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using std::chrono::seconds;
using Primary = SentinelVotes::Primary;

const TimePoint kStart = TimePoint() + seconds(1000);
Address At(uint16_t port) { return {Address::kTcp, "10.0.0.1", port, ""}; }

class SentinelVotesTest : public testing::Test {
 protected:
  void Say(size_t sentinel, uint16_t port, uint64_t epoch, bool tilt = false) {
    votes_.Hear(sentinel, SentinelVotes::Answer{At(port), epoch, tilt}, now_);
  }
  // "10.0.0.1:1 e5", or "-".
  std::string Decided() {
    const std::optional<Primary> primary = votes_.Decide(now_);
    if (!primary) return "-";
    return primary->address.ToString() + " e" + std::to_string(primary->config_epoch);
  }

  TimePoint now_ = kStart;
  SentinelVotes votes_{3, std::nullopt};
};

TEST_F(SentinelVotesTest, AMajorityIsNeededAndIsEnough) {
  Say(0, 1, 5);
  EXPECT_EQ(Decided(), "-");
  EXPECT_EQ(votes_.Trouble(now_), "no 2 of 3 Sentinels agree: 1 answer, 0 of them in TILT");
  Say(1, 1, 5);
  EXPECT_EQ(Decided(), "10.0.0.1:1 e5");
  EXPECT_EQ(Decided(), "-") << "no news";
  EXPECT_EQ(votes_.Trouble(now_), "");
}

TEST_F(SentinelVotesTest, AFailoverIsAHigherEpoch) {
  for (size_t i : {0, 1, 2}) Say(i, 1, 5);
  Decided();
  Say(0, 2, 6);
  EXPECT_EQ(Decided(), "-");
  Say(1, 2, 6);
  EXPECT_EQ(Decided(), "10.0.0.1:2 e6");
}

// For good; also when another joins it that has just come back.
TEST_F(SentinelVotesTest, WhoIsStaleChangesNothing) {
  for (size_t i : {0, 1, 2}) Say(i, 1, 5);
  Decided();
  for (size_t i : {0, 1}) Say(i, 2, 6);
  Decided();
  EXPECT_EQ(Decided(), "-");
  Say(1, 1, 5);
  EXPECT_EQ(Decided(), "-");
  EXPECT_EQ(votes_.accepted()->address, At(2));
  EXPECT_EQ(votes_.Trouble(now_),
            "a majority says 10.0.0.1:1 with config-epoch 5, which is not above 6");
}

// Neither by an address nor by an epoch, which would keep all later ones out.
TEST_F(SentinelVotesTest, WhoLiesAloneChangesNothing) {
  Say(0, 1, 5);
  Say(1, 1, 5);
  Say(2, 9, 1000);
  EXPECT_EQ(Decided(), "10.0.0.1:1 e5");
  Say(2, 1, 1000);
  EXPECT_EQ(Decided(), "-");
  Say(0, 2, 6);
  Say(1, 2, 6);
  EXPECT_EQ(Decided(), "10.0.0.1:2 e6");
}

TEST_F(SentinelVotesTest, WhoIsInTiltDoesNotCount) {
  Say(0, 1, 5, true);
  Say(1, 1, 5);
  EXPECT_EQ(Decided(), "-");
  EXPECT_EQ(votes_.Trouble(now_), "no 2 of 3 Sentinels agree: 2 answer, 1 of them in TILT");
  Say(0, 1, 5);
  EXPECT_EQ(Decided(), "10.0.0.1:1 e5");
}

TEST_F(SentinelVotesTest, AnEmptyAnswerIsNone) {
  Say(0, 1, 5);
  Say(1, 1, 5);
  votes_.Hear(1, std::nullopt, now_);
  EXPECT_EQ(Decided(), "-");
}

TEST_F(SentinelVotesTest, AnAnswerGrowsOld) {
  Say(0, 1, 5);
  now_ += SentinelVotes::kFresh + seconds(1);
  Say(1, 1, 5);
  EXPECT_EQ(Decided(), "-");
  Say(0, 1, 5);
  EXPECT_EQ(Decided(), "10.0.0.1:1 e5");
}

TEST_F(SentinelVotesTest, WithoutAMajorityTheLastPrimaryStays) {
  for (size_t i : {0, 1, 2}) Say(i, 1, 5);
  Decided();
  for (size_t i : {0, 1}) votes_.Hear(i, std::nullopt, now_);
  Say(2, 2, 9);
  EXPECT_EQ(Decided(), "-");
  EXPECT_EQ(votes_.accepted()->address, At(1));
  EXPECT_NE(votes_.Trouble(now_), "");
}

// Two addresses at one epoch: the Sentinels were set up anew, and only an operator knows why.
TEST_F(SentinelVotesTest, AnotherAddressAtTheSameEpochIsNotTaken) {
  for (size_t i : {0, 1, 2}) Say(i, 1, 0);
  EXPECT_EQ(Decided(), "10.0.0.1:1 e0");
  for (size_t i : {0, 1, 2}) Say(i, 2, 0);
  EXPECT_EQ(Decided(), "-");
}

TEST(SentinelVotesOfManyTest, HalfIsNoMajority) {
  SentinelVotes votes(4, Primary{At(1), 3});
  for (size_t i : {0, 1}) votes.Hear(i, SentinelVotes::Answer{At(2), 4, false}, kStart);
  EXPECT_EQ(votes.Decide(kStart), std::nullopt);
  votes.Hear(3, SentinelVotes::Answer{At(2), 5, false}, kStart);
  EXPECT_EQ(votes.Decide(kStart), (Primary{At(2), 4})) << "the epoch that a majority vouches for";
}

}  // namespace
}  // namespace ringmaster
