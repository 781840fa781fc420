// Reference-counted memory for bytes on their way through: what was read from one socket is sliced,
// not copied, and written to another.
//
// A Block belongs to the BlockPool of one worker; its reference count is not atomic, so neither
// BlockRef nor Slice ever crosses threads. The pool must outlive its blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace ringmaster {

class BlockPool;

// Up to this many bytes, copying is cheaper than keeping a reference to where they lie.
inline constexpr size_t kCopyLimit = 1024;

// The header lies in front of the bytes.
struct Block {
  BlockPool* pool;
  uint32_t references;
  uint32_t size_class;  // index into the pool's free lists; kUnpooled for odd sizes
  size_t capacity;      // bytes behind the header

  char* data() { return reinterpret_cast<char*>(this + 1); }
};

// A counted reference. Copies count up, destruction counts down; the last one gives the block back.
class BlockRef {
 public:
  BlockRef() = default;
  // Takes over one reference that the caller already holds.
  explicit BlockRef(Block* owned) : block_(owned) {}
  BlockRef(const BlockRef& other) : block_(other.block_) {
    if (block_ != nullptr) ++block_->references;
  }
  BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockRef() { Reset(); }

  void Reset();
  explicit operator bool() const { return block_ != nullptr; }
  Block* get() const { return block_; }
  char* data() const { return block_->data(); }
  size_t capacity() const { return block_->capacity; }
  // True when nobody else refers to the block, so that its bytes may be overwritten.
  bool unique() const { return block_->references == 1; }

 private:
  Block* block_ = nullptr;
};

// Bytes together with what keeps them alive. `block` may be empty for bytes that live for ever
// (literals).
struct Slice {
  Bytes bytes;
  BlockRef block;
};

class BlockPool {
 public:
  static constexpr size_t kSmall = 4096 - 64;     // packed output of one connection
  static constexpr size_t kLarge = 65536 - 1024;  // one read from a socket
  static constexpr uint32_t kUnpooled = 2;

  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();

  // A block of at least `capacity` bytes. kSmall and kLarge come from free lists; anything above
  // kLarge is allocated for the occasion.
  BlockRef Allocate(size_t capacity);
  // A block of its own with a copy of `bytes`.
  Slice Copy(Bytes bytes);

  // Called now and then (about once a second): frees the blocks that were not needed since the last
  // call but a few, so that a burst does not stay (FIELD.md B3). Returns the bytes freed, which the
  // allocator may still hold.
  size_t Trim();

  // Bytes in blocks that are referenced now, and what else is charged.
  size_t bytes_in_use() const { return bytes_in_use_ + charged_; }

 private:
  friend class BlockRef;
  friend class MemoryCharge;
  struct FreeList {
    std::vector<Block*> blocks;
    size_t lowest = 0;  // fewest free blocks since the last Trim: those were surplus
  };
  void Release(Block* block);
  Block* Create(size_t capacity, uint32_t size_class);

  FreeList free_[2];
  size_t bytes_in_use_ = 0;
  size_t charged_ = 0;
};

// What somebody holds for a client outside of blocks (a queue, a name), counted among the pool's
// bytes while this lives. The pool must outlive it, unless it is released before.
class MemoryCharge {
 public:
  MemoryCharge() = default;
  ~MemoryCharge() { Release(); }
  MemoryCharge(const MemoryCharge&) = delete;
  MemoryCharge& operator=(const MemoryCharge&) = delete;

  // `bytes` in all from now on, with this pool.
  void Set(BlockPool& pool, size_t bytes) {
    Release();
    pool_ = &pool;
    bytes_ = bytes;
    pool.charged_ += bytes;
  }
  void Release() {
    if (pool_ != nullptr) pool_->charged_ -= bytes_;
    pool_ = nullptr;
  }

 private:
  BlockPool* pool_ = nullptr;
  size_t bytes_ = 0;
};

inline void BlockRef::Reset() {
  if (block_ == nullptr) return;
  if (--block_->references == 0) block_->pool->Release(block_);
  block_ = nullptr;
}

}  // namespace ringmaster
