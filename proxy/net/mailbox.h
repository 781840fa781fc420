// How other threads ask a loop's thread to do something: the only way besides immutable snapshots.
#pragma once

#include <functional>
#include <vector>

#include "base/mutex.h"

namespace ringmaster {

class Loop;

class Mailbox {
 public:
  using Message = std::function<void()>;

  explicit Mailbox(Loop& loop);
  // On the loop's thread. Messages not yet run are dropped.
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Any thread, never blocks for long. Messages run on the loop's thread in the order of posting.
  void Post(Message message);

 private:
  struct State;
  void Drain();

  State* state_;
  Mutex mutex_;
  std::vector<Message> waiting_ RM_GUARDED_BY(mutex_);
};

}  // namespace ringmaster
