#include "base/parallel.h"

#include <gtest/gtest.h>

#include <set>

#include "base/mutex.h"

namespace ringmaster {
namespace {

TEST(ParallelTest, EachIsDoneOnceByAtMostSoManyThreads) {
  for (const size_t count : {0, 1, 3, 100}) {
    std::vector<std::atomic<int>> done(count);
    std::set<std::thread::id> threads;
    Mutex mutex;
    ForEachInParallel(count, 4, [&](size_t at) {
      ++done[at];
      const MutexLock lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
    for (const std::atomic<int>& each : done) EXPECT_EQ(each, 1);
    EXPECT_LE(threads.size(), std::min<size_t>(4, count));
  }
}

// All of them are needed before any can end.
TEST(ParallelTest, SeveralWaitAtOnce) {
  std::atomic<size_t> here{0};
  ForEachInParallel(4, 8, [&](size_t) {
    ++here;
    while (here < 4) std::this_thread::yield();
  });
  EXPECT_EQ(here, 4U);
}

}  // namespace
}  // namespace ringmaster
