#include "base/mutex.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <thread>

namespace ringmaster {
namespace {

// Whether another thread could take it now.
template <typename AnyMutex>
bool IsFree(AnyMutex& mutex) {
  return std::async(std::launch::async,
                    [&mutex] {
                      if (!mutex.try_lock()) return false;
                      mutex.unlock();
                      return true;
                    })
      .get();
}

TEST(MutexTest, IsHeldForAsLongAsItsLockLives) {
  Mutex mutex;
  {
    const MutexLock lock(mutex);
    EXPECT_FALSE(IsFree(mutex));
  }
  EXPECT_TRUE(IsFree(mutex));
}

TEST(MutexTest, ALockMayBeGivenBackInBetween) {
  Mutex mutex;
  {
    MutexLock lock(mutex);
    lock.unlock();
    EXPECT_TRUE(IsFree(mutex));
    lock.lock();
    EXPECT_FALSE(IsFree(mutex));
    lock.unlock();
  }
  EXPECT_TRUE(IsFree(mutex));
}

TEST(MutexTest, ARecursiveOneMayBeTakenAgainByItsThread) {
  RecursiveMutex mutex;
  const RecursiveMutexLock outer(mutex);
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
  EXPECT_FALSE(IsFree(mutex));
}

TEST(MutexTest, AConditionIsAwaitedUnderIt) {
  struct {
    Mutex mutex;
    std::condition_variable changed;
    int turn RM_GUARDED_BY(mutex) = 0;
  } shared;
  std::thread other([&shared] {
    MutexLock lock(shared.mutex);
    while (shared.turn != 1) shared.changed.wait(lock.native());
    shared.turn = 2;
    shared.changed.notify_all();
  });
  {
    MutexLock lock(shared.mutex);
    shared.turn = 1;
    shared.changed.notify_all();
    while (shared.turn != 2) shared.changed.wait(lock.native());
    EXPECT_FALSE(IsFree(shared.mutex));
  }
  other.join();
}

}  // namespace
}  // namespace ringmaster
