// A doubly linked list whose links live inside its elements: linking costs no allocation, and an
// element can take itself out in O(1). An element destroyed while linked is a bug and is caught.
#pragma once

#include <cstddef>

#include "base/check.h"

namespace ringmaster {

// Derive from ListHook<Tag> once for each list an object can be in at the same time.
template <typename Tag = void>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { RM_DCHECK(!linked()); }

  bool linked() const { return next_ != nullptr; }

 private:
  template <typename T, typename ListTag>
  friend class IntrusiveList;
  ListHook* previous_ = nullptr;
  ListHook* next_ = nullptr;
};

// Borrows its elements; whoever owns them takes them out first. One thread.
template <typename T, typename Tag = void>
class IntrusiveList {
  using Hook = ListHook<Tag>;

 public:
  IntrusiveList() { end_.previous_ = end_.next_ = &end_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    RM_DCHECK(empty());
    end_.previous_ = end_.next_ = nullptr;
  }

  bool empty() const { return end_.next_ == &end_; }
  // nullptr when empty.
  T* front() const { return empty() ? nullptr : static_cast<T*>(end_.next_); }
  T* back() const { return empty() ? nullptr : static_cast<T*>(end_.previous_); }
  // The element behind `element`, or nullptr at the end.
  T* next(const T& element) const {
    const Hook& hook = element;
    return hook.next_ == &end_ ? nullptr : static_cast<T*>(hook.next_);
  }

  void PushBack(T& element) { InsertBefore(end_, element); }
  void PushFront(T& element) { InsertBefore(*end_.next_, element); }
  // nullptr when empty.
  T* PopFront() {
    T* first = front();
    if (first != nullptr) Remove(*first);
    return first;
  }
  // REQUIRES: element is in this list.
  static void Remove(T& element) {
    Hook& hook = element;
    RM_DCHECK(hook.linked());
    hook.previous_->next_ = hook.next_;
    hook.next_->previous_ = hook.previous_;
    hook.previous_ = hook.next_ = nullptr;
  }
  // Moves all of `other` behind our last element, in order.
  void Append(IntrusiveList& other) {
    if (other.empty()) return;
    Hook* first = other.end_.next_;
    Hook* last = other.end_.previous_;
    other.end_.next_ = other.end_.previous_ = &other.end_;
    first->previous_ = end_.previous_;
    end_.previous_->next_ = first;
    last->next_ = &end_;
    end_.previous_ = last;
  }

 private:
  static void InsertBefore(Hook& position, T& element) {
    Hook& hook = element;
    RM_DCHECK(!hook.linked());
    hook.previous_ = position.previous_;
    hook.next_ = &position;
    position.previous_->next_ = &hook;
    position.previous_ = &hook;
  }

  Hook end_;
};

}  // namespace ringmaster
