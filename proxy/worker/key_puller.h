// Brings the keys that a worker's clients wait for while ranges move: small ones over connections
// of the worker's own, in the steps of move/key_transfer.h, together with others of the same
// turn and donor; whatever is out of the ordinary goes to the donor's mover. Both ask the mover
// first, so one of them has a key at a time (move/carried_keys.h).
//
// A command whose outcome is unknown is made final by the connection's successor before anybody
// touches the key again; as long as that fails, the key stays where it is and commands on it fail.
//
// Owner: a PoolWorker, on its thread, which its mailbox and its timers are of.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/fenced_connection.h"
#include "command/call/proxy.h"
#include "coro/task.h"
#include "coro/task_set.h"
#include "move/key_transfer.h"
#include "move/mover.h"
#include "route/router.h"

namespace ringmaster {

class Mailbox;

class KeyPuller {
 public:
  using Pulling = Proxy::Pulling;

  // `home`: of its thread. `after`: as Proxy::After.
  KeyPuller(BackendContext& context, Router& router, Mailbox& home,
            std::function<void(Duration, std::function<void()>)> after)
      : context_(context), router_(router), home_(home), after_(std::move(after)) {}
  ~KeyPuller() { Close("the worker ends"); }
  KeyPuller(const KeyPuller&) = delete;
  KeyPuller& operator=(const KeyPuller&) = delete;

  // Who moves keys from now on; nullptr: nobody.
  void Use(std::shared_ptr<MoverSet> movers) { movers_ = std::move(movers); }
  // As Proxy::Pull and Proxy::HoldTransfers.
  void Pull(uint64_t epoch, uint32_t old_owner, int database, std::string key, Pulling pulling);
  void HoldTransfers(std::function<void(Result<Proxy::TransferHold>)> done);
  // What was asked for in this turn sets out. Before the connections are flushed.
  void EndTurn() {
    if (!waiting_.empty()) [[unlikely]]
      SetOut();
  }
  void Tick(TimePoint now);
  // For good.
  void Close(const std::string& why);

 private:
  struct Item {
    std::string key;
    Pulling pulling;
    uint32_t to = 0;
    FencedConnection* recipient = nullptr;
    KeyTransfer transfer = {};
    std::string payload = {};
    int64_t ttl = -1;
    TimePoint dumped_at = {};
    uint64_t size = 0;
    bool moved = false;
    bool left = false;   // to the mover
    bool broke = false;  // failed for a connection, not for an answer
    std::string error = {};
  };
  struct Batch {
    std::shared_ptr<MoverSet> set;
    Mover* mover = nullptr;
    FencedConnection* donor = nullptr;
    int database = 0;
    std::string script;
    std::vector<Item> items;
    TimePoint began{};
  };
  // What comes off one donor in one database.
  struct Way {
    std::shared_ptr<MoverSet> set;
    std::string script;
    std::deque<Item> waiting;
    size_t under_way = 0;  // batches
  };
  using Where = std::pair<Mover*, int>;

  void SetOut();
  // `mover` is of movers_.
  void PullOff(Mover& mover, int database, std::string key, Pulling pulling);
  void AskMover(Mover& mover, int database, std::string key, Pulling pulling);
  Task<void> Carry(Where where, std::shared_ptr<Batch> batch);
  Task<void> Dump(Batch& batch);
  Task<void> Restore(Batch& batch);
  static void TellReaders(const Batch& batch);
  Task<void> Unlink(Batch& batch);
  Task<bool> Fence(Batch& batch);
  static bool Unsettled(const Item& item);
  static bool Unsettled(const Batch& batch);
  static bool InDoubt(const Batch& batch);
  Task<void> Sleep(Duration delay);
  Task<void> WaitForFence(Batch& batch);
  void TakeDumps(Batch& batch, const std::vector<Item*>& asked, const Answer& answer);
  void End(Batch& batch, Item& item);
  FencedConnection& ConnectionTo(const MoverSet& set, uint32_t shard, int database);

  BackendContext& context_;
  Router& router_;
  Mailbox& home_;
  const std::function<void(Duration, std::function<void()>)> after_;
  std::shared_ptr<MoverSet> movers_;  // while keys move
  bool closed_ = false;
  std::map<Where, Way> ways_;
  std::vector<Where> waiting_;  // with something to set out
  std::map<std::pair<const ShardLink*, int>, std::unique_ptr<FencedConnection>> connections_;
  TaskSet tasks_;
};

}  // namespace ringmaster
