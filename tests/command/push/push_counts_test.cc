#include "command/push/push_counts.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(PushCountsTest, ReceiversAreThoseOfTheChannelAndOfEveryPatternThatMatches) {
  PushCounts counts;
  EXPECT_TRUE(counts.empty());
  counts.Add(PushKind::kChannel, "news", {.clients = 3, .connections = 1});
  counts.Add(PushKind::kPattern, "n*", {.clients = 2, .connections = 2});
  counts.Add(PushKind::kPattern, "x*", {.clients = 5, .connections = 1});
  counts.Add(PushKind::kShardChannel, "news", {.clients = 7, .connections = 1});
  EXPECT_EQ(counts.Receivers(PushKind::kChannel, "news").clients, 5);
  EXPECT_EQ(counts.Receivers(PushKind::kChannel, "news").connections, 3);
  EXPECT_EQ(counts.Receivers(PushKind::kShardChannel, "news").clients, 7);
  EXPECT_EQ(counts.Of(PushKind::kChannel, "other").clients, 0);
}

TEST(PushCountsTest, WhatNobodyWantsIsForgotten) {
  PushCounts counts;
  counts.Add(PushKind::kChannel, "a", {.clients = 1, .connections = 1});
  counts.Add(PushKind::kChannel, "a", {.clients = -1});
  EXPECT_FALSE(counts.empty());
  counts.Add(PushKind::kChannel, "a", {.connections = -1});
  EXPECT_TRUE(counts.empty());
}

}  // namespace
}  // namespace ringmaster
