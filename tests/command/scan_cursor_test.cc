#include "command/scan_cursor.h"

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
    const ScanCursor cursor{.tag = static_cast<uint32_t>(random.Below(2048)),
                            .shard = static_cast<uint32_t>(random.Below(4096)),
                            .inner = random.Below(ScanCursor::kMaxInner + 1)};
    const ScanCursor back = ScanCursor::Decode(cursor.Encode());
    ASSERT_EQ(back.tag, cursor.tag);
    ASSERT_EQ(back.shard, cursor.shard);
    ASSERT_EQ(back.inner, cursor.inner);
  }
}

TEST(ScanCursorTest, FitsASignedNumber) {
  const ScanCursor largest{
      .tag = 2047, .shard = ScanCursor::kMaxShard, .inner = ScanCursor::kMaxInner};
  EXPECT_EQ(largest.Encode(), uint64_t{INT64_MAX});
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

TEST(ScanCursorTest, ForeignCursorHasNoTagOfOurs) {
  EXPECT_GT(ScanCursor::Decode(UINT64_MAX).tag, 2047U);
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
