// Keys that would stop a server for long if they were moved at once (PROTOCOLS.md 4.5).
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "control/mover.h"

namespace ringmaster {
namespace {

struct Plan {
  Bytes type;
  Bytes size;   // how many elements, or bytes of a string
  Bytes read;   // how pieces are read
  Bytes write;  // and written
};
constexpr Plan kPlans[] = {{"hash", "HLEN", "HSCAN", "HSET"},
                           {"set", "SCARD", "SSCAN", "SADD"},
                           {"zset", "ZCARD", "ZSCAN", "ZADD"},
                           {"list", "LLEN", "LRANGE", "RPUSH"},
                           {"string", "STRLEN", "GETRANGE", "SET"}};

// What one piece may be: less than a millisecond of a server, and less than that beside clients.
struct PieceLimit {
  int64_t bytes;
  int64_t elements;
};
constexpr PieceLimit kAlone = {512 << 10, 1000};
constexpr PieceLimit kBesideClients = {128 << 10, 250};
// What a server takes to dump or restore a megabyte, roughly.
constexpr double kMillisecondsPerMegabyte = 10;

}  // namespace

// Copies one key under a hidden name in pieces and renames it when it is whole: no client command
// touches the key meanwhile, so the pieces fit together. The recipient writes a piece while the
// donor is asked for the next. Pulls of other keys pass in between.
class Mover::Pieces {
 public:
  Pieces(Mover& mover, Item& item, const Plan& plan)
      : mover_(mover),
        item_(item),
        plan_(plan),
        copy_("__rm:mv:" + item.key),
        donor_(mover.Client(mover.donor_)),
        recipient_(mover.Client(item.to)) {}

  // The item ends, or there is an error and it is where it was.
  Status Move() {
    if (const Status begun = Begin(); !begun) return begun;
    if (item_.transfer.step() != KeyTransfer::Step::kDump) return Done();
    const Status copied = plan_.type == "string" ? CopyString() : CopyElements();
    if (!copied) return copied;
    if (const Status whole = IsWhole(); !whole) return whole;
    return Rename();
  }

 private:
  // A server that was started anew has forgotten what cursors mean, and maybe the copy.
  Status Use(uint32_t shard, std::string& run_id) {
    if (const Status ready = mover_.Connect(shard); !ready) return ready;
    ShardClient& client = mover_.Client(shard);
    if (!client.Select(item_.database)) return mover_.Lost(shard);
    if (run_id.empty()) run_id = client.run_id();
    if (run_id == client.run_id()) return Done();
    return Error{ErrorCode::kUnavailable,
                 "shard " + client.target().name + " was started anew while a key was copied"};
  }
  Status UseDonor() { return Use(mover_.donor_, donor_run_id_); }
  Status UseRecipient() { return Use(item_.to, recipient_run_id_); }

  Status Begin() {
    if (const Status ready = UseRecipient(); !ready) return ready;
    if (recipient_.Ask({"UNLINK", copy_}).lost()) return mover_.Lost(item_.to);
    const ShardReply exists = recipient_.Ask({"EXISTS", item_.key});
    if (exists.lost() || exists.is_error()) return mover_.Lost(item_.to);
    if (exists.integer() == 1) {
      item_.transfer.OnReply(KeyTransfer::Reply::kOk);
      item_.transfer.OnReply(KeyTransfer::Reply::kBusy);
      return Done();
    }
    if (const Status ready = UseDonor(); !ready) return ready;
    const ShardReply size = donor_.Ask({plan_.size, item_.key});
    if (size.lost() || size.is_error()) return mover_.Refused(mover_.donor_, size);
    size_ = size.integer();
    return Done();
  }

  Status CopyElements() {
    while (!at_end_) {
      const TimePoint began = MonotonicNow();
      if (const Status ready = UseDonor(); !ready) return ready;
      const ShardReply page = Read();
      const bool list = plan_.read == "LRANGE";
      if (!page.is_array() || (!list && page.size() != 2)) {
        return mover_.Refused(mover_.donor_, page);
      }
      if (const Status settled = Settle(); !settled) return settled;
      if (const Status ready = UseRecipient(); !ready) return ready;
      const ShardReply view = list ? ShardReply() : page.at(1);
      const ShardReply& elements = list ? page : view;
      Write(elements);
      position_ += static_cast<int64_t>(elements.size());
      if (!list) cursor_ = std::string(page.at(0).text());
      at_end_ = list ? elements.size() == 0 : cursor_ == "0";
      if (const Status passed = LetOthersPass(began); !passed) return passed;
    }
    return Settle();
  }

