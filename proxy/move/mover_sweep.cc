// The walk over the donor that finds what is left to move.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "move/mover.h"
#include "move/mover_in_hand.h"
#include "move/ring_mark.h"

namespace ringmaster {
namespace {

// Batches are so many times longer while nobody would notice. Beside clients they are as long as
// the pace says: a shard serves nobody else during one step.
constexpr uint32_t kIdleFactor = 4;
constexpr uint64_t kLeastKeys = 4;
constexpr uint64_t kStepsASecond = 20;  // where the rate is bounded: no bursts
constexpr uint64_t kLeastPage = 32;
constexpr uint64_t kIdlePage = 2048;
constexpr size_t kDropAtOnce = 512;
constexpr Duration kRestForDisks = std::chrono::milliseconds(20);
// What a key costs that a worker carries, roughly.
constexpr Duration kPullTime = std::chrono::microseconds(40);

}  // namespace

void Mover::SweepStep() {
  const TimePoint began = MonotonicNow();
  if (const Status ready = Connect(donor_); !ready) {
    Trouble(ready.error().text);
    resume_at_ = began + kTroubleDelay;
    return;
  }
  Probe();
  DropOldCopies();
  CountOldCopies();
  // A pass that began now would only find what waits.
  if (arrivals_->full() || (arrivals_->count() > 0 && found_.empty() && !pass_begun_)) {
    Trouble(arrivals_->trouble());
    resume_at_ = began + kRestForDisks;
    return;
  }
  if (found_.empty()) {
    if (!ScanMore()) resume_at_ = began + kTroubleDelay;
    if (found_.empty()) {
      // Reading through keys that stay costs the donor as well.
      EndStep(began, 0);
      return;
    }
    turns_.OnStep(MonotonicNow() - began);
  }
  if (context_.max_keys_per_second == 0 && !scripts_refused_) return SweepAhead();
  SweepBatch();
}

// What a shard takes to answer next to nothing, when nothing of the sweep has been there for a
// while: each in turn.
void Mover::Probe() {
  if (!turns_.TakeProbe()) return;
  for (size_t tries = 0; tries < clients_.size(); ++tries) {
    probed_ = (probed_ + 1) % clients_.size();
    ShardClient& shard = Client(probed_);
    const TimePoint began = MonotonicNow();
    if (!shard.connected() || shard.Ask({"PING"}).lost()) continue;
    return turns_.OnRoundTrip(probed_, MonotonicNow() - began);
  }
}

void Mover::SweepBatch() {
  const TimePoint began = MonotonicNow();
  size_t batch =
      std::min<size_t>(found_.size(), turns_.Keys(kLeastKeys, context_.batch * kIdleFactor));
  if (const uint64_t rate = context_.max_keys_per_second; rate > 0) {
    batch = std::min<size_t>(batch, std::max<uint64_t>(rate / kStepsASecond, 1));
  }
  InHand hand(*this);
  Items items = hand.TakeFound(batch);
  if (items.empty()) return EndStep(began, 0);
  Transfer(items, Cause::kSweep);
  EndSweepStep(items, began);
}

void Mover::EndSweepStep(Items& items, TimePoint began) {
  TellAskers(items);
  const auto failed = std::find_if(items.begin(), items.end(), [](const Item& item) {
    return !item.transfer.done() && !item.later;
  });
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    if (item->later) found_.push_front(std::move(item->key));
  }
  if (failed != items.end()) {
    Trouble(failed->error);
    resume_at_ = MonotonicNow() + kTroubleDelay;
    return;
  }
  Trouble("");
  EndStep(began, items.size());
}

// False: its old copy may go at once.
bool Mover::LeaveOldCopy(Item& item) {
  if (!arrivals_->Await(item.to)) return false;
  arrivals_->Add(item.to, Client(item.to).run_id(), item.database, item.key);
  item.transfer.LeaveOldCopy();
  doubtful_ = true;
  return true;
}

void Mover::LeaveOldCopies(Items& items) {
  for (Item& item : items) {
    if (item.transfer.step() == KeyTransfer::Step::kUnlink) LeaveOldCopy(item);
  }
}

// Nobody holds these keys meanwhile: what leaves the donor never comes back to it, so an UNLINK is
// right whenever it arrives. What it does not reach, the next pass finds.
void Mover::DropOldCopies() {
  const std::vector<Arrivals::Key> durable = arrivals_->TakeDurable();
  for (auto at = durable.begin(); at != durable.end();) {
    const int database = at->database;
    ShardClient::Args args = {"UNLINK"};
    for (; at != durable.end() && at->database == database && args.size() <= kDropAtOnce; ++at) {
      args.push_back(at->key);
    }
    if (!Connect(donor_) || !Client(donor_).Select(database)) return;
    if (Client(donor_).Ask(args).lost()) return;
  }
}

void Mover::CountOldCopies() {
  const MutexLock lock(mutex_);
  figures_.old_copies = arrivals_->count();
}

// Somebody waits for something else than the sweep.
bool Mover::Interrupted() const {
  const MutexLock lock(mutex_);
  return !pulls_.empty() || stop_ || abandoned_ || held_ > 0 || halt_ || resolve_;
}

