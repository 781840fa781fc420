#include "server/rebalancer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/planted.h"
#include "server/snapshot.h"
#include "server/state.h"
#include "server/status.h"
#include "server/stored_ring.h"
#include "worker/worker_group.h"

namespace ringmaster {
namespace {

// How long commands on moving keys may be held back before the old owners serve again.
constexpr Duration kFreeze = std::chrono::milliseconds(250);
constexpr Duration kFirstRetry = std::chrono::milliseconds(250);
constexpr Duration kLastRetry = std::chrono::seconds(15);

}  // namespace

Rebalancer::Rebalancer(const ServerStatus& status, const State& state, WorkerGroup& workers,
                       Loop& main, Mailbox& mailbox, size_t pool)
    : status_(status),
      workers_(workers),
      mailbox_(mailbox),
      pool_(pool),
      database_(state.database()),
      why_no_state_(state.why_not()),
      coordinator_(workers.size()),
      freeze_timer_(main,
                    [this] {
                      Actions actions;
                      coordinator_.OnFreezeTimeout(coordinator_.round(), actions);
                      if (!actions.empty()) {
                        RetryLater("a donor did not answer everything within the freeze");
                      }
                      CarryOut(actions);
                    }),
      retry_timer_(main, [this] { Consider(); }),
      settle_timer_(main, [this] { WriteSettled(); }) {}

Rebalancer::~Rebalancer() { Stop(); }

void Rebalancer::Stop() {
  stopping_ = true;
  freeze_timer_.Stop();
  retry_timer_.Stop();
  settle_timer_.Stop();
  executor_.Stop();
  planner_.Stop();
  RetireMovers();
  for (const auto& set : sets_) {
    for (const auto& mover : set->movers) mover->Stop();
  }
}

void Rebalancer::Post(std::function<void()> message) {
  mailbox_.Post([this, message = std::move(message)] {
    if (!stopping_) message();
  });
}

ClientFigures Rebalancer::Clients() const {
  return {.latency = [&workers = workers_] { return workers.latency(); },
          .busiest = [&workers = workers_] { return workers.busiest(); }};
}

void Rebalancer::Start() {
  MarkShards();
  Consider();
}

// --- a reload ---

struct Rebalancer::Prepared {
  std::shared_ptr<const CompiledConfig> next;
  Ring ring, next_ring, next_from, next_to;  // with where the shards are now
  std::shared_ptr<const RouteSnapshot> snapshot;
  double share = 0;  // of the keys that change owner
};

Result<std::shared_ptr<Rebalancer::Prepared>> Rebalancer::Prepare(
    std::shared_ptr<const CompiledConfig> next) const {
  auto prepared = std::make_shared<Prepared>(
      Prepared{std::move(next), ring_, next_, next_from_, next_to_, nullptr, 0});
  const CompiledConfig& compiled = *prepared->next;
  const PoolConfig& wanted = compiled.config().pools[pool_];
  const Ring& base = move_ != nullptr ? next_ : ring_;
  auto plan = RingMove::Plan(SpecOf(base.pool), SpecOf(wanted), base.epoch + 1);
  if (!plan) return plan.error();
  prepared->share = (*plan)->share();
  if (!(*plan)->empty() && database_ == nullptr) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("pool '{}': {:.2f} % of the keys would change owner, and moving them "
                             "needs the state database: {}. Set saga.journal to a file that can be "
                             "written and restart",
                             wanted.name, prepared->share * 100, why_no_state_)};
  }
  for (Ring* ring :
       {&prepared->ring, &prepared->next_ring, &prepared->next_from, &prepared->next_to}) {
    RefreshShards(ring->pool, wanted);
  }
  if ((*plan)->empty() && !busy()) prepared->ring.pool = wanted;
  auto snapshot = SnapshotOf(prepared->ring, prepared->next_ring, compiled);
  if (!snapshot) return snapshot.error();
  prepared->snapshot = std::move(*snapshot);
  return prepared;
}

