#include "move/move_coordinator.h"

#include <algorithm>

namespace ringmaster {
namespace {

bool All(const std::vector<bool>& flags) {
  return std::all_of(flags.begin(), flags.end(), [](bool flag) { return flag; });
}

}  // namespace

void MoveCoordinator::Begin(size_t donors, Actions& out) {
  next_donors_ = donors;
  phase_ = Phase::kPlanning;
  out.push_back(Action::kWritePlan);
}

void MoveCoordinator::Start(size_t donors, Actions& out) {
  if (phase_ != Phase::kStable) return;
  reversing_ = false;
  Begin(donors, out);
}

void MoveCoordinator::Reverse(size_t donors, Actions& out) {
  if (phase_ != Phase::kMoving) return;
  reversing_ = true;
  Begin(donors, out);
}

void MoveCoordinator::Resume(size_t donors, Actions& out) {
  if (phase_ != Phase::kStable) return;
  phase_ = Phase::kMoving;
  donors_ = donors;
  swept_.assign(donors, false);
  out.push_back(Action::kStartMovers);
}

void MoveCoordinator::OnPlanWritten(bool ok, Actions& out) {
  if (phase_ != Phase::kPlanning) return;
  if (!ok) return Back(out, false);
  phase_ = Phase::kPreparing;
  out.push_back(Action::kPrepare);
}

void MoveCoordinator::OnPrepared(bool ok, Actions& out) {
  if (phase_ != Phase::kPreparing) return;
  if (!ok) return Back(out, false);
  phase_ = Phase::kFreezing;
  acked_.assign(workers_, false);
  ++round_;
  out.push_back(Action::kPostFreeze);
  out.push_back(Action::kStartTimer);
}

// To where the move began: stable, or in the middle of the move that was to be turned around.
void MoveCoordinator::Back(Actions& out, bool frozen) {
  if (frozen) out.push_back(Action::kPostThaw);
  out.push_back(Action::kDiscardPlan);
  phase_ = reversing_ ? Phase::kMoving : Phase::kStable;
  if (!reversing_) return;
  reversing_ = false;
  out.push_back(Action::kResumeMovers);
  if (All(swept_)) {
    phase_ = Phase::kSettling;
    out.push_back(Action::kWriteSettled);
  }
}

void MoveCoordinator::OnAck(size_t worker, uint64_t round, Actions& out) {
  if (phase_ != Phase::kFreezing || round != round_ || worker >= workers_) return;
  acked_[worker] = true;
  if (!All(acked_)) return;
  if (reversing_) {
    phase_ = Phase::kHalting;
    out.push_back(Action::kHaltMovers);
    return;
  }
  phase_ = Phase::kCommitting;
  out.push_back(Action::kWriteBarrier);
}

void MoveCoordinator::OnFreezeTimeout(uint64_t round, Actions& out) {
  if (phase_ != Phase::kFreezing || round != round_) return;
  Back(out, true);
}

void MoveCoordinator::OnHalted(bool clean, Actions& out) {
  if (phase_ != Phase::kHalting) return;
  if (!clean) return Back(out, true);
  phase_ = Phase::kCommitting;
  out.push_back(Action::kWriteBarrier);
}

void MoveCoordinator::OnBarrierWritten(bool ok, Actions& out) {
  if (phase_ != Phase::kCommitting) return;
  if (!ok) return Back(out, true);
  phase_ = Phase::kMoving;
  donors_ = next_donors_;
  swept_.assign(donors_, false);
  reversing_ = false;
  out.push_back(Action::kPostSwitch);
  out.push_back(Action::kStartMovers);
}

void MoveCoordinator::OnSwept(size_t donor, Actions& out) {
  if (donor >= swept_.size()) return;
  swept_[donor] = true;
  if (phase_ != Phase::kMoving || !All(swept_)) return;
  phase_ = Phase::kSettling;
  out.push_back(Action::kWriteSettled);
}

void MoveCoordinator::OnSettledWritten(bool ok, Actions& out) {
  if (phase_ != Phase::kSettling) return;
  if (!ok) {
    out.push_back(Action::kWriteSettled);
    return;
  }
  phase_ = Phase::kStable;
  out.push_back(Action::kPostSettle);
  out.push_back(Action::kStopMovers);
}

}  // namespace ringmaster