  ShardReply Read() {
    const int64_t mean = std::max<int64_t>(item_.estimate / std::max<int64_t>(size_, 1), 1);
    const PieceLimit limit = Limit();
    const int64_t count = std::clamp<int64_t>(limit.bytes / mean, 1, limit.elements);
    if (plan_.read == "LRANGE") {
      return donor_.Ask({plan_.read, item_.key, std::to_string(position_),
                         std::to_string(position_ + count - 1)});
    }
    return donor_.Ask({plan_.read, item_.key, cursor_, "COUNT", std::to_string(count)});
  }

  void Write(const ShardReply& elements) {
    if (elements.size() == 0) return;
    ShardClient::Args args = {plan_.write, copy_};
    for (size_t i = 0; i < elements.size(); ++i) {
      // A sorted set is read as member and score and written the other way round.
      args.push_back(elements.at(plan_.write == "ZADD" ? i ^ 1 : i).text());
    }
    for (size_t i = 2; i < args.size(); ++i) item_.size += args[i].size();
    recipient_.Append(args);
    recipient_.Flush();
    writing_ = true;
  }

  // The piece under way is written.
  Status Settle() {
    if (!std::exchange(writing_, false)) return Done();
    const ShardReply written = recipient_.Read();
    return written.lost() || written.is_error() ? mover_.Refused(item_.to, written) : Done();
  }

  // One SET, sent as it is read: the recipient takes it in without a copy, where APPEND would make
  // it copy all that it has again and again.
  Status CopyString() {
    ShardClient& upload = *mover_.uploads_[item_.to];
    if (const Status ready = upload.Ready(); !ready) return ready;
    const Status sent = upload.Select(item_.database)
                            ? SendString(upload)
                            : Error{ErrorCode::kUnavailable, upload.error()};
    if (!sent) {
      upload.Disconnect("a copy was not finished");
      return sent;
    }
    const ShardReply set = upload.Read();
    if (!set.lost() && !set.is_error()) return Done();
    return Error{set.lost() ? ErrorCode::kUnavailable : ErrorCode::kRefused,
                 "shard " + upload.target().name + " does not take it: " +
                     (set.lost() ? upload.error() : std::string(set.text()))};
  }

  Status SendString(ShardClient& upload) {
    upload.BeginLarge({plan_.write, copy_}, static_cast<size_t>(size_));
    while (position_ < size_) {
      const TimePoint began = MonotonicNow();
      if (const Status ready = UseDonor(); !ready) return ready;
      const int64_t end = std::min(position_ + Limit().bytes, size_);
      const ShardReply piece =
          donor_.Ask({plan_.read, item_.key, std::to_string(position_), std::to_string(end - 1)});
      if (piece.lost() || piece.is_error()) return mover_.Refused(mover_.donor_, piece);
      if (static_cast<int64_t>(piece.text().size()) != end - position_) return Changed();
      upload.AppendPart(piece.text());
      upload.Flush();
      if (!upload.connected()) return Error{ErrorCode::kUnavailable, upload.error()};
      item_.size += piece.text().size();
      position_ = end;
      if (const Status passed = LetOthersPass(began); !passed) return passed;
    }
    upload.EndLarge();
    return Done();
  }

  PieceLimit Limit() const { return mover_.client_load_.busy() ? kBesideClients : kAlone; }

  // Between two pieces.
  Status LetOthersPass(TimePoint began) {
    if (mover_.Interrupted()) {
      if (const Status settled = Settle(); !settled) return settled;
      mover_.ServePulls();
    }
    mover_.RestAfterPiece(began);
    return Done();
  }

  // Whatever became of the copy meanwhile (eviction, FLUSHALL on the shard itself): only all of it
  // takes the key's place.
  Status IsWhole() {
    if (const Status ready = UseDonor(); !ready) return ready;
    if (const Status ready = UseRecipient(); !ready) return ready;
    const ShardReply now = donor_.Ask({plan_.size, item_.key});
    if (now.lost() || now.is_error()) return mover_.Refused(mover_.donor_, now);
    if (now.integer() == 0) return Done();  // it expired
    const ShardReply copied = recipient_.Ask({plan_.size, copy_});
    if (copied.lost() || copied.is_error()) return mover_.Refused(item_.to, copied);
    return now.integer() == size_ && copied.integer() == size_ ? Done() : Changed();
  }
  static Status Changed() {
    return Error{ErrorCode::kRefused,
                 "a large key, or its copy, was changed past the proxy while it was copied"};
  }

