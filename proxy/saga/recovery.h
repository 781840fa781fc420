// What a proxy does about the sagas that a former process left open, before its listeners open
// (docs/sagas.md): fence the former process on every shard, then undo what was not committed and
// clean up what was. A shard that cannot be reached keeps only its own keys locked; the proxy
// serves the rest and goes on trying. Sans-I/O, as the sagas it drives.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "saga/journal.h"
#include "saga/saga.h"

namespace ringmaster {

struct RecoveryAction {
  enum class Kind : uint8_t {
    kFence,  // kill what older incarnations left connected to `shard` (its former `address` when
             // the name is not known any more), after `delay`; answer: OnFenced
    kSaga,   // carry out `action` of saga number `saga`; answer to saga(), and hand its actions to
             // Take
    kOpen,   // the listeners may open; once
  };
  Kind kind;
  std::string shard = {};
  std::string address = {};
  Duration delay{};
  size_t saga = 0;
  SagaAction action{SagaAction::Kind::kFinished};
};
using RecoveryActions = std::vector<RecoveryAction>;

class Recovery {
 public:
  struct Shard {
    std::string name;
    std::string address;
  };

  // `shards`: all that are configured. Those that only the sagas name are added.
  Recovery(std::vector<OpenSaga> open, const std::vector<Shard>& shards, const SagaLimits& limits);

  void Start(RecoveryActions& out);
  // `reached`: nothing of an older incarnation can arrive at the shard any more. One that was not
  // reached gets no request of anybody's before it is fenced, also after kOpen.
  void OnFenced(const std::string& shard, bool reached, RecoveryActions& out);

  size_t size() const { return sagas_.size(); }
  Saga& saga(size_t index) { return sagas_[index]; }
  const std::vector<std::string>& notes(size_t index) const { return notes_[index]; }
  // After each event of saga(index): what it wants done. Requests to shards that are not fenced yet
  // wait here; those to shards that cannot be reached are answered as lost.
  void Take(size_t index, SagaActions actions, RecoveryActions& out);

  bool open() const { return opened_; }
  // Nothing is left to do; poisoned ones wait for the operator.
  bool done() const;

 private:
  enum class Reach : uint8_t { kUnknown, kFenced, kUnreachable };
  struct Target {
    std::string address;
    Reach reach = Reach::kUnknown;
    int attempts = 0;
    std::vector<std::pair<size_t, SagaAction>> waiting;
  };

  void Fence(const std::string& shard, RecoveryActions& out);
  void MaybeOpen(RecoveryActions& out);

  const SagaLimits limits_;
  std::vector<Saga> sagas_;
  std::vector<std::vector<std::string>> notes_;
  std::vector<bool> gave_up_;  // by saga: the keys that it need not hold
  std::map<std::string, Target> targets_;
  bool opened_ = false;
};

}  // namespace ringmaster
