// The sagas that a former process left open, at work on one worker (saga/recovery.h says what is to
// be done; here is how).
//
// Owner: the SagaSet of the pool's first worker, on its thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coro/task.h"
#include "saga/recovery.h"
#include "saga/saga_set.h"

namespace ringmaster {

class RecoveringSagas {
 public:
  // `opened` is called once: the listeners may open.
  RecoveringSagas(SagaSet& set, std::vector<OpenSaga> open,
                  const std::vector<Recovery::Shard>& shards, std::function<void()> opened);

  void Start();
  // What saga number `index` wants done.
  void Take(size_t index, SagaActions actions);

 private:
  void Carry(RecoveryActions actions);
  Task<void> Fence(std::string shard, std::string address);

  SagaSet& set_;
  Recovery recovery_;
  std::function<void()> opened_;
  std::deque<RecoveryAction> actions_;
  bool carrying_ = false;
};

// Kills what earlier lives of this proxy left connected to the shard; their names begin with
// `family`, those of this life with `own`. False: it did not answer, or refuses.
Task<bool> EndEarlierLives(FencedConnection& connection, std::string family, std::string own);

}  // namespace ringmaster
