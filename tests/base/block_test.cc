#include "base/block.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace ringmaster {
namespace {

TEST(BlockPoolTest, GivesAtLeastWhatWasAskedFor) {
  BlockPool pool;
  for (const size_t size : {size_t{0}, size_t{1}, BlockPool::kSmall, BlockPool::kSmall + 1,
                            BlockPool::kLarge, BlockPool::kLarge + 1, size_t{1} << 20}) {
    const BlockRef block = pool.Allocate(size);
    ASSERT_GE(block.capacity(), size);
    std::memset(block.data(), 'x', size);  // a sanitizer sees what lies outside
  }
}

TEST(BlockPoolTest, CountsTheBytesThatSomebodyRefersTo) {
  BlockPool pool;
  BlockRef small = pool.Allocate(1);
  BlockRef odd = pool.Allocate(1 << 20);
  EXPECT_EQ(pool.bytes_in_use(), BlockPool::kSmall + (1 << 20));
  odd.Reset();
  EXPECT_EQ(pool.bytes_in_use(), BlockPool::kSmall);
  small.Reset();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(MemoryChargeTest, CountsAmongThePoolsBytesWhileItLives) {
  BlockPool pool;
  BlockPool other;
  {
    MemoryCharge charge;
    charge.Set(pool, 100);
    charge.Set(pool, 70);
    EXPECT_EQ(pool.bytes_in_use(), 70U);
    charge.Set(other, 5);
    EXPECT_EQ(pool.bytes_in_use(), 0U);
    EXPECT_EQ(other.bytes_in_use(), 5U);
  }
  EXPECT_EQ(other.bytes_in_use(), 0U);
}

TEST(BlockPoolTest, UsesAFreeBlockOfTheSameClassAgain) {
  BlockPool pool;
  BlockRef first = pool.Allocate(100);
  const Block* const memory = first.get();
  first.Reset();
  const BlockRef large = pool.Allocate(BlockPool::kSmall + 1);
  EXPECT_NE(large.get(), memory);
  const BlockRef again = pool.Allocate(200);
  EXPECT_EQ(again.get(), memory);
}

TEST(BlockPoolTest, KeepsTheBlocksThatTrimSawInUse) {
  BlockPool pool;
  BlockRef kept = pool.Allocate(1);
  pool.Trim();
  const Block* const memory = kept.get();
  kept.Reset();
  pool.Trim();  // was in use since the last call
  EXPECT_EQ(pool.Allocate(1).get(), memory);
}

TEST(BlockPoolTest, TrimFreesWhatABurstLeftButAFew) {
  BlockPool pool;
  {
    std::vector<BlockRef> burst;
    for (int i = 0; i < 1000; ++i) burst.push_back(pool.Allocate(BlockPool::kLarge));
  }
  EXPECT_EQ(pool.Trim(), 0);  // was in use since the last call
  EXPECT_EQ(pool.Trim(), (1000 - 16) * BlockPool::kLarge);
  EXPECT_EQ(pool.Trim(), 8 * BlockPool::kLarge);
}

TEST(BlockPoolTest, CopiesBytesIntoABlockOfTheirOwn) {
  BlockPool pool;
  std::string text = "hello";
  const Slice slice = pool.Copy(text);
  text = "HELLO";
  EXPECT_EQ(slice.bytes, "hello");
  EXPECT_EQ(slice.bytes.data(), slice.block.data());
}

TEST(BlockPoolTest, CopiesNothingIntoAnEmptySlice) {
  BlockPool pool;
  EXPECT_EQ(pool.Copy(Bytes()).bytes, "");
}

TEST(BlockRefTest, LivesUntilTheLastReferenceGoes) {
  BlockPool pool;
  BlockRef first = pool.Allocate(1);
  BlockRef second = first;
  EXPECT_FALSE(first.unique());
  first.Reset();
  EXPECT_FALSE(first);
  EXPECT_TRUE(second.unique());
  EXPECT_EQ(pool.bytes_in_use(), BlockPool::kSmall);
  second.Reset();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(BlockRefTest, MovesWithoutCounting) {
  BlockPool pool;
  BlockRef first = pool.Allocate(1);
  BlockRef second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): empty is what is promised
  EXPECT_TRUE(second.unique());
}

TEST(BlockRefTest, GivesBackTheOldBlockWhenAssigned) {
  BlockPool pool;
  BlockRef target = pool.Allocate(1);
  const BlockRef other = pool.Allocate(BlockPool::kLarge);
  target = other;
  EXPECT_EQ(pool.bytes_in_use(), BlockPool::kLarge);
}

TEST(BlockRefTest, SurvivesAssignmentToItself) {
  BlockPool pool;
  BlockRef block = pool.Allocate(1);
  const BlockRef& alias = block;
  block = alias;
  EXPECT_TRUE(block.unique());
}

}  // namespace
}  // namespace ringmaster
