#include "coro/frame_pool.h"

#include <cstdlib>
#include <new>

#include "base/check.h"

namespace ringmaster {
namespace {

thread_local FramePool* t_current = nullptr;

}  // namespace

// In front of each frame: where it belongs. Keeps the frame aligned.
struct alignas(std::max_align_t) FramePool::Header {
  FramePool* pool;
  size_t size_class;
};

FramePool::~FramePool() {
  RM_DCHECK(live_ == 0);
  for (auto& list : free_) {
    for (void* memory : list) std::free(memory);
  }
}

FramePool::Scope::Scope(FramePool& pool) : previous_(t_current) { t_current = &pool; }

FramePool::Scope::~Scope() { t_current = previous_; }

void* FramePool::Allocate(size_t size) {
  FramePool* pool = t_current;
  const size_t size_class = (size + kStep - 1) / kStep;
  Header* header = nullptr;
  if (pool != nullptr && size_class < kClasses && !pool->free_[size_class].empty()) {
    header = static_cast<Header*>(pool->free_[size_class].back());
    pool->free_[size_class].pop_back();
  } else {
    header = static_cast<Header*>(std::malloc(sizeof(Header) + size_class * kStep));
    if (header == nullptr) throw std::bad_alloc();
    if (pool != nullptr) ++pool->allocated_;
  }
  *header = Header{pool, size_class};
  if (pool != nullptr) ++pool->live_;
  return header + 1;
}

void FramePool::Free(void* frame) {
  auto* header = static_cast<Header*>(frame) - 1;
  FramePool* pool = header->pool;
  if (pool == nullptr) return std::free(header);
  --pool->live_;
  auto& list = pool->free_[header->size_class < kClasses ? header->size_class : 0];
  if (header->size_class >= kClasses || list.size() >= kKeep) return std::free(header);
  list.push_back(header);
}

}  // namespace ringmaster
