#include "control/mover.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "control/ring_mark.h"

namespace ringmaster {
namespace {

constexpr Duration kRetryAfter = std::chrono::milliseconds(200);
constexpr Duration kTroubleDelay = std::chrono::milliseconds(500);
constexpr Duration kLookEvery = std::chrono::milliseconds(5);
constexpr Duration kMaxPause = std::chrono::milliseconds(250);
// Commands a second from which clients count as busy, so that the sweep keeps to its share.
constexpr double kBusyRate = 200;
// Batches are this many times longer while nobody would notice.
constexpr uint32_t kIdleFactor = 4;
constexpr size_t kPullsAtOnce = 128;
// What one batch may hold in memory, by the donor's own estimate.
constexpr int64_t kBatchBytes = 8 << 20;
constexpr Bytes kReserved = "__rm:";

}  // namespace

Mover::Mover(MoverContext& context, uint32_t donor, std::function<void()> swept)
    : context_(context), donor_(donor), on_swept_(std::move(swept)) {
  clients_.resize(context_.targets.size());
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i] = std::make_unique<ShardClient>(context_.targets[i], context_.client_name,
                                                context_.connect_timeout, context_.command_timeout);
  }
  retry_at_.resize(clients_.size());
  thread_ = std::thread([this] { Run(); });
}

void Mover::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  for (const auto& client : clients_) client->Cancel();
  wake_.notify_all();
  thread_.join();
  for (const Waiting& waiting : pulls_) waiting.done("the move ended meanwhile; try again");
  pulls_.clear();
  for (const auto& held : std::exchange(holds_, {})) held("");
}

ShardClient& Mover::Client(uint32_t shard) { return *clients_[shard]; }

void Mover::Pull(int database, std::string key, PullDone done) {
  {
    const std::lock_guard lock(mutex_);
    pulls_.push_back({database, std::move(key), std::move(done)});
  }
  wake_.notify_one();
}

void Mover::Resolve(std::function<void(Status)> done) {
  {
    const std::lock_guard lock(mutex_);
    resolve_ = std::move(done);
  }
  wake_.notify_one();
}

void Mover::Halt(std::function<void(bool)> halted) {
  {
    const std::lock_guard lock(mutex_);
    halt_ = std::move(halted);
  }
  wake_.notify_one();
}

void Mover::Resume() {
  {
    const std::lock_guard lock(mutex_);
    halted_ = false;
    resume_sweep_ = true;
  }
  wake_.notify_one();
}

void Mover::Hold(std::function<void(const std::string&)> held) {
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    over = stop_;
    ++held_;
    if (!over) holds_.push_back(std::move(held));
  }
  if (over) return held("");
  wake_.notify_one();
}

void Mover::Release() {
  {
    const std::lock_guard lock(mutex_);
    --held_;
  }
  wake_.notify_one();
}

void Mover::Abandon() {
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
  }
  clients_[donor_]->Cancel();
  wake_.notify_one();
}

MoverFigures Mover::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void Mover::Trouble(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (figures_.trouble == what) return;
  figures_.trouble = what;
  if (!what.empty()) {
    LogWarning("moving keys off shard {}: {}", context_.targets[donor_].name, what);
  }
}

void Mover::Run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (stop_) return;
      if (std::exchange(resume_sweep_, false)) sweeping_ = true;
    }
    if (StandStill() || GiveUp() || ServePulls()) continue;
    FinishOrders();
    std::unique_lock lock(mutex_);
    if (stop_) return;
    const bool idle = halted_ || swept_ || !sweeping_ || context_.paused;
    const TimePoint now = MonotonicNow();
    if (!idle && now >= resume_at_) {
      lock.unlock();
      SweepStep();
      continue;
    }
    const Duration wait = idle ? Duration(kTroubleDelay) : resume_at_ - now;
    if (pulls_.empty() || halted_) wake_.wait_for(lock, wait);
  }
}

// True: somebody asked for a pause, and it has waited a while.
bool Mover::StandStill() {
  std::vector<std::function<void(const std::string&)>> holds;
  {
    const std::lock_guard lock(mutex_);
    if (held_ == 0) return false;
    holds.swap(holds_);
  }
  if (!holds.empty()) {
    // What a lost connection left behind could still arrive.
    std::string trouble;
    for (const auto& client : clients_) {
      if (!client->in_doubt()) continue;
      if (const Status ready = client->Ready(); !ready) trouble = ready.error().text;
    }
    for (const auto& held : holds) held(trouble);
  }
  std::unique_lock lock(mutex_);
  if (held_ > 0 && holds_.empty() && !stop_) wake_.wait_for(lock, kTroubleDelay);
  return true;
}

