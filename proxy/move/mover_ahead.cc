// The sweep: donor, recipients and the mover work at the same time, each
// on another chunk of keys. For one key the order is as ever: its RESTORE is sent when its payload
// is here, and its UNLINK when that is acknowledged. Nobody's pull is served before all chunks
// under way have ended, so a key is carried by one of them alone.
#include <algorithm>
#include <deque>
#include <utility>

#include "move/mover.h"
#include "move/mover_in_hand.h"

namespace ringmaster {
namespace {

// Chunks of so many batches, or as the pace says. Two are at the donor at a time.
constexpr uint32_t kChunkBatches = 2;
constexpr uint64_t kLeastChunk = 4;
constexpr size_t kMaxChunks = 16;
constexpr int64_t kChunkBytes = 2 << 20;  // by the donor's own estimate

}  // namespace

// Items of one call of SweepAhead, in chunks that follow each other through the steps.
class Mover::Ahead {
 public:
  Ahead(Mover& mover, std::vector<Items> chunks)
      : mover_(mover), donor_(mover.Client(mover.donor_)), chunks_(std::move(chunks)) {
    ready_.resize(mover.clients_.size());
  }

  void Run() {
    size_t sent = 0;
    const auto dump_next = [&] {
      if (sent < chunks_.size() && (sent == 0 || !mover_.Interrupted())) SendDump(sent++);
    };
    const TimePoint began = MonotonicNow();
    dump_next();
    dump_next();
    donor_.Flush();
    for (size_t i = 0; i < sent; ++i) {
      ReadUntilDumped(i);
      if (i == 0) Learn(sent, MonotonicNow() - began);
      dump_next();
      donor_.Flush();
      SendRestores(chunks_[i]);
      if (i > 0) Acknowledge(i - 1);
    }
    Acknowledge(sent - 1);
    while (!asked_.empty()) ReadNext();
  }
  std::vector<Items>& chunks() { return chunks_; }

 private:
  // What the donor owes a reply for.
  struct Asked {
    bool unlink;
    size_t chunk;
  };

  // A server that was asked twice at once answers when both are done.
  void Learn(size_t sent, Duration took) {
    size_t keys = 0;
    for (size_t i = 0; i < sent; ++i) keys += chunks_[i].size();
    mover_.turns_.OnKeys(mover_.donor_, keys, took);
  }

  void SendDump(size_t chunk) {
    mover_.AppendDumpScript(All(chunks_[chunk]), kChunkBytes);
    asked_.push_back({false, chunk});
  }

  void ReadUntilDumped(size_t chunk) {
    while (!asked_.empty() && (asked_.front().unlink || asked_.front().chunk <= chunk)) {
      const bool last = !asked_.front().unlink && asked_.front().chunk == chunk;
      ReadNext();
      if (last) return;
    }
  }

  void ReadNext() {
    const Asked asked = asked_.front();
    asked_.pop_front();
    ShardReply reply = donor_.Read();
    if (asked.unlink) return TakeUnlinked(chunks_[asked.chunk], reply);
    dumped_ = std::move(reply);
    mover_.TakeDumps(All(chunks_[asked.chunk]), dumped_);
  }

  static std::vector<Item*> All(Items& items) {
    std::vector<Item*> all;
    for (Item& item : items) all.push_back(&item);
    return all;
  }

  bool Ready(uint32_t shard, Item& item) {
    ShardClient& recipient = mover_.Client(shard);
    if (ready_[shard] && recipient.connected()) return true;
    // One that was lost meanwhile still owes replies.
    const Status ready =
        ready_[shard] ? Error{ErrorCode::kUnavailable, recipient.error()} : mover_.Connect(shard);
    if (ready.ok() && recipient.Select(item.database)) return ready_[shard] = true;
    item.error =
        ready ? "shard " + recipient.target().name + ": " + recipient.error() : ready.error().text;
    return false;
  }

  void SendRestores(Items& items) {
    for (Item& item : items) {
      if (item.transfer.step() != KeyTransfer::Step::kRestore) continue;
      if (!Ready(item.to, item)) {
        item.transfer.OnReply(KeyTransfer::Reply::kRefused);
        continue;
      }
      mover_.AppendRestore(item, item.view);
      item.sent = true;
    }
    for (uint32_t shard = 0; shard < ready_.size(); ++shard) {
      if (ready_[shard]) mover_.Client(shard).Flush();
    }
  }

  void Acknowledge(size_t chunk) {
    ShardClient::Args args = {"UNLINK"};
    for (Item& item : chunks_[chunk]) {
      if (!item.sent) continue;
      mover_.TakeRestored(item, mover_.Client(item.to).Read());
      if (item.transfer.step() != KeyTransfer::Step::kUnlink) continue;
      if (!mover_.LeaveOldCopy(item)) args.push_back(item.key);
    }
    if (args.size() == 1) return;
    donor_.Append(args);
    asked_.push_back({true, chunk});
    donor_.Flush();
  }

  void TakeUnlinked(Items& items, const ShardReply& reply) {
    for (Item& item : items) {
      if (item.transfer.step() == KeyTransfer::Step::kUnlink) mover_.TakeUnlinked(item, reply);
    }
  }

  Mover& mover_;
  ShardClient& donor_;
  std::vector<Items> chunks_;
  std::deque<Asked> asked_;
  ShardReply dumped_;        // what the views of the chunk at hand point into
  std::vector<bool> ready_;  // recipients, with the database selected
};

// As many as the turn has time for.
size_t Mover::ChunksOf(size_t keys) const {
  if (turns_.alone()) return kMaxChunks;
  const Duration each = std::max(turns_.TimeOfKeys(keys), Duration(1));
  return std::clamp<size_t>(static_cast<size_t>(turns_.left() / each), 1, kMaxChunks);
}

void Mover::SweepAhead() {
  const TimePoint began = MonotonicNow();
  if (!Client(donor_).Select(scanned_database_) || !MayScript()) return SweepBatch();
  const size_t chunk =
      turns_.alone()
          ? size_t{context_.batch} * kChunkBatches
          : std::max<size_t>(turns_.Keys(kLeastChunk, context_.batch * kChunkBatches * 2) / 2, 1);
  const size_t most = std::min(found_.size(), chunk * ChunksOf(chunk));
  InHand hand(*this);
  std::vector<Items> chunks;
  for (size_t left = most; left > 0;) {
    const size_t next = std::min(left, chunk);
    left -= next;
    if (Items items = hand.TakeFound(next); !items.empty()) chunks.push_back(std::move(items));
  }
  if (chunks.empty()) return EndStep(began, 0);
  for (const Items& items : chunks) MeetRecipients(items);
  Ahead ahead(*this, std::move(chunks));
  ahead.Run();
  const Duration took = (MonotonicNow() - began) / ahead.chunks().size();
  // Large keys, what a lost connection left in doubt, and what there was no time for: one by one.
  Items rest;
  size_t moved = 0;
  for (Items& items : ahead.chunks()) {
    Count(items, took);
    for (Item& item : items) {
      if (item.transfer.done()) {
        ++moved;
        continue;
      }
      if (item.transfer.ended()) item.transfer.Retry();
      rest.push_back(std::move(item));
    }
  }
  if (rest.empty()) {
    Trouble("");
    return EndStep(began, moved);
  }
  if (Interrupted()) {
    for (auto item = rest.rbegin(); item != rest.rend(); ++item) {
      found_.push_front(std::move(item->key));
    }
    return EndStep(began, moved);
  }
  Transfer(rest, Cause::kSweep);
  EndSweepStep(rest, began);
}

}  // namespace ringmaster
