// Memory of coroutine frames. A worker makes its pool the current one of its thread; frames made on
// that thread come from it and go back to it, so that warm recipes do not touch the allocator.
//
// Owner: the worker. One thread, also for giving back. Free frames are kept by size, 1 MiB of them
// at most, and Trim gives back those that a burst left behind.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringmaster {

class FramePool {
 public:
  FramePool() = default;
  // REQUIRES: all frames were given back.
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  // Frames made on this thread while the scope lives come from `pool`.
  class Scope {
   public:
    explicit Scope(FramePool& pool);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    FramePool* previous_;
  };

  // From the current pool, or from the allocator where there is none.
  static void* Allocate(size_t size);
  // To wherever the frame came from.
  static void Free(void* frame) noexcept;

  // Called now and then (about once a second): gives back frames that were not needed since.
  void Trim();

  size_t live() const { return live_; }           // frames in use
  uint64_t frames() const { return frames_; }     // handed out so far
  uint64_t allocated() const { return misses_; }  // how often the allocator was asked for one
  size_t kept_bytes() const { return kept_; }     // in free frames

 private:
  struct Header;
  struct FreeList {
    Header* first = nullptr;
    size_t count = 0;
    size_t lowest = 0;  // fewest since the last Trim: those were surplus
  };
  static constexpr size_t kStep = 128;
  static constexpr size_t kClasses = 33;  // up to 4 KiB; larger frames are not kept
  static constexpr size_t kKeep = 1U << 20;

  Header* Take(size_t size_class);
  bool Keep(Header* header);
  void Drop(FreeList& list);

  FreeList free_[kClasses];
  size_t live_ = 0;
  size_t kept_ = 0;
  uint64_t frames_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace ringmaster