  // The copy is complete: gives it the time to live and the name.
  Status Rename() {
    const ShardReply ttl = donor_.Ask({"PTTL", item_.key});
    if (ttl.lost() || ttl.is_error()) return mover_.Lost(mover_.donor_);
    if (ttl.integer() == Mover::kAbsent) {
      if (recipient_.Ask({"UNLINK", copy_}).lost()) return mover_.Lost(item_.to);
      item_.transfer.OnReply(KeyTransfer::Reply::kAbsent);
      return Done();
    }
    if (ttl.integer() >= 0) {
      const std::string left = std::to_string(std::max<int64_t>(ttl.integer(), 1));
      if (recipient_.Ask({"PEXPIRE", copy_, left}).lost()) return mover_.Lost(item_.to);
    }
    item_.transfer.OnReply(KeyTransfer::Reply::kOk);
    const ShardReply renamed = recipient_.Ask({"RENAMENX", copy_, item_.key});
    if (renamed.lost()) {
      item_.error = mover_.Lost(item_.to).error().text;
      item_.transfer.OnReply(KeyTransfer::Reply::kLost);
      return Done();
    }
    // It expired between two steps: so it has on the donor.
    const bool gone = renamed.is_error() && renamed.text().starts_with("ERR no such key");
    if (renamed.is_error() && !gone) return mover_.Refused(item_.to, renamed);
    item_.moved = true;
    item_.transfer.OnReply(KeyTransfer::Reply::kOk);
    return Done();
  }

  Mover& mover_;
  Item& item_;
  const Plan& plan_;
  const std::string copy_;
  ShardClient& donor_;
  ShardClient& recipient_;
  std::string donor_run_id_;
  std::string recipient_run_id_;
  int64_t size_ = 0;      // of the key, in elements or bytes
  int64_t position_ = 0;  // of the next piece
  std::string cursor_ = "0";
  bool at_end_ = false;
  bool writing_ = false;  // a piece is on its way to the recipient
};

// Leaves the item in kDump when it is moved at once.
void Mover::CopyInPieces(Item& item) {
  const ShardReply type = Client(donor_).Ask({"TYPE", item.key});
  const auto plan = std::find_if(std::begin(kPlans), std::end(kPlans),
                                 [&](const Plan& each) { return each.type == type.text(); });
  if (plan == std::end(kPlans)) {
    if (type.is_text() && type.text() != "none") {
      const double megabytes = static_cast<double>(item.estimate) / 1e6;
      LogWarning(
          "a {} of about {:.0f} MB moves at once, for it cannot be copied in pieces: shards {} and "
          "{} serve nobody for about {:.0f} ms: {}",
          type.text(), megabytes, Client(donor_).target().name, Client(item.to).target().name,
          megabytes * kMillisecondsPerMegabyte, item.key.substr(0, 100));
    }
    return;
  }
  copying_ = &item;
  const Status moved = Pieces(*this, item, *plan).Move();
  copying_ = nullptr;
  if (!moved) {
    item.error = moved.error().text;
    item.broke = moved.error().code == ErrorCode::kUnavailable;
    item.transfer.OnReply(KeyTransfer::Reply::kRefused);
  }
}

// Whoever waits for this very key is not kept waiting longer than it takes.
void Mover::RestAfterPiece(TimePoint began) {
  if (!client_load_.Busy(MonotonicNow())) return;
  Pace(began, 0);
  std::unique_lock lock(mutex_);
  if (InterruptedLocked()) return;
  wake_.wait_for(lock, UntilSweep(), [this] { return InterruptedLocked(); });
}

Status Mover::Lost(uint32_t shard) {
  return Error{ErrorCode::kUnavailable,
               "shard " + Client(shard).target().name + ": " + Client(shard).error()};
}

Status Mover::Refused(uint32_t shard, const ShardReply& reply) {
  if (reply.lost()) return Lost(shard);
  return Error{ErrorCode::kRefused,
               "shard " + Client(shard).target().name + " refuses: " + std::string(reply.text())};
}

}  // namespace ringmaster
