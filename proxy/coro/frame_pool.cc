#include "coro/frame_pool.h"

#include <algorithm>
#include <new>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define RM_FRAME_POISON
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RM_FRAME_POISON
#endif
#endif
#ifdef RM_FRAME_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace ringmaster {
namespace {

thread_local FramePool* t_current = nullptr;

// A kept frame is still the pool's memory; without these the sanitizer would not see that somebody
// uses a frame after its end.
void Poison([[maybe_unused]] void* memory, [[maybe_unused]] size_t size) {
#ifdef RM_FRAME_POISON
  __asan_poison_memory_region(memory, size);
#endif
}

void Unpoison([[maybe_unused]] void* memory, [[maybe_unused]] size_t size) {
#ifdef RM_FRAME_POISON
  __asan_unpoison_memory_region(memory, size);
#endif
}

}  // namespace

// In front of each frame: where it belongs. Keeps the frame aligned.
struct alignas(std::max_align_t) FramePool::Header {
  union {
    FramePool* pool;  // in use; nullptr: of no pool
    Header* next;     // free
  };
  size_t size_class;
};

FramePool::~FramePool() {
  RM_DCHECK(live_ == 0);
  for (FreeList& list : free_) {
    while (list.first != nullptr) Drop(list);
  }
}

FramePool::Scope::Scope(FramePool& pool) : previous_(t_current) { t_current = &pool; }

FramePool::Scope::~Scope() { t_current = previous_; }

FramePool::Header* FramePool::Take(size_t size_class) {
  ++frames_;
  ++live_;
  if (size_class < kClasses && free_[size_class].first != nullptr) {
    FreeList& list = free_[size_class];
    Header* header = list.first;
    list.first = header->next;
    list.lowest = std::min(list.lowest, --list.count);
    kept_ -= size_class * kStep;
    Unpoison(header + 1, size_class * kStep);
    return header;
  }
  ++misses_;
  return nullptr;
}

void* FramePool::Allocate(size_t size) {
  FramePool* pool = t_current;
  const size_t size_class = (size + kStep - 1) / kStep;
  Header* header = pool != nullptr ? pool->Take(size_class) : nullptr;
  if (header == nullptr) {
    header = static_cast<Header*>(::operator new(sizeof(Header) + size_class * kStep));
  }
  header->pool = pool;
  header->size_class = size_class;
  return header + 1;
}

bool FramePool::Keep(Header* header) {
  --live_;
  const size_t bytes = header->size_class * kStep;
  if (header->size_class >= kClasses || kept_ + bytes > kKeep) return false;
  FreeList& list = free_[header->size_class];
  header->next = list.first;
  list.first = header;
  ++list.count;
  kept_ += bytes;
  Poison(header + 1, bytes);
  return true;
}

void FramePool::Free(void* frame) noexcept {
  Header* header = static_cast<Header*>(frame) - 1;
  FramePool* pool = header->pool;
  if (pool == nullptr || !pool->Keep(header)) ::operator delete(header);
}

void FramePool::Drop(FreeList& list) {
  Header* header = list.first;
  list.first = header->next;
  --list.count;
  const size_t bytes = header->size_class * kStep;
  kept_ -= bytes;
  Unpoison(header + 1, bytes);
  ::operator delete(header);
}

void FramePool::Trim() {
  for (FreeList& list : free_) {
    for (size_t surplus = list.lowest; surplus > 0; --surplus) Drop(list);
    list.lowest = list.count;
  }
}

}  // namespace ringmaster