std::string Rebalancer::Use(Prepared& prepared) {
  compiled_ = std::move(prepared.next);
  abandoned_ = false;
  refused_.clear();
  retry_after_ = Duration(0);
  retry_timer_.Stop();
  ring_ = std::move(prepared.ring);
  next_ = std::move(prepared.next_ring);
  next_from_ = std::move(prepared.next_from);
  next_to_ = std::move(prepared.next_to);
  snapshot_ = std::move(prepared.snapshot);
  KeepLoginsOfLeaving();
  PostSnapshot();
  if (movers_ != nullptr) {
    movers_->context.max_keys_per_second = config().rebalance.max_keys_per_second;
    movers_->context.durable_move = config().rebalance.durable_move;
    movers_->context.pacer->set_floor(config().schedule.background_share);
  }
  const bool under_way = busy();
  Consider();
  std::string text = fmt::format("pool {}: {} shards, {:.2f} % of the keys changed owner",
                                 Wanted().name, Wanted().shards.size(), prepared.share * 100);
  if (prepared.share > 0) {
    text += under_way          ? ", their move follows the one under way"
            : refused_.empty() ? ", their move is being prepared (PROXY REBALANCE STATUS)"
                               : ", they do not move: " + refused_;
  }
  return text;
}

bool Rebalancer::busy() const { return coordinator_.phase() != MoveCoordinator::Phase::kStable; }

// Whether the ring in force is the one that is wanted; if not, the move begins.
void Rebalancer::Consider() {
  if (busy() || abandoned_ || stopping_ || database_ == nullptr) return;
  auto plan = RingMove::Plan(SpecOf(ring_.pool), SpecOf(Wanted()), ring_.epoch + 1);
  if (!plan) {
    refused_ = plan.error().text;
    return;
  }
  if ((*plan)->empty()) {
    if (ring_.pool.ring == Wanted().ring && ring_.pool.shards == Wanted().shards) return;
    ring_.pool = Wanted();
    log_->Write(EpochLog::State::kSettled, {ring_.epoch, Write(ring_.pool)}, [](bool) {});
    if (MakeCurrent().ok()) PostSnapshot();
    return;
  }
  next_move_ = *plan;
  next_from_ = ring_;
  next_to_ = {ring_.epoch + 1, Wanted()};
  Actions actions;
  coordinator_.Start(next_move_->donors().size(), actions);
  CarryOut(actions);
}

void Rebalancer::RetryLater(const std::string& why) {
  if (refused_ != why) {
    LogWarning("pool {}: keys do not move yet, the old owners serve: {}", Wanted().name, why);
  }
  refused_ = why;
  retry_after_ = std::clamp(retry_after_ * 2, kFirstRetry, kLastRetry);
  retry_timer_.StartOnce(retry_after_);
}

// --- carrying out ---

void Rebalancer::CarryOut(const Actions& actions) {
  for (const MoveCoordinator::Action action : actions) Do(action);
}

void Rebalancer::Answer(void (MoveCoordinator::*answer)(bool, Actions&), bool ok) {
  Actions actions;
  (coordinator_.*answer)(ok, actions);
  CarryOut(actions);
}

void Rebalancer::WriteRing(EpochLog::State state, const Ring& ring,
                           void (MoveCoordinator::*answer)(bool, Actions&)) {
  log_->Write(state, {ring.epoch, Write(ring.pool)}, [this, answer](bool ok) {
    Post([this, answer, ok] {
      if (!ok) RetryLater("the state database could not be written");
      Answer(answer, ok);
    });
  });
}

void Rebalancer::Do(MoveCoordinator::Action action) {
  using Action = MoveCoordinator::Action;
  switch (action) {
    case Action::kWritePlan:
      return WriteRing(EpochLog::State::kPlan, next_to_, &MoveCoordinator::OnPlanWritten);
    case Action::kPrepare:
      return CheckShards();
    case Action::kDiscardPlan:
      next_move_.reset();
      return log_->Discard(next_to_.epoch, [](bool) {});
    case Action::kPostFreeze:
      RM_CRASH_POINT("move-freeze");
      return PostFreeze();
    case Action::kStartTimer:
      return freeze_timer_.StartOnce(kFreeze);
    case Action::kPostThaw:
      freeze_timer_.Stop();
      return workers_.Post(pool_, [](PoolWorker& worker) { worker.Thaw(); });
    case Action::kHaltMovers:
      return HaltMovers();
    case Action::kResumeMovers:
      for (const auto& mover : movers_->movers) mover->Resume();
      return;
    case Action::kWriteBarrier:
      freeze_timer_.Stop();
      RM_CRASH_POINT("move-drained");
      return WriteRing(EpochLog::State::kAlone, next_to_, &MoveCoordinator::OnBarrierWritten);
    case Action::kPostSwitch:
      return PostSwitch();
    case Action::kStartMovers:
      if (movers_ == nullptr) MakeMovers();
      return;
    case Action::kWriteSettled:
      RM_CRASH_POINT("move-swept");
      return WriteSettled();
    case Action::kPostSettle:
      return PostSettle();
    case Action::kStopMovers:
      return RetireMovers();
  }
}

