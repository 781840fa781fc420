// Hands out and takes back objects of one type without touching the allocator once warm. One
// thread. Free objects beyond `keep` go back to the allocator, so a burst does not stay.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace ringmaster {

template <typename T>
class ObjectPool {
 public:
  explicit ObjectPool(size_t keep = 4096) : keep_(keep) { free_.reserve(keep_); }
  ObjectPool(const ObjectPool&) = delete;
  ObjectPool& operator=(const ObjectPool&) = delete;
  ~ObjectPool() {
    for (void* memory : free_) ::operator delete(memory, std::align_val_t(alignof(T)));
  }

  template <typename... Args>
  T* New(Args&&... args) {
    void* memory;
    if (free_.empty()) {
      memory = ::operator new(sizeof(T), std::align_val_t(alignof(T)));
    } else {
      memory = free_.back();
      free_.pop_back();
    }
    ++live_;
    return new (memory) T(std::forward<Args>(args)...);
  }

  void Delete(T* object) {
    object->~T();
    --live_;
    if (free_.size() < keep_) {
      free_.push_back(object);
    } else {
      ::operator delete(object, std::align_val_t(alignof(T)));
    }
  }

  // Gives back to the allocator all but `count` free objects.
  void Trim(size_t count) {
    while (free_.size() > count) {
      ::operator delete(free_.back(), std::align_val_t(alignof(T)));
      free_.pop_back();
    }
  }

  size_t live() const { return live_; }
  size_t free() const { return free_.size(); }

 private:
  size_t keep_;
  size_t live_ = 0;
  std::vector<void*> free_;
};

}  // namespace ringmaster
