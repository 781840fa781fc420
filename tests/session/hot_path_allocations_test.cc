// The warm path allocates nothing (docs/architecture.md). Counted is what happens while the loop
// turns; the fake shard and the client take their turns outside of it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "support/data_plane.h"

namespace {

thread_local bool counting = false;
thread_local size_t allocations = 0;

void* Allocate(size_t size, size_t alignment) {
  if (counting) ++allocations;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size == 0 ? 1 : size) != 0) throw std::bad_alloc();
  return memory;
}

constexpr size_t kDefault = alignof(std::max_align_t);

}  // namespace

// Not inlined: else the compiler takes free() for a mismatch of the new it sees.
[[gnu::noinline]] void* operator new(size_t size) { return Allocate(size, kDefault); }
[[gnu::noinline]] void* operator new[](size_t size) { return Allocate(size, kDefault); }
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t alignment) {
  return Allocate(size, std::max(sizeof(void*), static_cast<size_t>(alignment)));
}
[[gnu::noinline]] void* operator new[](size_t size, std::align_val_t alignment) {
  return Allocate(size, std::max(sizeof(void*), static_cast<size_t>(alignment)));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace ringmaster {
namespace {

constexpr int kBatch = 100;

// One batch of pipelined requests, from sending it to having all replies. Returns the allocations
// of the proxy meanwhile.
size_t RunBatch(DataPlane& plane, TestClient& client, const std::string& batch, size_t reply_size) {
  allocations = 0;
  client.Send(batch);
  size_t got = 0;
  for (int turn = 0; turn < 50 && got < reply_size; ++turn) {
    counting = true;
    plane.loop.RunOnce();
    counting = false;
    plane.Poll();
    got += client.Read().size();
  }
  EXPECT_EQ(got, reply_size);
  return allocations;
}

size_t AllocationsOf(size_t shards, std::initializer_list<Bytes> request, const std::string& part,
                     size_t reply_size) {
  DataPlane plane(shards);
  for (const auto& shard : plane.shards) shard->answer = [&](const std::string&) { return part; };
  const auto client = plane.Connect();
  std::string batch;
  for (int i = 0; i < kBatch; ++i) batch += MakeRequest(request);
  for (int i = 0; i < 20; ++i) RunBatch(plane, *client, batch, kBatch * reply_size);
  size_t counted = 0;
  for (int i = 0; i < 10000 / kBatch; ++i) {
    counted += RunBatch(plane, *client, batch, kBatch * reply_size);
  }
  return counted;
}

TEST(HotPathAllocationsTest, CounterSeesAnAllocation) {
  allocations = 0;
  counting = true;
  ::operator delete(::operator new(1));
  counting = false;
  EXPECT_GE(allocations, 1U);
}

TEST(HotPathAllocationsTest, WarmPipelinedGetsAllocateNothing) {
  EXPECT_EQ(AllocationsOf(3, {"GET", "key"}, "$5\r\nvalue\r\n", 11), 0U);
}

TEST(HotPathAllocationsTest, WarmPipelinedSetsAllocateNothing) {
  EXPECT_EQ(AllocationsOf(3, {"SET", "key", "value"}, "+OK\r\n", 5), 0U);
}

TEST(HotPathAllocationsTest, WarmScatteredDelsAllocateNothing) {
  EXPECT_EQ(AllocationsOf(3, {"DEL", "a", "b", "c", "d", "e", "f", "g", "h"}, ":1\r\n", 4), 0U);
}

}  // namespace
}  // namespace ringmaster
