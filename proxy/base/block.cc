#include "base/block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace ringmaster {
namespace {

constexpr size_t kClassCapacity[] = {BlockPool::kSmall, BlockPool::kLarge};
constexpr size_t kStay = 16;

}  // namespace

BlockPool::~BlockPool() {
  RM_DCHECK(bytes_in_use_ == 0);
  for (FreeList& list : free_) {
    for (Block* block : list.blocks) std::free(block);
  }
}

BlockRef BlockPool::Allocate(size_t capacity) {
  const uint32_t size_class = capacity <= kSmall ? 0 : capacity <= kLarge ? 1 : kUnpooled;
  Block* block;
  if (size_class == kUnpooled) {
    block = Create(capacity, kUnpooled);
  } else if (FreeList& list = free_[size_class]; !list.blocks.empty()) {
    block = list.blocks.back();
    list.blocks.pop_back();
    list.lowest = std::min(list.lowest, list.blocks.size());
  } else {
    block = Create(kClassCapacity[size_class], size_class);
  }
  block->references = 1;
  bytes_in_use_ += block->capacity;
  return BlockRef(block);
}

Slice BlockPool::Copy(Bytes bytes) {
  BlockRef block = Allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(block.data(), bytes.data(), bytes.size());
  return Slice{Bytes(block.data(), bytes.size()), std::move(block)};
}

size_t BlockPool::Trim() {
  size_t freed = 0;
  for (FreeList& list : free_) {
    // A few stay, halved each time, so that a pause of a second does not start from nothing.
    const size_t stay = std::min(list.lowest / 2, kStay);
    const size_t surplus = std::min(list.lowest - stay, list.blocks.size());
    for (size_t i = 0; i < surplus; ++i) {
      freed += list.blocks.back()->capacity;
      std::free(list.blocks.back());
      list.blocks.pop_back();
    }
    list.lowest = list.blocks.size();
    if (list.blocks.capacity() > 64 && list.blocks.size() * 4 < list.blocks.capacity()) {
      list.blocks.shrink_to_fit();
    }
  }
  return freed;
}

void BlockPool::Release(Block* block) {
  bytes_in_use_ -= block->capacity;
  if (block->size_class == kUnpooled) {
    std::free(block);
  } else {
    free_[block->size_class].blocks.push_back(block);
  }
}

Block* BlockPool::Create(size_t capacity, uint32_t size_class) {
  // One more cache line than asked for: a stride that is no power of two keeps the first lines of
  // many blocks out of the same cache set.
  void* memory = std::malloc(sizeof(Block) + capacity + 64);
  if (memory == nullptr) throw std::bad_alloc();
  return new (memory) Block{this, 0, size_class, capacity};
}

}  // namespace ringmaster
