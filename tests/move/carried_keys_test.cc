#include "move/carried_keys.h"

#include <gtest/gtest.h>

#include <memory>

namespace ringmaster {
namespace {

class CarriedKeysTest : public testing::Test {
 protected:
  const std::string a_ = CarriedKeys::NameOf(0, "a");
  const std::string b_ = CarriedKeys::NameOf(0, "b");
  std::unique_ptr<CarriedKeys> keys_ = std::make_unique<CarriedKeys>();
};

TEST_F(CarriedKeysTest, DatabasesHaveKeysOfTheirOwn) {
  EXPECT_TRUE(keys_->BeginPull(a_));
  EXPECT_TRUE(keys_->BeginPull(CarriedKeys::NameOf(1, "a")));
}

TEST_F(CarriedKeysTest, OneWorkerHasAKeyAtATime) {
  EXPECT_TRUE(keys_->BeginPull(a_));
  EXPECT_FALSE(keys_->BeginPull(a_));
  EXPECT_TRUE(keys_->BeginPull(b_));
  keys_->EndPull(a_);
  EXPECT_TRUE(keys_->BeginPull(a_));
}

TEST_F(CarriedKeysTest, WhatTheMoverHasNoWorkerTakesAndTheOtherWayRound) {
  uint32_t slot = 0;
  uint32_t other = 0;
  ASSERT_TRUE(keys_->Begin(a_, slot));
  EXPECT_FALSE(keys_->BeginPull(a_));
  // A pull that the mover serves while its own batch has the key.
  ASSERT_TRUE(keys_->Begin(a_, other));
  keys_->End(other);
  EXPECT_FALSE(keys_->BeginPull(a_));
  keys_->End(slot);
  EXPECT_TRUE(keys_->BeginPull(a_));
  EXPECT_FALSE(keys_->Begin(a_, slot));
  keys_->EndPull(a_);
  EXPECT_TRUE(keys_->Begin(a_, slot));
}

TEST_F(CarriedKeysTest, AStuckKeyStaysCarriedButNobodyWaitsForItsEnd) {
  ASSERT_TRUE(keys_->BeginPull(a_));
  ASSERT_TRUE(keys_->BeginPull(b_));
  EXPECT_EQ(keys_->WhyStuck(a_), nullptr);
  keys_->SetStuck(a_, "no fence");
  keys_->SetStuck(a_, "no fence yet");
  EXPECT_EQ(*keys_->WhyStuck(a_), "no fence yet");
  EXPECT_FALSE(keys_->BeginPull(a_));
  EXPECT_EQ(keys_->moving(), 1u);
  EXPECT_EQ(keys_->pulls(), 2u);
  keys_->EndPull(b_);
  EXPECT_EQ(keys_->moving(), 0u);
  keys_->EndPull(a_);
  EXPECT_EQ(keys_->stuck(), 0u);
  EXPECT_TRUE(keys_->BeginPull(a_));
}

}  // namespace
}  // namespace ringmaster