// True: something was done for a donor that was given up.
bool Mover::GiveUp() {
  std::deque<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (!abandoned_) return false;
    waiting.swap(pulls_);
  }
  for (const Waiting& each : waiting) each.done("");
  if (swept_) return !waiting.empty();
  swept_ = true;
  {
    const std::lock_guard lock(mutex_);
    figures_.swept = true;
    figures_.trouble = "given up";
  }
  on_swept_();
  return true;
}

// What the coordinator asked for.
void Mover::FinishOrders() {
  std::function<void(Status)> resolve;
  {
    const std::lock_guard lock(mutex_);
    resolve = std::exchange(resolve_, nullptr);
  }
  if (resolve) {
    sweeping_ = false;
    resolve(ResolveAll());
  }
  std::function<void(bool)> halt;
  {
    const std::lock_guard lock(mutex_);
    if (!pulls_.empty()) return;
    halt = std::exchange(halt_, nullptr);
    if (halt) halted_ = true;
  }
  if (!halt) return;
  bool clean = !doubtful_;
  for (const auto& client : clients_) {
    if (client->in_doubt()) clean = client->Ready().ok() && clean;
  }
  halt(clean);
}

Status Mover::Connect(uint32_t shard) {
  ShardClient& client = Client(shard);
  if (client.connected()) return Done();
  const TimePoint now = MonotonicNow();
  if (now < retry_at_[shard]) {
    return Error{ErrorCode::kUnavailable, "shard " + client.target().name + ": " + client.error()};
  }
  const std::string run_id = client.run_id();
  const Status ready = client.Ready();
  if (!ready) retry_at_[shard] = MonotonicNow() + kRetryAfter;
  if (ready.ok() && shard == donor_ && run_id != client.run_id()) {
    // Its SCAN cursor means nothing to another process.
    cursor_ = "0";
    database_ = 0;
    found_.clear();
    found_in_pass_ = 1;
    pass_begun_ = false;
  }
  return ready;
}

// --- keys that clients wait for ---

bool Mover::ServePulls() {
  std::vector<Waiting> taken;
  {
    const std::lock_guard lock(mutex_);
    if (halted_) return false;
    for (auto at = pulls_.begin(); at != pulls_.end() && taken.size() < kPullsAtOnce;) {
      const bool being_copied =
          copying_ != nullptr && at->database == copying_->database && at->key == copying_->key;
      if (being_copied) {
        ++at;
        continue;
      }
      taken.push_back(std::move(*at));
      at = pulls_.erase(at);
    }
  }
  if (taken.empty()) return false;
  // One database at a time; several may wait for one key.
  std::map<std::pair<int, std::string>, std::vector<PullDone>> waiters;
  for (Waiting& waiting : taken) {
    waiters[{waiting.database, std::move(waiting.key)}].push_back(std::move(waiting.done));
  }
  std::vector<Waiting> put_back;
  for (auto at = waiters.begin(); at != waiters.end();) {
    const int database = at->first.first;
    Items items;
    const auto first = at;
    for (; at != waiters.end() && at->first.first == database; ++at) {
      Item item;
      item.database = database;
      item.key = at->first.second;
      items.push_back(std::move(item));
    }
    Transfer(items);
    auto who = first;
    for (Item& item : items) {
      const bool here = item.transfer.step() == KeyTransfer::Step::kHere;
      for (PullDone& done : who->second) {
        if (item.later) {
          put_back.push_back({database, item.key, std::move(done)});
        } else {
          done(here ? std::string() : item.error);
        }
      }
      ++who;
    }
    const std::lock_guard lock(mutex_);
    figures_.pulls += items.size();
  }
  if (put_back.empty()) return true;
  const std::lock_guard lock(mutex_);
  for (Waiting& waiting : put_back) pulls_.push_back(std::move(waiting));
  return copying_ == nullptr;
}

// --- the sweep ---

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
  const size_t batch = std::min<size_t>(
      found_.size(), busy_clients_ ? context_.batch : context_.batch * kIdleFactor);
  Items items(batch);
  for (Item& item : items) {
    item.database = scanned_database_;
    item.key = std::move(found_.front());
    found_.pop_front();
  }
  Transfer(items);
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
  const ShardReply page = donor.Ask({"SCAN", cursor_, "COUNT", "512"});
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

// --- carrying a batch ---

