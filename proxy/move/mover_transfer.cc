// How a batch of keys is carried: one pipeline for each step.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/planted.h"
#include "move/mover.h"

namespace ringmaster {
namespace {

constexpr size_t kSlowest = 8;
// What one batch may hold in memory, by the donor's own estimate.
constexpr int64_t kBatchBytes = 8 << 20;
// A connection that breaks is no reason to tell clients of an error; one that always breaks is.
constexpr int kAttempts = 8;
constexpr Duration kPatience = std::chrono::milliseconds(300);

}  // namespace

const Bytes Mover::kDumpScript =
    "local large, room, rank = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] local out = {} "
    "local each = rank and 3 or 2 "
    "for i, key in ipairs(KEYS) do "
    "local size = redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '5') "
    "local ttl, payload = -3, false "
    "if not size then ttl = -2 "
    "elseif size <= large and room > 0 then room = room - size "
    // DUMP counts as a use of the key.
    "if rank then out[each * i] = redis.call('OBJECT', rank, key) end "
    "ttl = redis.call('PTTL', key) payload = redis.call('DUMP', key) end "
    "local at = each * (i - 1) out[at + 1] = ttl out[at + 2] = payload "
    "if rank and not out[each * i] then out[each * i] = -1 end end return out";

// Each item ends as kHere, or as kFailed with its error, or is to come again later. REQUIRES: all
// of one database.
void Mover::Transfer(Items& items, Cause cause) {
  const TimePoint began = MonotonicNow();
  MeetRecipients(items);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    {
      const ShardReply payloads = DumpByScript(items);
      Restore(items);
      if (cause == Cause::kSweep) LeaveOldCopies(items);
      Unlink(items);
    }
    // A large key lets pulls in between, of any other key: so no payload may be in hand, which
    // would bring back what such a pull has moved and its client deleted.
    const bool more = std::any_of(items.begin(), items.end(), [](const Item& item) {
      return item.transfer.step() == KeyTransfer::Step::kDump && !item.later;
    });
    if (more) {
      Measure(items);
      Dump(items);
      Restore(items);
      if (cause == Cause::kSweep) LeaveOldCopies(items);
      Unlink(items);
    }
    if (attempt > 0 && MonotonicNow() - began > kPatience) break;
    if (!Retry(items)) break;
  }
  for (Item& item : items) {
    if (!item.transfer.ended() && !item.later) item.transfer.OnReply(KeyTransfer::Reply::kRefused);
  }
  Count(items, MonotonicNow() - began);
}

// Whoever connects next puts up the fence. False: all of them ended.
bool Mover::Retry(Items& items) {
  bool again = false;
  for (Item& item : items) {
    if (item.transfer.step() != KeyTransfer::Step::kSuspect && !item.broke) continue;
    item.broke = false;
    item.transfer.Retry();
    again = true;
  }
  return again;
}

void Mover::Count(Items& items, Duration took) {
  const MutexLock lock(mutex_);
  for (const Item& item : items) {
    if (!item.transfer.done() || !item.moved) continue;
    CountOne(item.key, item.size, took);
  }
}

void Mover::CountOne(Bytes key, uint64_t size, Duration took) {
  ++figures_.keys;
  figures_.bytes += size;
  figures_.largest = std::max(figures_.largest, size);
  std::vector<SlowKey>& slowest = figures_.slowest;
  if (slowest.size() == kSlowest && took <= slowest.back().took) return;
  // What travelled in one batch took as long; one of them is enough.
  const auto same = [took](const SlowKey& each) { return each.took == took; };
  if (std::any_of(slowest.begin(), slowest.end(), same)) return;
  const auto at = std::find_if(slowest.begin(), slowest.end(),
                               [took](const SlowKey& each) { return each.took < took; });
  slowest.insert(at, {std::string(key.substr(0, 100)), took});
  if (slowest.size() > kSlowest) slowest.pop_back();
}

// The donor has the script that measures and dumps.
bool Mover::MayScript() {
  if (scripts_refused_) return false;
  if (!dump_script_.empty()) return true;
  const ShardReply loaded = Client(donor_).Ask({"SCRIPT", "LOAD", kDumpScript});
  scripts_refused_ = loaded.is_error();
  if (loaded.is_text()) dump_script_ = loaded.text();
  const MutexLock lock(mutex_);
  worker_script_ = dump_script_;
  return !dump_script_.empty();
}

void Mover::AppendDumpScript(const std::vector<Item*>& items, int64_t room) {
  const std::string count = std::to_string(items.size());
  const std::string large = std::to_string(kLargeKey);
  const std::string most = std::to_string(room);
  ShardClient::Args args = {"EVALSHA", dump_script_, count};
  for (const Item* item : items) args.push_back(item->key);
  args.push_back(large);
  args.push_back(most);
  if (AsksForRanks()) args.push_back(eviction_[donor_]->word());
  Client(donor_).Append(args);
}

// The views of the items point into the reply. What got no answer, or cannot be carried in this
// way, stays in kDump.
void Mover::TakeDumps(const std::vector<Item*>& items, const ShardReply& reply) {
  const bool ranks = reply.size() == 3 * items.size();
  const size_t each = ranks ? 3 : 2;
  if (reply.size() != each * items.size()) {
    dump_script_.clear();  // it may have forgotten it
    if (reply.is_error() && !reply.text().starts_with("NOSCRIPT")) scripts_refused_ = true;
    return;
  }
  const TimePoint now = MonotonicNow();
  for (size_t i = 0; i < items.size(); ++i) {
    Item& item = *items[i];
    item.ttl = reply.at(each * i).integer();
    const ShardReply payload = reply.at(each * i + 1);
    if (ranks) item.rank = reply.at(each * i + 2).integer();
    if (item.ttl == kAbsent) {
      item.transfer.OnReply(KeyTransfer::Reply::kAbsent);
    } else if (item.ttl != kNotNow && payload.is_text()) {
      item.view = payload.text();
      item.size = item.view.size();
      item.dumped_at = now;
      item.transfer.OnReply(KeyTransfer::Reply::kOk);
    }
  }
}

