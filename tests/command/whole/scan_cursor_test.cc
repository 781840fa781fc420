#include "command/whole/scan_cursor.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ringmaster {
namespace {

std::shared_ptr<const Topology> MakeTopology(const std::vector<std::string>& names,
                                             uint64_t epoch = 1) {
  TopologySpec spec;
  for (const std::string& name : names) spec.shards.push_back({name, "127.0.0.1:1", 1});
  return Topology::Build(spec, epoch).value();
}

TEST(ScanCursorTest, ComesBackAsItWent) {
  Random random(1);
  for (int i = 0; i < 10000; ++i) {
    const auto tag = static_cast<uint32_t>(random.Below(2047));
    const size_t shards = 1 + random.Below(4096);
    const ScanCursor cursor{.shard = static_cast<uint32_t>(random.Below(shards)),
                            .inner = random.Below(ScanCursor::MaxInner(shards) + 1)};
    const ScanCursor back = ScanCursor::Decode(cursor.Encode(tag, shards), tag, shards);
    ASSERT_EQ(back.shard, cursor.shard);
    ASSERT_EQ(back.inner, cursor.inner);
  }
}

TEST(ScanCursorTest, FitsADouble) {
  for (const size_t shards : {1U, 2U, 3U, 4U, 100U, 4096U}) {
    const ScanCursor largest{.shard = static_cast<uint32_t>(shards - 1),
                             .inner = ScanCursor::MaxInner(shards)};
    EXPECT_LT(largest.Encode(2047, shards), uint64_t{1} << 53) << shards;
    EXPECT_GE(ScanCursor::MaxInner(shards), (uint64_t{1} << 30) - 1) << "keys of one of " << shards;
  }
}

TEST(ScanCursorTest, OfUsualShardsIsBelowTwoToTheFortyEighth) {
  const ScanCursor cursor{.shard = 15, .inner = (uint64_t{1} << 32) - 1};
  EXPECT_LT(cursor.Encode(2046, 16), uint64_t{1} << 48);
}

TEST(ScanCursorTest, OfAnotherWalkStartsAgain) {
  const ScanCursor cursor{.shard = 2, .inner = 77};
  const auto starts = [](const ScanCursor& at) { return at.shard == 0 && at.inner == 0; };
  EXPECT_TRUE(starts(ScanCursor::Decode(cursor.Encode(5, 3), 6, 3)));
  EXPECT_TRUE(starts(ScanCursor::Decode(UINT64_MAX, 2047, 3)));
  EXPECT_TRUE(starts(ScanCursor::Decode(uint64_t{1} << 53, 0, 3)));
  const ScanCursor beyond{.shard = 3, .inner = 1};
  EXPECT_TRUE(starts(ScanCursor::Decode(beyond.Encode(5, 4), 5, 3)));
  for (uint64_t epoch = 0; epoch < 3000; ++epoch) {
    const uint32_t tag = ScanTagOfMove(epoch);
    EXPECT_TRUE(starts(ScanCursor::Decode(ScanCursor::kRestart, tag, 3)));
    EXPECT_NE(tag, ScanCursor::kRestart);
  }
}

TEST(ScanCursorTest, TagIsThatOfWhatPlacesKeys) {
  const uint32_t tag = ScanTag(*MakeTopology({"a", "b", "c"}));
  EXPECT_EQ(tag, ScanTag(*MakeTopology({"a", "b", "c"}, 7))) << "another process, the same ring";
  EXPECT_NE(tag, ScanTag(*MakeTopology({"a", "b"})));
  EXPECT_NE(tag, ScanTag(*MakeTopology({"a", "b", "d"})));
  EXPECT_LT(tag, 1024U);
}

// A cursor of the ring would go on in the walk of the move, which has another order.
TEST(ScanCursorTest, TagOfAMoveIsNeverThatOfARingOrOfTheNextMove) {
  for (uint64_t epoch = 1; epoch < 3000; ++epoch) {
    EXPECT_GE(ScanTagOfMove(epoch), 1024U);
    EXPECT_LT(ScanTagOfMove(epoch), 2048U);
    EXPECT_NE(ScanTagOfMove(epoch), ScanTagOfMove(epoch + 1));
  }
}

TEST(ScanCursorTest, ReadsNumbersAsRedisDoes) {
  EXPECT_EQ(ParseScanCursor("0"), 0U);
  EXPECT_EQ(ParseScanCursor("+3"), 3U);
  EXPECT_EQ(ParseScanCursor("-1"), UINT64_MAX);
  EXPECT_EQ(ParseScanCursor(""), 0U);
  EXPECT_EQ(ParseScanCursor("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(ParseScanCursor("18446744073709551616"), std::nullopt);
  EXPECT_EQ(ParseScanCursor("1x"), std::nullopt);
  EXPECT_EQ(ParseScanCursor(" 1"), std::nullopt);
}

}  // namespace
}  // namespace ringmaster
