// The locks of one pool, for all its workers: KeyLocks behind a mutex, and the way to each worker.
// Under the mutex actions are only handed on, so that every worker gets them in one order.
//
// Owner: the server, for as long as its workers run. Any thread.
#pragma once

#include <deque>
#include <functional>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "lock/key_locks.h"

namespace ringmaster {

// One worker's part, on its thread: holds commands back and says when nothing is under way.
class LockParticipant {
 public:
  // To be answered by LockService::OnAck, maybe from inside.
  virtual void Lock(LockTicket ticket, const LockKeys& keys) = 0;
  virtual void Unlock(LockTicket ticket, const std::vector<LockKey>& keys) = 0;

 protected:
  ~LockParticipant() = default;
};

class LockService {
 public:
  using Granted = std::function<void(LockTicket)>;
  // Runs `message` on that worker's thread, in the order of the calls; with one worker it may run
  // at once.
  using Post = std::function<void(size_t worker, std::function<void(LockParticipant&)> message)>;

  LockService(size_t workers, Post post)
      : workers_(workers), post_(std::move(post)), locks_(workers) {}
  LockService(const LockService&) = delete;
  LockService& operator=(const LockService&) = delete;

  // `granted` runs once on that worker's thread, later or at once, unless Release comes first. 0:
  // too many wait for one of the keys, and nothing happened.
  LockTicket Request(size_t worker, std::vector<LockKey> keys, Granted granted);
  void OnAck(LockTicket ticket, size_t worker);
  // As KeyLocks says.
  void SetStuck(LockTicket ticket);
  // All of it, granted or not.
  void Release(LockTicket ticket);
  // REQUIRES: granted.
  void ReleaseOthers(LockTicket ticket, const std::vector<LockKey>& kept);
  size_t locked_keys() const;
  // As KeyLocks says.
  bool WaitsForDrain(LockTicket ticket) const;
  bool AnyDrainsOf(const std::vector<LockTicket>& tickets) const;
  bool AnyDrains() const;
  // For good: nothing is carried out any more. Before the workers are destroyed.
  void Stop();

 private:
  struct Waiting {
    size_t worker;
    Granted granted;
  };

  void Carry(std::vector<LockAction> actions) RM_REQUIRES(mutex_);
  void Do(LockAction& action) RM_REQUIRES(mutex_);

  const size_t workers_;
  const Post post_;
  // Recursive: with one worker a message may run at once and call again.
  mutable RecursiveMutex mutex_;
  KeyLocks locks_ RM_GUARDED_BY(mutex_);
  std::unordered_map<LockTicket, Waiting> waiting_ RM_GUARDED_BY(mutex_);  // not granted yet
  std::deque<LockAction> actions_ RM_GUARDED_BY(mutex_);
  bool carrying_ RM_GUARDED_BY(mutex_) = false;
  bool stopped_ RM_GUARDED_BY(mutex_) = false;
};

}  // namespace ringmaster
