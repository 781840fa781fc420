// Mutexes, and the words that say in a declaration what a mutex guards. Clang holds all code
// against them (-Wthread-safety; scripts/lint does, with other compilers, too): who touches what is
// guarded without the lock is an error. Other compilers read past the words.
//
//     mutable Mutex mutex_;
//     size_t count_ RM_GUARDED_BY(mutex_) = 0;      // touched under mutex_ alone
//     void CountLocked() RM_REQUIRES(mutex_);       // called under it
//
// What is not seen: constructors and destructors are believed; a lambda is a function of its own,
// and says RM_REQUIRES itself where it runs under the lock.
#pragma once

#include <mutex>

#ifdef __clang__
#define RM_THREAD_SAFETY(words) __attribute__((words))
#else
#define RM_THREAD_SAFETY(words)
#endif

#define RM_GUARDED_BY(mutex) RM_THREAD_SAFETY(guarded_by(mutex))
#define RM_REQUIRES(mutex) RM_THREAD_SAFETY(requires_capability(mutex))
// Takes it itself: who holds it already must not call.
#define RM_EXCLUDES(mutex) RM_THREAD_SAFETY(locks_excluded(mutex))

namespace ringmaster {

template <typename Native>
class BasicMutexLock;

// With std's names, so that std's and others' helpers take it, unseen.
template <typename Native>
class RM_THREAD_SAFETY(capability("mutex")) BasicMutex {
 public:
  BasicMutex() = default;
  BasicMutex(const BasicMutex&) = delete;
  BasicMutex& operator=(const BasicMutex&) = delete;

  void lock() RM_THREAD_SAFETY(acquire_capability()) { native_.lock(); }
  void unlock() RM_THREAD_SAFETY(release_capability()) { native_.unlock(); }
  bool try_lock() RM_THREAD_SAFETY(try_acquire_capability(true)) { return native_.try_lock(); }

 private:
  friend class BasicMutexLock<Native>;
  Native native_;
};

using Mutex = BasicMutex<std::mutex>;
using RecursiveMutex = BasicMutex<std::recursive_mutex>;

// Holds a mutex for as long as it lives, but between unlock() and lock().
template <typename Native>
class RM_THREAD_SAFETY(scoped_lockable) BasicMutexLock {
 public:
  explicit BasicMutexLock(BasicMutex<Native>& mutex) RM_THREAD_SAFETY(acquire_capability(mutex))
      : lock_(mutex.native_) {}
  ~BasicMutexLock() RM_THREAD_SAFETY(release_capability()) {}
  BasicMutexLock(const BasicMutexLock&) = delete;
  BasicMutexLock& operator=(const BasicMutexLock&) = delete;

  void lock() RM_THREAD_SAFETY(acquire_capability()) { lock_.lock(); }
  void unlock() RM_THREAD_SAFETY(release_capability()) { lock_.unlock(); }
  // For std::condition_variable, which gives it back locked.
  std::unique_lock<Native>& native() { return lock_; }

 private:
  std::unique_lock<Native> lock_;
};

using MutexLock = BasicMutexLock<std::mutex>;
using RecursiveMutexLock = BasicMutexLock<std::recursive_mutex>;

}  // namespace ringmaster
