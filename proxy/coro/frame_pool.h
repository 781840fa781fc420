// Memory of coroutine frames. A worker makes its pool the current one of its thread; frames made on
// that thread come from it and go back to it, so that warm recipes do not touch the allocator.
#pragma once

#include <cstddef>
#include <vector>

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
  static void Free(void* frame);

  size_t live() const { return live_; }
  size_t allocated() const { return allocated_; }  // how often the allocator was asked

 private:
  struct Header;
  static constexpr size_t kStep = 128;
  static constexpr size_t kClasses = 32;  // up to 4 KiB; larger frames are not kept
  static constexpr size_t kKeep = 256;    // of each class

  std::vector<void*> free_[kClasses];
  size_t live_ = 0;
  size_t allocated_ = 0;
};

}  // namespace ringmaster
