#include "command/gate/move_gate.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "command/call/transaction.h"
#include "command/table/keys.h"
#include "resp/errors.h"
#include "saga/saga_set.h"

namespace ringmaster {
namespace {

// Stands in the core for every key at once: what is asked of it waits for the end of a freeze.
constexpr int kEveryDatabase = -1;
constexpr Duration kReadsPoll = std::chrono::milliseconds(1);

// What is more than one read of one key waits like a write, for the sake of simplicity.
MovingKeys::Access AccessOf(const Call& call) {
  const Transaction* transaction = call.client.transaction.get();
  const Row& row = *call.command.row;
  const bool read = call.command.single_key != 0 && call.command.Is(kReadOnly) &&
                    row.plan.kind == PlanKind::kForward && row.except.applies == nullptr &&
                    (transaction == nullptr || !transaction->open);
  return read ? MovingKeys::Access::kRead : MovingKeys::Access::kWrite;
}

}  // namespace

void MoveGate::Look(int database, Bytes key) {
  const RingMove& move = frozen_ != nullptr ? *frozen_ : *move_;
  if (move.Locate(key).moves()) touched_.push_back({database, key});
}

bool MoveGate::FindMovingKeys(const Call& call) {
  touched_.clear();
  const auto look = [&](Bytes key) { Look(call.client.database, key); };
  const Transaction* transaction = call.client.transaction.get();
  if (transaction != nullptr && transaction->open) {
    // Whatever gets here is EXEC, or harms nobody by waiting.
    std::vector<uint32_t> positions;
    for (const Transaction::Queued& queued : transaction->queue) {
      positions.clear();
      if (!HasKeys(*queued.command->row)) continue;
      const std::vector<Bytes> args = queued.views();
      if (!FindKeys(*queued.command->row, args, positions)) continue;
      for (const uint32_t key : positions) look(args[key]);
    }
  } else if (const uint32_t key = call.command.single_key; key != 0) {
    look(call.args[key]);
  } else if (HasKeys(*call.command.row)) {
    std::vector<uint32_t>& positions = context_.key_positions;
    positions.clear();
    if (!FindKeys(*call.command.row, call.args, positions)) return false;
    for (const uint32_t key : positions) look(call.args[key]);
  }
  return !touched_.empty();
}

// FLUSHALL and FLUSHDB, alone or within a transaction.
bool MoveGate::TouchesEveryKey(const Call& call) const {
  const Transaction* transaction = call.client.transaction.get();
  if (transaction == nullptr || !transaction->open) return call.command.Is(kEveryKey);
  return std::any_of(transaction->queue.begin(), transaction->queue.end(),
                     [](const auto& queued) { return queued.command->Is(kEveryKey); });
}

bool MoveGate::Hold(Call& call) {
  const bool everything = TouchesEveryKey(call);
  FindMovingKeys(call);
  if (everything) touched_.push_back({kEveryDatabase, Bytes()});
  if (touched_.empty()) return false;
  const MovingKeys::Token token = ++last_token_;
  if (!held_bytes_.HasRoomFor(call)) [[unlikely]] {
    const std::string reply = errors::NotApplied(
        OwnerOf(touched_[0].key), "too many commands wait for keys on the move; try again");
    RefuseCall(call.command, &call.client, call.exchange, reply);
    return true;
  }
  switch (keys_.Touch(token, touched_, AccessOf(call), actions_)) {
    case MovingKeys::Verdict::kRuns:
      if (everything) serving_.after_move(call);
      return everything;
    case MovingKeys::Verdict::kReadsOld:
      ReadOld(call);
      return true;
    case MovingKeys::Verdict::kWaits:
      break;
  }
  held_.emplace(token, std::make_unique<HeldCall>(call, held_bytes_, OwnerOf(touched_[0].key)));
  touched_.clear();
  CarryOut();
  if (everything) call.client.goes_alone = true;
  return true;
}

void MoveGate::Enter(int database, const std::vector<Bytes>& keys, Entered then) {
  touched_.clear();
  if (context_.moving) {
    for (const Bytes key : keys) Look(database, key);
  }
  const MovingKeys::Token token = ++last_token_;
  if (touched_.empty()) return then("");
  const MovingKeys::Verdict verdict =
      keys_.Touch(token, touched_, MovingKeys::Access::kWrite, actions_);
  if (verdict == MovingKeys::Verdict::kRuns) return then("");
  entering_.emplace(token, std::move(then));
  CarryOut();
}

bool MoveGate::MayStream(int database, Bytes key) const {
  const RingMove& move = frozen_ != nullptr ? *frozen_ : *move_;
  return !move.Locate(key).moves() || keys_.IsFree(database, key);
}

// Where the move takes the key.
const std::string& MoveGate::OwnerOf(Bytes key) const {
  const RingMove& move = frozen_ != nullptr ? *frozen_ : *move_;
  return move.shards()[move.Locate(key).owner].name;
}

std::unique_ptr<HeldCall> MoveGate::Take(MovingKeys::Token token) {
  const auto at = held_.find(token);
  std::unique_ptr<HeldCall> held = std::move(at->second);
  held_.erase(at);
  return held;
}

// Running a command may lead back here; what it adds is carried out by the outermost call.
void MoveGate::CarryOut() {
  if (carrying_out_) return;
  carrying_out_ = true;
  while (!actions_.empty()) {
    const MovingKeys::Actions now = std::exchange(actions_, {});
    for (const MovingKeys::Pull& pull : now.pulls) Ask(pull);
    for (const MovingKeys::Token token : now.run) Go(token);
    for (const MovingKeys::Token token : now.read_old) {
      Take(token)->Run(context_, [](Call& call) { call.context.moves->ReadOld(call); });
    }
    for (const MovingKeys::Token token : now.fail) Fail(token);
  }
  carrying_out_ = false;
}

void MoveGate::Go(MovingKeys::Token token) {
  if (const auto entering = entering_.extract(token)) return entering.mapped()("");
  Take(token)->Run(context_, serving_.after_move);
}

void MoveGate::Fail(MovingKeys::Token token) {
  if (const auto entering = entering_.extract(token)) return entering.mapped()(why_);
  Take(token)->Refuse(why_);
}

void MoveGate::Ask(const MovingKeys::Pull& pull) {
  if (pull.database == kEveryDatabase) return keys_.OnHere(pull.database, pull.key, actions_);
  const RingMove::Place place = move_->Locate(pull.key);
  const uint64_t epoch = move_->epoch();
  context_.proxy.Pull(
      epoch, place.old_owner, pull.database, pull.key,
      {.done = [this, epoch, pull](const std::string& error) { OnPulled(epoch, pull, error); },
       .copied = [this, epoch, pull] { OnReadable(epoch, pull, MovingKeys::Copy::kNew); },
       .read_old = [this, epoch, pull] { OnReadable(epoch, pull, MovingKeys::Copy::kOld); },
       .end_reads = [this, epoch, pull](
                        std::function<void()> ended) { EndReads(epoch, pull, std::move(ended)); }});
}

void MoveGate::OnReadable(uint64_t epoch, const MovingKeys::Pull& pull, MovingKeys::Copy copy) {
  if (move_ == nullptr || move_->epoch() != epoch) return;
  keys_.OnReadable(pull.database, pull.key, copy, actions_);
  CarryOut();
}

// REQUIRES: the core said so.
void MoveGate::ReadOld(Call& call) {
  const Bytes key = call.args[call.command.single_key];
  serving_.at_shard(call, move_->Locate(key).old_owner);
}

void MoveGate::EndReads(uint64_t epoch, const MovingKeys::Pull& pull, std::function<void()> ended) {
  OnReadable(epoch, pull, MovingKeys::Copy::kNone);
  // Whoever asks is of a move that is over.
  if (move_ == nullptr || move_->epoch() != epoch) return ended();
  AwaitReads(move_->Locate(pull.key).old_owner, context_.proxy.Now(), std::move(ended));
}

void MoveGate::AwaitReads(uint32_t old_owner, TimePoint since, std::function<void()> ended) {
  Router& router = context_.router;
  // Those who wait for data there read nothing of this kind.
  constexpr auto kWaits = Backend::Waits::kIgnored;
  if (old_owner >= router.shard_count() || router.backend(old_owner).AnsweredUpTo(since, kWaits)) {
    return ended();
  }
  context_.proxy.After(kReadsPoll, [this, old_owner, since, ended = std::move(ended)] {
    AwaitReads(old_owner, since, ended);
  });
}

void MoveGate::OnPulled(uint64_t epoch, const MovingKeys::Pull& pull, const std::string& error) {
  if (move_ == nullptr || move_->epoch() != epoch) return;
  if (error.empty()) {
    keys_.OnHere(pull.database, pull.key, actions_);
  } else {
    const RingMove::Place place = move_->Locate(pull.key);
    why_ = errors::NotApplied(move_->shards()[place.owner].name,
                              "the key is on its way and cannot be brought: " + error);
    keys_.OnFailed(pull.database, pull.key, actions_);
  }
  CarryOut();
}

void MoveGate::Freeze(std::shared_ptr<const RingMove> move, TimePoint now,
                      std::function<void()> drained) {
  frozen_ = std::move(move);
  frozen_at_ = now;
  drained_ = std::move(drained);
  ++generation_;
  keys_.Freeze();
  StateChanged();
  Poll();
}

void MoveGate::Thaw() {
  frozen_.reset();
  drained_ = nullptr;
  keys_.Thaw(actions_);
  StateChanged();
  CarryOut();
}

void MoveGate::Switch(std::shared_ptr<const RingMove> move) {
  move_ = std::move(move);
  frozen_.reset();
  drained_ = nullptr;
  keys_.Switch(actions_);
  StateChanged();
  CarryOut();
}

void MoveGate::Settle() {
  move_.reset();
  keys_.Settle(actions_);
  StateChanged();
  CarryOut();
}

void MoveGate::OnRecipeEnded(uint64_t generation) {
  const auto at = recipes_.find(generation);
  if (at != recipes_.end() && --at->second == 0) recipes_.erase(at);
}

// Everything that was sent to a donor before the freeze is answered: a connection's FIFO is in the
// order of sending. What a recipe would still send counts as under way.
bool MoveGate::Drained() const {
  if (Planted("barrier-skipped")) return true;
  if (!recipes_.empty() && recipes_.begin()->first < generation_) return false;
  // An undo on the old owner must not come when the key has left it.
  if (context_.sagas != nullptr && !context_.sagas->SettledUpTo(frozen_at_)) return false;
  Router& router = context_.router;
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    const std::string& name = router.shard_name(shard);
    const bool donor =
        std::any_of(frozen_->donors().begin(), frozen_->donors().end(),
                    [&](uint32_t each) { return frozen_->shards()[each].name == name; });
    if (donor && !router.backend(shard).AnsweredUpTo(frozen_at_)) return false;
  }
  return true;
}

void MoveGate::Poll() {
  if (drained_ == nullptr || !Drained()) return;
  const std::function<void()> drained = std::exchange(drained_, nullptr);
  drained();
}

}  // namespace ringmaster