void Rebalancer::CheckShards() {
  const uint64_t attempt = ++attempt_;
  MoveCheckOptions options = CheckOptions();
  options.move = next_move_;
  for (const ShardConfig& shard : ShardsOf(*next_move_, next_from_.pool, next_to_.pool)) {
    options.targets.push_back(TargetOf(shard));
  }
  options.reversal = coordinator_.reversing();
  options.mark = MarkOf(next_from_, &next_to_);
  options.claim = std::exchange(claim_, false);
  options.given_up = given_up_;
  const auto check = [this, attempt, options] {
    executor_.Run([this, attempt, options] {
      const Status result = CheckMove(options);
      Post([this, attempt, result] { EndPrepare(attempt, result); });
    });
  };
  if (!options.reversal) return check();
  // What is on both sides of the move that is turned around must be settled before.
  struct Round {
    size_t left;
    Status worst = Done();
  };
  auto round = std::make_shared<Round>();
  round->left = movers_->movers.size();
  for (const auto& mover : movers_->movers) {
    mover->Resolve([this, attempt, round, check](const Status& resolved) {
      Post([this, attempt, round, check, resolved] {
        if (!resolved) round->worst = resolved;
        if (--round->left > 0) return;
        if (!round->worst) return EndPrepare(attempt, round->worst);
        check();
      });
    });
  }
}

void Rebalancer::EndPrepare(uint64_t attempt, const Status& result) {
  if (attempt != attempt_) return;
  if (!result) {
    if (coordinator_.reversing()) {
      refused_ = result.error().text;
      LogWarning("pool {}: the move is not turned around: {}", Wanted().name, refused_);
    } else {
      RetryLater(result.error().text);
    }
  }
  Answer(&MoveCoordinator::OnPrepared, result.ok());
}

void Rebalancer::PostFreeze() {
  frozen_at_ = MonotonicNow();
  workers_.Post(pool_, [this, move = next_move_, round = coordinator_.round()](PoolWorker& worker) {
    worker.Freeze(move, [this, round, index = worker.index()] {
      Post([this, round, index] {
        Actions actions;
        coordinator_.OnAck(index, round, actions);
        CarryOut(actions);
      });
    });
  });
}

void Rebalancer::HaltMovers() {
  struct Round {
    size_t left;
    bool clean = true;
  };
  auto round = std::make_shared<Round>();
  round->left = movers_->movers.size();
  for (const auto& mover : movers_->movers) {
    mover->Halt([this, round](bool clean) {
      Post([this, round, clean] {
        round->clean = round->clean && clean;
        if (--round->left == 0) Answer(&MoveCoordinator::OnHalted, round->clean);
      });
    });
  }
}

void Rebalancer::MakeMovers() {
  MoverSet* const set = sets_.emplace_back(std::make_unique<MoverSet>()).get();
  MoverContext& context = set->context;
  context.move = move_;
  for (const ShardConfig& shard : ShardsOf(*move_, ring_.pool, next_.pool)) {
    context.targets.push_back(TargetOf(shard));
  }
  context.client_name = NameOf("mover");
  context.databases = static_cast<int>(Wanted().databases);
  context.connect_timeout = config().timeouts.connect;
  context.command_timeout = config().timeouts.command;
  context.batch = config().rebalance.batch;
  context.durable_move = config().rebalance.durable_move;
  context.max_keys_per_second = config().rebalance.max_keys_per_second;
  context.pacer = std::make_shared<MovePacer>(Clients(), config().schedule.background_share,
                                              move_->donors().size());
  for (size_t i = 0; i < move_->donors().size(); ++i) {
    const auto swept = [this, i, epoch = move_->epoch()] {
      Post([this, i, epoch] {
        if (move_ == nullptr || move_->epoch() != epoch) return;
        Actions actions;
        coordinator_.OnSwept(i, actions);
        CarryOut(actions);
      });
    };
    set->movers.push_back(std::make_unique<Mover>(context, move_->donors()[i], swept));
    if (given_up_.contains(context.targets[move_->donors()[i]].name)) set->movers.back()->Abandon();
  }
  // Who lets go of it last may be one of its own threads, and nobody ends those but the main one.
  movers_ = {set, [this](MoverSet* unknown) {
               Post([this, unknown] {
                 std::erase_if(sets_, [&](const auto& each) { return each.get() == unknown; });
               });
             }};
  moving_since_ = MonotonicNow();
}