// One question for all of them instead of two. What it leaves in kDump is asked for singly.
ShardReply Mover::DumpByScript(Items& items) {
  std::vector<Item*> asked;
  for (Item& item : items) {
    if (item.transfer.step() == KeyTransfer::Step::kDump && !item.later) asked.push_back(&item);
  }
  if (asked.empty() || !Connect(donor_) || !Client(donor_).Select(items[0].database) ||
      !MayScript()) {
    return ShardReply();
  }
  const TimePoint began = MonotonicNow();
  AppendDumpScript(asked, kBatchBytes);
  ShardReply reply = Client(donor_).Read();
  turns_.OnKeys(donor_, asked.size(), MonotonicNow() - began);
  TakeDumps(asked, reply);
  return reply;
}

// Sorts out what is too large to be moved at once.
void Mover::Measure(Items& items) {
  if (const Status ready = Connect(donor_); !ready || !Client(donor_).Select(items[0].database)) {
    for (Item& item : items) {
      if (item.transfer.step() != KeyTransfer::Step::kDump || item.later) continue;
      if (Planted("absent-from-a-dead-donor")) {
        item.transfer.OnReply(KeyTransfer::Reply::kAbsent);
        continue;
      }
      item.error = ready ? "shard " + Client(donor_).target().name + ": " + Client(donor_).error()
                         : ready.error().text;
      item.broke = ready.ok();
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
    item->estimate = size.integer();
    if (item->estimate > kLargeKey) large.push_back(item);
    together += item->estimate;
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
      item.broke = true;
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
      item->broke = true;
      item->transfer.OnReply(KeyTransfer::Reply::kLost);
    } else if (item->payload.is_nil()) {
      item->transfer.OnReply(KeyTransfer::Reply::kAbsent);
    } else if (item->payload.is_error() || ttl.is_error() || !item->payload.is_text()) {
      item->error = "shard " + donor.target().name + ": DUMP: " + std::string(item->payload.text());
      item->transfer.OnReply(KeyTransfer::Reply::kRefused);
    } else {
      item->view = item->payload.text();
      item->size = item->view.size();
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
        item->broke = ready.ok();
        item->transfer.OnReply(KeyTransfer::Reply::kRefused);
      }
      continue;
    }
    for (Item* item : mine) AppendRestore(*item, item->view);
    for (Item* item : mine) {
      const ShardReply reply = recipient.Read();
      item->payload = ShardReply();
      TakeRestored(*item, reply);
    }
  }
}

void Mover::AppendRestore(const Item& item, Bytes payload) {
  const std::string ttl = std::to_string(KeyTransfer::TimeToLive(item.ttl, item.dumped_at));
  const std::string rank = std::to_string(item.rank);
  ShardClient::Args args = {"RESTORE", item.key, ttl, payload};
  if (item.rank >= 0 && KeepsRanks(item.to)) {
    args.insert(args.end(), {eviction_[item.to]->word(), rank});
  }
  Client(item.to).Append(args);
}

void Mover::TakeRestored(Item& item, const ShardReply& reply) {
  const ShardClient& recipient = Client(item.to);
  if (Planted("unlinked-unacknowledged")) return item.transfer.OnReply(KeyTransfer::Reply::kOk);
  if (reply.lost()) {
    item.error = "shard " + recipient.target().name + ": " + recipient.error();
    return item.transfer.OnReply(KeyTransfer::Reply::kLost);
  }
  const KeyTransfer::Reply outcome = KeyTransfer::OfRestore(reply.is_error(), reply.text());
  if (outcome == KeyTransfer::Reply::kOk) item.moved = true;
  if (outcome == KeyTransfer::Reply::kRefused) {
    item.error =
        "shard " + recipient.target().name + " does not take it: " + std::string(reply.text());
  }
  item.transfer.OnReply(outcome);
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
  for (Item* item : asked) TakeUnlinked(*item, reply);
}

void Mover::TakeUnlinked(Item& item, const ShardReply& reply) {
  const KeyTransfer::Reply outcome = reply.lost()       ? KeyTransfer::Reply::kLost
                                     : reply.is_error() ? KeyTransfer::Reply::kRefused
                                                        : KeyTransfer::Reply::kOk;
  item.transfer.OnReply(outcome);
  if (outcome == KeyTransfer::Reply::kOk) return;
  // Both have it now. The next pull or pass finds that out; a reversal must know before.
  const ShardClient& donor = Client(donor_);
  doubtful_ = true;
  item.error = "shard " + donor.target().name +
               ": UNLINK: " + (reply.lost() ? donor.error() : std::string(reply.text()));
}

Status Mover::ResolveAll() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(worker_doubt_, false)) doubtful_ = true;
  }
  arrivals_->Forget();
  for (int database = 0; database < context_.databases; ++database) {
    std::string cursor = "0";
    do {
      while (ServePulls()) {
      }
      if (Status ready = Connect(donor_); !ready) return ready;
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
        if (IsReserved(key) || place.old_owner != donor_ || !place.moves()) continue;
        if (Status ready = Connect(place.owner); !ready) return ready;
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
