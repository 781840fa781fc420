#include "base/object_pool.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmaster {
namespace {

struct Noisy {
  Noisy(std::string* log, char name) : log(log), name(name) { *log += name; }
  ~Noisy() {
    *log += '~';
    *log += name;
  }
  Noisy(const Noisy&) = delete;
  Noisy& operator=(const Noisy&) = delete;
  std::string* log;
  char name;
};

TEST(ObjectPoolTest, ConstructsAndDestroysEachObjectOnce) {
  std::string log;
  ObjectPool<Noisy> pool;
  Noisy* a = pool.New(&log, 'a');
  Noisy* b = pool.New(&log, 'b');
  pool.Delete(a);
  pool.Delete(b);
  EXPECT_EQ(log, "ab~a~b");
}

TEST(ObjectPoolTest, HandsOutFreedMemoryAgain) {
  ObjectPool<int> pool;
  const auto place = [](const int* object) { return reinterpret_cast<uintptr_t>(object); };
  int* object = pool.New(1);
  const uintptr_t first = place(object);
  pool.Delete(object);
  object = pool.New(2);
  EXPECT_EQ(place(object), first);
  EXPECT_EQ(*object, 2);
  pool.Delete(object);
}

TEST(ObjectPoolTest, CountsLiveAndFreeObjects) {
  ObjectPool<int> pool;
  int* const a = pool.New(1);
  int* const b = pool.New(2);
  pool.Delete(a);
  EXPECT_EQ(pool.live(), 1U);
  EXPECT_EQ(pool.free(), 1U);
  pool.Delete(b);
  EXPECT_EQ(pool.live(), 0U);
}

TEST(ObjectPoolTest, KeepsNoMoreFreeObjectsThanAskedTo) {
  ObjectPool<int> pool(2);
  int* objects[5];
  for (int*& object : objects) object = pool.New(0);
  for (int* object : objects) pool.Delete(object);
  EXPECT_EQ(pool.free(), 2U);
  pool.Trim(1);
  EXPECT_EQ(pool.free(), 1U);
  pool.Trim(1);
  EXPECT_EQ(pool.free(), 1U);
}

TEST(ObjectPoolTest, RespectsAnAlignmentBeyondTheUsual) {
  struct alignas(256) Wide {
    char byte;
  };
  ObjectPool<Wide> pool;
  Wide* const wide = pool.New();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(wide) % 256, 0U);
  pool.Delete(wide);
}

}  // namespace
}  // namespace ringmaster