void Rebalancer::RetireMovers() {
  if (movers_ == nullptr) return;
  for (const auto& mover : movers_->movers) {
    const MoverFigures each = mover->figures();
    retired_figures_.keys += each.keys;
    retired_figures_.bytes += each.bytes;
    retired_figures_.pulls += each.pulls;
  }
  movers_.reset();
}

void Rebalancer::PostSwitch() {
  RM_CRASH_POINT("move-barrier");
  ring_ = next_from_;
  next_ = next_to_;
  move_ = std::exchange(next_move_, nullptr);
  if (const Status made = MakeCurrent(); !made) {
    LogError("pool {}: {}", Wanted().name, made.error().text);
  }
  RetireMovers();
  MakeMovers();
  workers_.Post(pool_, [snapshot = snapshot_, movers = movers_](PoolWorker& worker) {
    if (Planted("one-worker-not-told") && worker.index() == 1) return worker.Thaw();
    worker.Switch(snapshot, movers);
  });
  MarkShards();
  last_freeze_ = MonotonicNow() - frozen_at_;
  longest_freeze_ = std::max(longest_freeze_, last_freeze_);
  ++freezes_;
  refused_.clear();
  retry_after_ = Duration(0);
  LogInfo("pool {}: epoch {} begins, {:.2f} % of the keys move; commands on them waited {} us",
          Wanted().name, next_.epoch, move_->share() * 100, Microseconds(last_freeze_));
}

void Rebalancer::WriteSettled() {
  log_->Write(EpochLog::State::kSettled, {next_.epoch, Write(next_.pool)}, [this](bool ok) {
    Post([this, ok] {
      if (ok) return Answer(&MoveCoordinator::OnSettledWritten, true);
      settle_timer_.StartOnce(std::chrono::seconds(1));
    });
  });
}

void Rebalancer::PostSettle() {
  MoverFigures total;
  for (const auto& mover : movers_->movers) {
    const MoverFigures each = mover->figures();
    total.keys += each.keys;
    total.bytes += each.bytes;
    total.pulls += each.pulls;
  }
  std::string leaving;
  for (uint32_t i = 0; i < move_->shards().size(); ++i) {
    if (move_->to()->shards()[i].absent) leaving += " " + move_->shards()[i].name;
  }
  ++moves_;
  ring_ = next_;
  move_.reset();
  given_up_.clear();
  if (const Status made = MakeCurrent(); !made) {
    LogError("pool {}: {}", Wanted().name, made.error().text);
  }
  last_moved_ = fmt::format("epoch {}: {} keys, {} bytes in {:.1f} s, {} of them pulled by clients",
                            ring_.epoch, total.keys, total.bytes,
                            std::chrono::duration<double>(MonotonicNow() - moving_since_).count(),
                            total.pulls);
  LogInfo("pool {}: every key has arrived: {}", Wanted().name, last_moved_);
  const auto left = std::make_shared<size_t>(workers_.size());
  workers_.Post(pool_, [this, snapshot = snapshot_, left, leaving](PoolWorker& worker) {
    worker.Settle(snapshot);
    Post([this, left, leaving] {
      if (--*left > 0) return;
      if (!leaving.empty()) {
        safe_to_stop_ = leaving.substr(1);
        LogInfo("pool {}: no key is left on{}: safe to stop", Wanted().name, leaving);
      }
      MarkShards();
      Consider();
    });
  });
}

}  // namespace ringmaster
