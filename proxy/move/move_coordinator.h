// The course of one change of the ring, as a state machine without I/O
// (docs/resharding.md). The owner carries out the actions in their order and reports what
// came of them; events that do not fit the phase are late and are ignored.
//
//   kStable -> kPlanning -> kPreparing -> kFreezing -> kCommitting -> kMoving -> kSettling ->
//   kStable
//
// Until the barrier is durable everything leads back to where it began; from then on only forward.
// A move can be turned around: that is a move of its own, with a freeze of its own, from kMoving.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringmaster {

class MoveCoordinator {
 public:
  enum class Phase : uint8_t {
    kStable,
    kPlanning,    // the plan is being written
    kPreparing,   // the checks run; the old owners serve
    kFreezing,    // workers hold back commands on moving keys and drain what is under way
    kHalting,     // a reversal: the movers of the move before stop, with nothing left in doubt
    kCommitting,  // the barrier is being written
    kMoving,
    kSettling,  // the end is being written
  };
  enum class Action : uint8_t {
    kWritePlan,     // answer: OnPlanWritten
    kPrepare,       // answer: OnPrepared
    kDiscardPlan,   // no answer needed
    kPostFreeze,    // to every worker; each answers by OnAck with the round
    kStartTimer,    // answer: OnFreezeTimeout with the round, if it comes to that
    kPostThaw,      // to every worker
    kHaltMovers,    // answer: OnHalted
    kResumeMovers,  // those of the move before go on
    kWriteBarrier,  // answer: OnBarrierWritten
    kPostSwitch,    // to every worker
    kStartMovers,   // each donor answers by OnSwept
    kWriteSettled,  // answer: OnSettledWritten
    kPostSettle,    // to every worker
    kStopMovers,    // nothing is left to move
  };
  using Actions = std::vector<Action>;

  explicit MoveCoordinator(size_t workers) : workers_(workers) {}

  Phase phase() const { return phase_; }
  // Tells a freeze from an earlier one, whose answers may still be on their way.
  uint64_t round() const { return round_; }
  bool reversing() const { return reversing_; }

  // From kStable; the number of donors must sweep before the end.
  void Start(size_t donors, Actions& out);
  // From kMoving: the same ranges back. The donors are those of the way back.
  void Reverse(size_t donors, Actions& out);
  // At start, when the log ends with a barrier: nothing of the ring before can be under way.
  void Resume(size_t donors, Actions& out);
  void OnPlanWritten(bool ok, Actions& out);
  void OnPrepared(bool ok, Actions& out);
  void OnAck(size_t worker, uint64_t round, Actions& out);
  void OnFreezeTimeout(uint64_t round, Actions& out);
  void OnHalted(bool clean, Actions& out);
  void OnBarrierWritten(bool ok, Actions& out);
  void OnSwept(size_t donor, Actions& out);
  void OnSettledWritten(bool ok, Actions& out);

 private:
  void Begin(size_t donors, Actions& out);
  void Back(Actions& out, bool frozen);

  size_t workers_;
  Phase phase_ = Phase::kStable;
  uint64_t round_ = 0;
  bool reversing_ = false;
  size_t donors_ = 0;
  size_t next_donors_ = 0;
  std::vector<bool> acked_;
  std::vector<bool> swept_;
};

}  // namespace ringmaster
