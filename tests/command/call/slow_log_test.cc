#include "command/call/slow_log.h"

#include <gtest/gtest.h>

#include "resp/request_writer.h"

namespace ringmaster {
namespace {

TEST(SlowLogTest, KeepsTheLatest) {
  SlowLog log;
  log.SetMaxEntries(2);
  for (int64_t i = 0; i < 5; ++i) {
    SlowEntry entry;
    entry.micros = i;
    log.Add(entry);
  }
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log.Latest(10)[0].micros, 4);
  EXPECT_EQ(log.Latest(10)[1].id, 3U);
  EXPECT_EQ(log.Latest(1).size(), 1U);
  log.SetMaxEntries(1);
  EXPECT_EQ(log.size(), 1U);
  log.Clear();
  EXPECT_EQ(log.size(), 0U);
}

TEST(SlowLogTest, LongRequestsAreCut) {
  const std::string longest(130, 'x');
  std::vector<Bytes> args(33, longest);
  const std::vector<std::string> cut = CutForLog(args);
  ASSERT_EQ(cut.size(), 32U);
  EXPECT_EQ(cut[0], std::string(128, 'x') + "... (2 more bytes)");
  EXPECT_EQ(cut[31], "... (2 more arguments)");
}

TEST(RecentRequestsTest, FindsARequestUntilOthersOvertakeIt) {
  RecentRequests recent;
  const std::string wire = MakeRequest({"GET", "key"});
  const std::vector<Bytes> args = {"GET", "key"};
  const uint64_t place = recent.Keep(wire, args);
  EXPECT_EQ(recent.Find(place), (std::vector<std::string>{"GET", "key"}));
  uint64_t latest = place;
  for (int i = 0; i < 20'000; ++i) latest = recent.Keep(wire, args);
  EXPECT_TRUE(recent.Find(place).empty());
  EXPECT_EQ(recent.Find(latest), (std::vector<std::string>{"GET", "key"}));
}

TEST(RecentRequestsTest, WhatWasNeverKeptIsNobodys) {
  RecentRequests recent;
  const std::vector<Bytes> args = {"PING"};
  recent.Keep("", args);
  EXPECT_TRUE(recent.Find(0).empty());
}

TEST(RecentRequestsTest, KeepsWhatIsLongOrInlineCut) {
  RecentRequests recent;
  const std::string value(100'000, 'v');
  const std::vector<Bytes> args = {"SET", "key", value};
  const uint64_t place = recent.Keep(MakeRequest({"SET", "key", value}), args);
  EXPECT_EQ(recent.Find(place)[2], std::string(128, 'v') + "... (99872 more bytes)");
  const std::vector<Bytes> words = {"PING"};
  EXPECT_EQ(recent.Find(recent.Keep("", words)), std::vector<std::string>{"PING"});
}

}  // namespace
}  // namespace ringmaster
