// The walk over the donor that finds what is left to move.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "control/mover.h"
#include "control/ring_mark.h"

namespace ringmaster {
namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(5);
constexpr Duration kMaxPause = std::chrono::milliseconds(250);
// Commands a second from which clients count as busy, so that the sweep keeps to its share.
constexpr double kBusyRate = 200;
// Batches are this many times longer while nobody would notice.
constexpr uint32_t kIdleFactor = 4;

}  // namespace

void Mover::SweepStep() {
  const TimePoint began = MonotonicNow();
  if (const Status ready = Connect(donor_); !ready) {
    Trouble(ready.error().text);
    resume_at_ = began + kTroubleDelay;
    return;
  }
  if (found_.empty()) {
    if (!ScanMore()) resume_at_ = began + kTroubleDelay;
    if (found_.empty()) {
      // Reading through keys that stay costs the donor as well.
      Pace(began, 0);
      return;
    }
  }
  const bool alone = !busy_clients_ && context_.max_keys_per_second == 0;
  if (alone && !scripts_refused_) return SweepAhead();
  SweepBatch();
}

void Mover::SweepBatch() {
  const TimePoint began = MonotonicNow();
  const size_t batch = std::min<size_t>(
      found_.size(), busy_clients_ ? context_.batch : context_.batch * kIdleFactor);
  Items items(batch);
  for (Item& item : items) {
    item.database = scanned_database_;
    item.key = std::move(found_.front());
    found_.pop_front();
  }
  Transfer(items);
  EndSweepStep(items, began);
}

void Mover::EndSweepStep(Items& items, TimePoint began) {
  const auto failed = std::find_if(items.begin(), items.end(), [](const Item& item) {
    return item.transfer.step() != KeyTransfer::Step::kHere && !item.later;
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
  Pace(began, items.size());
}

// Somebody waits for something else than the sweep.
bool Mover::Interrupted() {
  const std::lock_guard lock(mutex_);
  return !pulls_.empty() || stop_ || abandoned_ || held_ > 0 || halt_ || resolve_;
}

// Keeps to the share of time that clients leave, and to the configured rate.
void Mover::Pace(TimePoint began, size_t keys) {
  const TimePoint now = MonotonicNow();
  if (now - last_look_ > kLookEvery && context_.client_commands) {
    const uint64_t commands = context_.client_commands();
    const double seconds = std::chrono::duration<double>(now - last_look_).count();
    busy_clients_ = static_cast<double>(commands - last_commands_) / seconds > kBusyRate;
    last_commands_ = commands;
    last_look_ = now;
  }
  if (busy_clients_) {
    const double share = std::clamp(context_.background_share, 0.01, 1.0);
    const auto pause = Duration(
        static_cast<int64_t>(static_cast<double>((now - began).count()) * (1 / share - 1)));
    resume_at_ = now + std::min(pause, kMaxPause);
  }
  if (const uint64_t rate = context_.max_keys_per_second; rate > 0 && keys > 0) {
    resume_at_ = std::max(resume_at_, began + Duration(keys * 1000000000ULL / rate));
  }
}

// One page of the donor's keys. False: it did not answer as it should.
bool Mover::ScanMore() {
  ShardClient& donor = Client(donor_);
  if (!pass_begun_) {
    pass_begun_ = true;
    database_ = 0;
    cursor_ = "0";
    found_in_pass_ = 0;
    const std::lock_guard lock(mutex_);
    ++figures_.passes;
    figures_.scanned = 0;
  }
  if (!donor.Select(database_)) {
    Trouble("shard " + donor.target().name + ": " + donor.error());
    return false;
  }
  const ShardReply page = donor.Ask({"SCAN", cursor_, "COUNT", busy_clients_ ? "512" : "2048"});
  if (page.size() != 2) {
    Trouble("shard " + donor.target().name +
            ": SCAN: " + (page.lost() ? donor.error() : std::string(page.text())));
    return false;
  }
  const ShardReply keys = page.at(1);
  for (size_t i = 0; i < keys.size(); ++i) {
    const ShardReply key = keys.at(i);
    if (key.text().starts_with(kReserved)) continue;
    const RingMove::Place place = context_.move->Locate(key.text());
    if (place.old_owner == donor_ && place.moves()) found_.emplace_back(key.text());
  }
  found_in_pass_ += found_.size();
  scanned_database_ = database_;
  cursor_ = std::string(page.at(0).text());
  {
    const std::lock_guard lock(mutex_);
    figures_.scanned += keys.size();
  }
  if (cursor_ != "0") return true;
  if (++database_ < context_.databases) return true;
  pass_begun_ = false;
  if (found_in_pass_ > 0) return true;
  // A shard that leaves has nothing of ours on it.
  if (context_.move->to()->shards()[donor_].absent && donor.Select(0)) RemoveMark(donor);
  swept_ = true;
  Trouble("");
  {
    const std::lock_guard lock(mutex_);
    figures_.swept = true;
  }
  on_swept_();
  return true;
}

}  // namespace ringmaster
