#include "coro/frame_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <new>
#include <vector>

#include "coro/completion.h"
#include "coro/task.h"
#include "coro/task_set.h"

namespace {

size_t g_allocations = 0;

}  // namespace

// Every allocation of this program counts itself. Not inlined, because GCC warns of a mismatch
// where it sees into one of the pair only.
[[gnu::noinline]] void* operator new(size_t size) {
  ++g_allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ringmaster {
namespace {

Task<int> Leaf(Completion<int>& reply) { co_return co_await reply; }
Task<int> Middle(Completion<int>& reply) { co_return 1 + co_await Leaf(reply); }
Task<void> Top(Completion<int>& reply, int& sum) { sum += co_await Middle(reply); }

TEST(FramePoolTest, GivesEachTaskExactlyOneFrame) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  Completion<int> reply;
  int sum = 0;
  Task<void> task = Top(reply, sum);
  EXPECT_EQ(pool.frames(), 1U);
  task.Start();
  EXPECT_EQ(pool.frames(), 3U);
  EXPECT_EQ(pool.live(), 3U);
  reply.Complete(1);
  EXPECT_EQ(sum, 2);
  EXPECT_EQ(pool.frames(), 3U);
  EXPECT_EQ(pool.live(), 1U);  // what was awaited is gone, the task is still ours
}

TEST(FramePoolTest, WarmTasksDoNotTouchTheAllocator) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  TaskSet set;
  int sum = 0;
  const auto run = [&] {
    Completion<int> reply;
    set.Add(Top(reply, sum));
    reply.Complete(1);
  };
  run();
  const size_t before = g_allocations;
  for (int i = 0; i < 1000; ++i) run();
  EXPECT_EQ(g_allocations - before, 0U);
  EXPECT_EQ(sum, 2002);
  EXPECT_EQ(pool.allocated(), 3U);
}

TEST(FramePoolTest, FramesComeFromTheAllocatorWhereThereIsNoPool) {
  Completion<int> reply;
  const size_t before = g_allocations;
  { const Task<int> task = Leaf(reply); }
  EXPECT_EQ(g_allocations - before, 1U);
}

TEST(FramePoolTest, AFrameGoesBackToWhereItCameFrom) {
  FramePool outer;
  FramePool inner;
  const FramePool::Scope outer_scope(outer);
  void* of_outer = FramePool::Allocate(100);
  void* of_inner = nullptr;
  {
    const FramePool::Scope inner_scope(inner);
    of_inner = FramePool::Allocate(100);
    FramePool::Free(of_outer);
  }
  FramePool::Free(of_inner);  // with the outer pool current again
  EXPECT_EQ(outer.live() + inner.live(), 0U);
  EXPECT_EQ(outer.kept_bytes(), 128U);
  EXPECT_EQ(inner.kept_bytes(), 128U);
}

TEST(FramePoolTest, FramesOfAllSizesAreAlignedAndAsLargeAsAsked) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  for (const size_t size : {size_t{1}, size_t{128}, size_t{129}, size_t{4096}, size_t{100000}}) {
    void* frame = FramePool::Allocate(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(frame) % alignof(std::max_align_t), 0U) << size;
    std::fill_n(static_cast<char*>(frame), size, 'x');
    FramePool::Free(frame);
  }
  EXPECT_EQ(pool.live(), 0U);
}

TEST(FramePoolTest, KeepsNoLargeFrame) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  FramePool::Free(FramePool::Allocate(100000));
  EXPECT_EQ(pool.kept_bytes(), 0U);
}

void Burst(size_t count, size_t size) {
  std::vector<void*> frames;
  for (size_t i = 0; i < count; ++i) frames.push_back(FramePool::Allocate(size));
  for (void* frame : frames) FramePool::Free(frame);
}

TEST(FramePoolTest, KeepsNoMoreThanAMebibyte) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  Burst(1000, 4096);
  EXPECT_EQ(pool.kept_bytes(), 1U << 20);
}

TEST(FramePoolTest, TrimGivesBackWhatWasNotNeededSince) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  Burst(100, 512);
  pool.Trim();  // all of it was needed since the start
  EXPECT_EQ(pool.kept_bytes(), 100U * 512);
  Burst(10, 512);
  pool.Trim();  // ninety were not
  EXPECT_EQ(pool.kept_bytes(), 10U * 512);
}

}  // namespace
}  // namespace ringmaster