// Each item ends as kHere, or as kFailed with its error, or is to come again later. REQUIRES: all
// of one database.
void Mover::Transfer(Items& items) {
  const TimePoint began = MonotonicNow();
  for (Item& item : items) item.to = context_.move->Locate(item.key).owner;
  for (int attempt = 0; attempt < 2; ++attempt) {
    Measure(items);
    Dump(items);
    Restore(items);
    Unlink(items);
    bool again = false;
    for (Item& item : items) {
      if (item.transfer.step() != KeyTransfer::Step::kSuspect) continue;
      // Whoever connects next puts up the fence.
      again = true;
      item.transfer.Retry();
    }
    if (!again) break;
  }
  const Duration took = MonotonicNow() - began;
  const std::lock_guard lock(mutex_);
  for (Item& item : items) {
    if (!item.transfer.ended() && !item.later) item.transfer.OnReply(KeyTransfer::Reply::kRefused);
    if (item.transfer.step() != KeyTransfer::Step::kHere || !item.moved) continue;
    ++figures_.keys;
    figures_.bytes += item.size;
    figures_.largest = std::max(figures_.largest, item.size);
    if (took > slowest_) {
      slowest_ = took;
      figures_.slowest = fmt::format("{} ({} ms)", item.key.substr(0, 100), Milliseconds(took));
    }
  }
}

// Sorts out what is too large to be moved at once.
void Mover::Measure(Items& items) {
  if (const Status ready = Connect(donor_); !ready || !Client(donor_).Select(items[0].database)) {
    for (Item& item : items) {
      if (item.transfer.ended()) continue;
      item.error = ready ? "shard " + Client(donor_).target().name + ": " + Client(donor_).error()
                         : ready.error().text;
      item.transfer.OnReply(KeyTransfer::Reply::kLost);
    }
    return;
  }
  ShardClient& donor = Client(donor_);
  std::vector<Item*> asked;
  for (Item& item : items) {
    if (item.transfer.step() != KeyTransfer::Step::kDump) continue;
    asked.push_back(&item);
    donor.Append({"MEMORY", "USAGE", item.key, "SAMPLES", "5"});
  }
  std::vector<Item*> large;
  int64_t together = 0;
  for (Item* item : asked) {
    const ShardReply size = donor.Read();
    item->later = together > kBatchBytes;
    if (item->later) continue;
    if (size.integer() > kLargeKey) large.push_back(item);
    together += size.integer();
  }
  for (Item* item : large) {
    if (copying_ != nullptr) {
      item->later = true;
    } else {
      CopyInPieces(*item);
    }
  }
}

void Mover::Dump(Items& items) {
  ShardClient& donor = Client(donor_);
  if (!donor.connected() || !donor.Select(items[0].database)) {
    for (Item& item : items) {
      if (item.transfer.step() != KeyTransfer::Step::kDump || item.later) continue;
      item.error = "shard " + donor.target().name + ": " + donor.error();
      item.transfer.OnReply(KeyTransfer::Reply::kLost);
    }
    return;
  }
  std::vector<Item*> asked;
  for (Item& item : items) {
    if (item.transfer.step() != KeyTransfer::Step::kDump || item.later) continue;
    asked.push_back(&item);
    donor.Append({"PTTL", item.key});
    donor.Append({"DUMP", item.key});
  }
  for (Item* item : asked) {
    const ShardReply ttl = donor.Read();
    item->payload = donor.Read();
    item->ttl = ttl.integer();
    item->dumped_at = MonotonicNow();
    if (item->payload.lost()) {
      item->error = "shard " + donor.target().name + ": " + donor.error();
      item->transfer.OnReply(KeyTransfer::Reply::kLost);
    } else if (item->payload.is_nil()) {
      item->transfer.OnReply(KeyTransfer::Reply::kAbsent);
    } else if (item->payload.is_error() || ttl.is_error() || !item->payload.is_text()) {
      item->error = "shard " + donor.target().name + ": DUMP: " + std::string(item->payload.text());
      item->transfer.OnReply(KeyTransfer::Reply::kRefused);
    } else {
      item->size = item->payload.text().size();
      item->transfer.OnReply(KeyTransfer::Reply::kOk);
    }
  }
}