// The next of what was found, without what workers carry: a later pass sees whether that came.
Mover::Items Mover::InHand::TakeFound(size_t most) {
  Items items;
  items.reserve(most);
  const MutexLock lock(mover_.mutex_);
  for (size_t i = 0; i < most; ++i) {
    std::string key = std::move(mover_.found_.front());
    mover_.found_.pop_front();
    if (mover_.arrivals_->contains(mover_.scanned_database_, key)) continue;
    if (!Take(mover_.carried_, CarriedKeys::NameOf(mover_.scanned_database_, key))) continue;
    Item& item = items.emplace_back();
    item.database = mover_.scanned_database_;
    item.key = std::move(key);
    item.to = mover_.context_.move->Locate(item.key).owner;
  }
  return items;
}

void Mover::EndStep(TimePoint began, size_t keys) {
  // Pieces of a large key have counted, and what they rested does not.
  const TimePoint now = MonotonicNow();
  turns_.OnStep(now - std::max(began, counted_to_));
  counted_to_ = now;
  CountWorkerPulls();
  if (keys > 0) {
    paced_from_ = began;
    paced_keys_ = keys;
  }
}

// What workers carried for their clients counts as the donor's time, too.
void Mover::CountWorkerPulls() {
  size_t pulls = 0;
  {
    const MutexLock lock(mutex_);
    pulls = std::exchange(worker_pulls_, 0);
  }
  if (pulls > 0) turns_.OnStep(kPullTime * static_cast<int64_t>(pulls));
}

// At most zero: it has a turn.
Duration Mover::UntilSweep() {
  {
    const MutexLock lock(mutex_);
    if (halted_ || swept_ || !sweeping_ || context_.paused) return kTroubleDelay;
  }
  TimePoint at = resume_at_;
  if (const uint64_t rate = context_.max_keys_per_second; rate > 0) {
    at = std::max(at, paced_from_ + Duration(paced_keys_ * 1000000000ULL / rate));
  }
  const Duration rest = at - MonotonicNow();
  return rest > Duration(0) ? rest : turns_.Take(false);
}

// How many keys are to move: their share of what the donor owned, of all its keys. A pass behind
// the first finds what the estimate missed.
void Mover::Expect() {
  uint64_t expected = 0;
  bool first_pass = false;
  {
    const MutexLock lock(mutex_);
    first_pass = figures_.passes == 0;
  }
  if (first_pass) {
    uint64_t keys = 0;
    const ShardReply info = Client(donor_).Ask({"INFO", "keyspace"});
    const Bytes text = info.text();
    constexpr Bytes kField = "keys=";
    for (size_t at = text.find(kField); at != Bytes::npos; at = text.find(kField, at)) {
      at += kField.size();
      const Bytes digits = text.substr(at, text.find(',', at) - at);
      keys += static_cast<uint64_t>(ParseInteger(digits).value_or(0));
    }
    // A ring that is not cut into ranges: as if its donors gave alike.
    const auto donors = static_cast<double>(context_.move->donors().size());
    uint64_t positions = context_.move->ranges().empty()
                             ? static_cast<uint64_t>(context_.move->share() / donors * 4294967296.0)
                             : 0;
    for (const RingMove::Range& range : context_.move->ranges()) {
      if (range.from == donor_) positions += uint64_t{range.last} - range.first + 1;
    }
    const double owned = context_.move->from()->ShareOf(donor_) * 4294967296.0;
    const double share = owned > 0 ? std::min(static_cast<double>(positions) / owned, 1.0) : 0;
    expected = static_cast<uint64_t>(static_cast<double>(keys) * share);
  }
  const MutexLock lock(mutex_);
  // Some have left already.
  figures_.expected = figures_.keys + expected;
}

// One page of the donor's keys. False: it did not answer as it should.
bool Mover::ScanMore() {
  ShardClient& donor = Client(donor_);
  if (!pass_begun_) {
    pass_begun_ = true;
    database_ = 0;
    cursor_ = "0";
    found_in_pass_ = 0;
    Expect();
    const MutexLock lock(mutex_);
    ++figures_.passes;
    figures_.scanned = 0;
  }
  if (!donor.Select(database_)) {
    Trouble("shard " + donor.target().name + ": " + donor.error());
    return false;
  }
  const uint64_t count = turns_.Scanned(kLeastPage, kIdlePage);
  const TimePoint began = MonotonicNow();
  const ShardReply page = donor.Ask({"SCAN", cursor_, "COUNT", std::to_string(count)});
  if (page.size() != 2) {
    Trouble("shard " + donor.target().name +
            ": SCAN: " + (page.lost() ? donor.error() : std::string(page.text())));
    return false;
  }
  const ShardReply keys = page.at(1);
  turns_.OnScanned(donor_, keys.size(), MonotonicNow() - began);
  for (size_t i = 0; i < keys.size(); ++i) {
    const ShardReply key = keys.at(i);
    if (IsReserved(key.text())) continue;
    const RingMove::Place place = context_.move->Locate(key.text());
    if (place.old_owner == donor_ && place.moves()) found_.emplace_back(key.text());
  }
  found_in_pass_ += found_.size();
  scanned_database_ = database_;
  cursor_ = std::string(page.at(0).text());
  {
    const MutexLock lock(mutex_);
    figures_.scanned += keys.size();
  }
  if (cursor_ != "0") return true;
  if (++database_ < context_.databases) return true;
  pass_begun_ = false;
  if (found_in_pass_ > 0) return true;
  {
    // From here on no worker begins to carry a key.
    const MutexLock lock(mutex_);
    if (carried_.pulls() > 0) return true;
    figures_.swept = true;
  }
  // A shard that leaves has nothing of ours on it.
  if (context_.move->to()->shards()[donor_].absent && donor.Select(0)) RemoveMark(donor);
  swept_ = true;
  Trouble("");
  on_swept_();
  return true;
}

}  // namespace ringmaster
