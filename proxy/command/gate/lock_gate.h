// What a worker does to the commands of one pool while keys are locked: holds back those that touch
// them, and says when nothing is under way on a key that is to be locked (docs/sagas.md).
// The core is lock/locked_keys.h; here are the commands and the drain.
//
// Owner: a PoolWorker, on its thread. The warm path asks CommandContext::locked and nothing else.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "command/call/call.h"
#include "command/call/serving.h"
#include "command/gate/held_call.h"
#include "lock/lock_service.h"
#include "lock/locked_keys.h"

namespace ringmaster {

class LockGate final : public LockParticipant {
 public:
  // How long a command, or a request for locks, waits for others before it is refused.
  static constexpr Duration kLockWait = std::chrono::seconds(2);
  // And altogether, while what is under way at a shard before the lock gets on: with large replies
  // in front it takes seconds, and one Redis would let the command wait as well.
  static constexpr Duration kLongestLockWait = std::chrono::seconds(10);

  LockGate(CommandContext& context, const Serving& serving, LockService& service, size_t worker)
      : context_(context), serving_(serving), service_(service), worker_(worker) {}
  LockGate(const LockGate&) = delete;
  LockGate& operator=(const LockGate&) = delete;

  // True: the command was taken over; it runs later, or is answered. REQUIRES: context.locked.
  bool Hold(Call& call);
  // The same for a call of kWholeDatabase, until nothing that was committed before it has left
  // something on a shard; it runs all the same when that takes long.
  bool HoldUntilSwept(Call& call);
  // Whether a write may be passed on to its shard while it arrives.
  bool MayStream(int database, Bytes key) const { return locked_.IsFree(database, key, false); }

  LockService& service() { return service_; }
  // Asks for locks. `done` runs once, later or at once: with the ticket, to be given back by
  // service().Release, or with 0 when they were not to be had in time.
  using Done = LockService::Granted;
  // `patience`: it waits no longer, whatever for; without it as kLockWait says.
  void Acquire(std::vector<LockKey> keys, Done done, std::optional<Duration> patience = {});

  // LockParticipant.
  void Lock(LockTicket ticket, const LockKeys& keys) override;
  void Unlock(LockTicket ticket, const std::vector<LockKey>& keys) override;

  // A recipe that touches keys began, and ended: a lock waits for those that began before it.
  uint64_t OnRecipeBegan() { return ++recipes_[generation_], generation_; }
  void OnRecipeEnded(uint64_t generation);

  // At the end of each turn.
  void EndTurn() {
    if (!draining_.empty() || !everything_.empty() || !unswept_.empty()) [[unlikely]]
      Poll();
  }
  void Tick(TimePoint now);
  size_t waiting() const { return held_.size() + everything_.size() + unswept_.size(); }
  size_t waiting_bytes() const { return held_bytes_.value(); }

 private:
  struct Draining {
    LockTicket ticket;
    LockKeys keys;
    TimePoint since;
    uint64_t generation;
    std::vector<uint32_t> shards;
    uint64_t routes;       // Router::version() that they are of
    bool awaited = false;  // one of the keys, at the last look
    bool stands = false;   // nothing got on, at the last tick
  };

  // A request for locks that waits.
  struct Wanted {
    TimePoint since;
    LockTicket ticket;
    Done done;
    std::optional<Duration> patience;
  };

  bool FindTouched(const Call& call);
  bool TouchesOnlyFree() const;
  bool TouchesEveryKey(const Call& call) const;
  const std::string& ShardOfTouched() const;  // of the first of them
  void CarryOut();
  void Poll();
  bool Drained(Draining& drain);
  bool Progresses(const Draining& drain, TimePoint now) const;
  bool IsAwaited(const LockKeys& keys) const;
  void StartDrain(LockTicket ticket);
  bool IsLate(const Wanted& wanted, TimePoint now) const;
  bool IsLate(LockedKeys::Token token, TimePoint now) const;  // REQUIRES: it is held
  std::unique_ptr<HeldCall> Take(LockedKeys::Token token);
  void RunSwept(TimePoint now);
  void StateChanged() { context_.locked = !locked_.empty(); }

  CommandContext& context_;
  const Serving serving_;
  LockService& service_;
  const size_t worker_;
  LockedKeys locked_;
  LockedKeys::Actions actions_;
  bool carrying_out_ = false;
  LockedKeys::Token last_token_ = 0;
  HeldBytes held_bytes_;                                         // before those who give back to it
  std::map<LockedKeys::Token, std::unique_ptr<HeldCall>> held_;  // in the order of arrival
  std::vector<std::unique_ptr<HeldCall>>
      everything_;                                  // FLUSHALL and its kin, until nothing is locked
  std::vector<std::unique_ptr<HeldCall>> unswept_;  // until what sagas left is gone
  std::vector<LockedKeys::Key> touched_;            // by the call at hand, while it is
  bool reads_only_ = false;                         // it does
  std::unordered_map<LockTicket, LockKeys> to_drain_;  // told to lock, not first yet
  std::vector<Draining> draining_;
  std::map<uint64_t, Wanted> wanted_;  // in the order of asking
  uint64_t last_wanted_ = 0;
  uint64_t generation_ = 0;
  std::map<uint64_t, size_t> recipes_;  // under way, by the generation they began in
};

}  // namespace ringmaster