void Mover::Restore(Items& items) {
  std::vector<std::vector<Item*>> by_shard(clients_.size());
  for (Item& item : items) {
    if (item.transfer.step() == KeyTransfer::Step::kRestore) by_shard[item.to].push_back(&item);
  }
  for (uint32_t shard = 0; shard < by_shard.size(); ++shard) {
    std::vector<Item*>& mine = by_shard[shard];
    if (mine.empty()) continue;
    ShardClient& recipient = Client(shard);
    const Status ready = Connect(shard);
    if (!ready || !recipient.Select(mine[0]->database)) {
      for (Item* item : mine) {
        item->error = ready ? "shard " + recipient.target().name + ": " + recipient.error()
                            : ready.error().text;
        item->transfer.OnReply(KeyTransfer::Reply::kRefused);
      }
      continue;
    }
    const TimePoint now = MonotonicNow();
    for (Item* item : mine) {
      // A key that expired on its way arrives for one more millisecond.
      const int64_t left =
          item->ttl < 0 ? 0 : std::max<int64_t>(item->ttl - Milliseconds(now - item->dumped_at), 1);
      const std::string ttl = std::to_string(left);
      recipient.Append({"RESTORE", item->key, ttl, item->payload.text()});
    }
    for (Item* item : mine) {
      const ShardReply reply = recipient.Read();
      item->payload = ShardReply();
      if (reply.lost()) {
        item->error = "shard " + recipient.target().name + ": " + recipient.error();
        item->transfer.OnReply(KeyTransfer::Reply::kLost);
      } else if (!reply.is_error()) {
        item->moved = true;
        item->transfer.OnReply(KeyTransfer::Reply::kOk);
      } else if (reply.text().starts_with("BUSYKEY")) {
        item->transfer.OnReply(KeyTransfer::Reply::kBusy);
      } else {
        item->error =
            "shard " + recipient.target().name + " does not take it: " + std::string(reply.text());
        item->transfer.OnReply(KeyTransfer::Reply::kRefused);
      }
    }
  }
}

void Mover::Unlink(Items& items) {
  ShardClient& donor = Client(donor_);
  ShardClient::Args args = {"UNLINK"};
  std::vector<Item*> asked;
  for (Item& item : items) {
    if (item.transfer.step() != KeyTransfer::Step::kUnlink) continue;
    asked.push_back(&item);
    args.push_back(item.key);
  }
  if (asked.empty()) return;
  ShardReply reply;
  if (donor.connected() && donor.Select(items[0].database)) reply = donor.Ask(args);
  const KeyTransfer::Reply outcome = reply.lost()       ? KeyTransfer::Reply::kLost
                                     : reply.is_error() ? KeyTransfer::Reply::kRefused
                                                        : KeyTransfer::Reply::kOk;
  for (Item* item : asked) {
    item->transfer.OnReply(outcome);
    if (outcome == KeyTransfer::Reply::kOk) continue;
    // Both have it now. The next pull or pass finds that out; a reversal must know before.
    doubtful_ = true;
    item->error = "shard " + donor.target().name +
                  ": UNLINK: " + (reply.lost() ? donor.error() : std::string(reply.text()));
  }
}

// --- before a reversal ---

Status Mover::ResolveAll() {
  for (int database = 0; database < context_.databases; ++database) {
    std::string cursor = "0";
    do {
      while (ServePulls()) {
      }
      if (const Status ready = Connect(donor_); !ready) return ready;
      ShardClient& donor = Client(donor_);
      const auto failed = [&](const ShardClient& client) {
        return Error{ErrorCode::kUnavailable,
                     "shard " + client.target().name + ": " + client.error()};
      };
      if (!donor.Select(database)) return failed(donor);
      const ShardReply page = donor.Ask({"SCAN", cursor, "COUNT", "512"});
      if (page.size() != 2) return failed(donor);
      cursor = std::string(page.at(0).text());
      const ShardReply keys = page.at(1);
      for (size_t i = 0; i < keys.size(); ++i) {
        const std::string key(keys.at(i).text());
        const RingMove::Place place = context_.move->Locate(key);
        if (key.starts_with(kReserved) || place.old_owner != donor_ || !place.moves()) continue;
        if (const Status ready = Connect(place.owner); !ready) return ready;
        ShardClient& recipient = Client(place.owner);
        if (!recipient.Select(database)) return failed(recipient);
        const ShardReply exists = recipient.Ask({"EXISTS", key});
        if (exists.lost() || exists.is_error()) return failed(recipient);
        if (exists.integer() == 0) continue;
        const ShardReply unlinked = donor.Ask({"UNLINK", key});
        if (unlinked.lost() || unlinked.is_error()) return failed(donor);
      }
    } while (cursor != "0");
  }
  doubtful_ = false;
  return Done();
}

}  // namespace ringmaster
