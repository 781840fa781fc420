#include "saga/recovery.h"

#include <algorithm>

#include "base/crash_point.h"

namespace ringmaster {

Recovery::Recovery(std::vector<OpenSaga> open, const std::vector<Shard>& shards,
                   const SagaLimits& limits)
    : limits_(limits) {
  for (const Shard& shard : shards) targets_[shard.name].address = shard.address;
  for (OpenSaga& each : open) {
    for (const SagaStep& step : each.plan.steps) {
      Target& target = targets_[step.shard];
      if (target.address.empty()) target.address = step.address;
    }
    sagas_.push_back(Saga::Recovered(std::move(each.plan), each.found, each.poisoned, limits));
    notes_.push_back(std::move(each.notes));
  }
  gave_up_.resize(sagas_.size());
}

void Recovery::Start(RecoveryActions& out) {
  RM_CRASH_POINT("recovery-start");
  // In the order of the journal, so that two sagas of one key go one after the other, as they did.
  for (size_t i = 0; i < sagas_.size(); ++i) {
    SagaActions actions;
    sagas_[i].Start(actions);
    Take(i, std::move(actions), out);
  }
  for (const auto& [shard, target] : targets_) Fence(shard, out);
  MaybeOpen(out);
}

void Recovery::Fence(const std::string& shard, RecoveryActions& out) {
  Target& target = targets_[shard];
  target.reach = Reach::kUnknown;
  Duration delay{};
  if (target.attempts > 0) {
    delay = std::min(limits_.retry_max, limits_.retry_min * (1 << std::min(target.attempts, 16)));
  }
  ++target.attempts;
  out.push_back({.kind = RecoveryAction::Kind::kFence,
                 .shard = shard,
                 .address = target.address,
                 .delay = delay});
}

void Recovery::OnFenced(const std::string& shard, bool reached, RecoveryActions& out) {
  const auto found = targets_.find(shard);
  if (found == targets_.end() || found->second.reach == Reach::kFenced) return;
  RM_CRASH_POINT("recovery-fenced");
  Target& target = found->second;
  target.reach = reached ? Reach::kFenced : Reach::kUnreachable;
  std::vector<std::pair<size_t, SagaAction>> waiting;
  waiting.swap(target.waiting);
  for (auto& [index, action] : waiting) Take(index, {std::move(action)}, out);
  if (!reached) {
    Fence(shard, out);
    target.reach = Reach::kUnreachable;
  }
  MaybeOpen(out);
}

void Recovery::Take(size_t index, SagaActions actions, RecoveryActions& out) {
  Saga& saga = sagas_[index];
  SagaActions more;
  for (SagaAction& action : actions) {
    const bool undo = action.kind == SagaAction::Kind::kUndo;
    if (undo || action.kind == SagaAction::Kind::kCleanup) {
      Target& target = targets_[saga.plan().steps[action.step].shard];
      if (target.reach == Reach::kUnknown) {
        target.waiting.emplace_back(index, std::move(action));
        continue;
      }
      if (target.reach == Reach::kUnreachable) {
        undo ? saga.OnUndo(action.step, UndoOutcome::kLost, more)
             : saga.OnCleanup(action.step, false, more);
        continue;
      }
    }
    out.push_back(
        {.kind = RecoveryAction::Kind::kSaga, .saga = index, .action = std::move(action)});
  }
  if (!more.empty()) Take(index, std::move(more), out);
  MaybeOpen(out);
}

// Every shard was tried, and every saga is settled, or waits for shards that cannot be reached.
// Such a one gives up the keys of the others, for which a later saga may be in line.
void Recovery::MaybeOpen(RecoveryActions& out) {
  if (opened_) return;
  for (const auto& [shard, target] : targets_) {
    if (target.reach == Reach::kUnknown) return;
  }
  bool ready = true;
  for (size_t i = 0; i < sagas_.size(); ++i) {
    if (sagas_[i].settled()) continue;
    if (!sagas_[i].WaitsForShards()) {
      ready = false;
    } else if (!gave_up_[i]) {
      gave_up_[i] = true;
      SagaActions actions;
      sagas_[i].OnTimer(SagaAction::Timer::kTimeout, 0, actions);
      Take(i, std::move(actions), out);
    }
  }
  if (!ready || opened_) return;
  RM_CRASH_POINT("recovery-done");
  opened_ = true;
  out.push_back({.kind = RecoveryAction::Kind::kOpen});
}

bool Recovery::done() const {
  return opened_ &&
         std::all_of(sagas_.begin(), sagas_.end(), [](const Saga& saga) { return saga.settled(); });
}

}  // namespace ringmaster
