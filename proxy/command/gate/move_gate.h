// What a worker does to the commands of one pool while keys move: holds them back during the
// freeze, and brings each key to its new owner before its first command. The core is
// move/moving_keys.h; here are the commands and the barrier.
//
// Owner: a PoolWorker, on its thread. The warm path asks CommandContext::moving and nothing else.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "command/call/call.h"
#include "command/call/serving.h"
#include "command/gate/held_call.h"
#include "move/moving_keys.h"
#include "ring/ring_move.h"

namespace ringmaster {

class MoveGate {
 public:
  MoveGate(CommandContext& context, const Serving& serving)
      : context_(context), serving_(serving) {}
  MoveGate(const MoveGate&) = delete;
  MoveGate& operator=(const MoveGate&) = delete;

  // True: the command was taken over; it runs later, or is answered. REQUIRES: context.moving.
  bool Hold(Call& call);
  // For a command that begins anew: `then` runs, at once or later, when it may be sent, or with the
  // error that its client gets.
  using Entered = std::function<void(const std::string& error)>;
  void Enter(int database, const std::vector<Bytes>& keys, Entered then);
  // Somebody waits for the key to arrive.
  bool IsAwaited(int database, Bytes key) const { return keys_.IsAwaited(database, key); }
  // Whether a request may be passed on to its shard while it arrives.
  bool MayStream(int database, Bytes key) const;

  // The four orders of the coordinator. `drained` is called once, when everything that was under
  // way on the donors before the freeze is answered; not after a thaw.
  void Freeze(std::shared_ptr<const RingMove> move, TimePoint now, std::function<void()> drained);
  void Thaw();
  // After the router has the new topology.
  void Switch(std::shared_ptr<const RingMove> move);
  void Settle();
  // Several times a millisecond would be too often; once is right, while freezing().
  void Poll();
  bool freezing() const { return drained_ != nullptr; }
  size_t waiting() const { return keys_.waiting(); }
  size_t waiting_bytes() const { return held_bytes_.value(); }

  // A recipe that touches keys began, and ended: a freeze waits for those that began before it.
  uint64_t OnRecipeBegan() { return ++recipes_[generation_], generation_; }
  void OnRecipeEnded(uint64_t generation);
  // A freeze waits for those that began in this generation.
  bool FreezeWaitsFor(uint64_t generation) const { return freezing() && generation < generation_; }

 private:
  bool FindMovingKeys(const Call& call);
  bool TouchesEveryKey(const Call& call) const;
  void Look(int database, Bytes key);
  const std::string& OwnerOf(Bytes key) const;
  void CarryOut();
  void Go(MovingKeys::Token token);
  void Fail(MovingKeys::Token token);
  std::unique_ptr<HeldCall> Take(MovingKeys::Token token);
  void Ask(const MovingKeys::Pull& pull);
  void OnReadable(uint64_t epoch, const MovingKeys::Pull& pull, MovingKeys::Copy copy);
  void EndReads(uint64_t epoch, const MovingKeys::Pull& pull, std::function<void()> ended);
  void AwaitReads(uint32_t old_owner, TimePoint since, std::function<void()> ended);
  void ReadOld(Call& call);
  void OnPulled(uint64_t epoch, const MovingKeys::Pull& pull, const std::string& error);
  bool Drained() const;
  void StateChanged() { context_.moving = keys_.state() != MovingKeys::State::kStable; }

  CommandContext& context_;
  const Serving serving_;
  MovingKeys keys_;
  MovingKeys::Actions actions_;
  bool carrying_out_ = false;
  std::string why_;                         // of those that fail
  std::shared_ptr<const RingMove> move_;    // in force; empty: none
  std::shared_ptr<const RingMove> frozen_;  // of the freeze under way
  MovingKeys::Token last_token_ = 0;
  HeldBytes held_bytes_;  // before those who give back to it
  std::unordered_map<MovingKeys::Token, std::unique_ptr<HeldCall>> held_;
  std::unordered_map<MovingKeys::Token, Entered> entering_;
  std::vector<MovingKeys::Key> touched_;  // by the call at hand, while it is
  std::function<void()> drained_;
  TimePoint frozen_at_{};
  uint64_t generation_ = 0;
  std::map<uint64_t, size_t> recipes_;  // under way, by the generation they began in
};

}  // namespace ringmaster
