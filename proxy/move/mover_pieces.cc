// Keys that would stop a server for long if they were moved at once (docs/resharding.md).
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>

#include "base/log.h"
#include "move/field_times.h"
#include "move/mover.h"

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

// What one piece may be: less than a millisecond of a server; beside clients, as the pace says.
constexpr uint64_t kMostBytes = 512 << 10;
constexpr uint64_t kMostElements = 1000;
constexpr uint64_t kLeastBytes = 16 << 10;
constexpr uint64_t kLeastElements = 50;
// What a server takes to dump or restore a megabyte, roughly.
constexpr double kMillisecondsPerMegabyte = 10;
constexpr size_t kShownKey = 100;
constexpr Duration kReadsPoll = std::chrono::milliseconds(1);

Status Lost(const ShardClient& shard) {
  return Error{ErrorCode::kUnavailable, "shard " + shard.target().name + ": " + shard.error()};
}

}  // namespace

// Copies one key under a hidden name in pieces and renames it when it is whole: no client command
// changes the key meanwhile, so the pieces fit together. The recipient writes a piece while the
// donor is asked for the next. Pulls of other keys pass in between, and who wants to read this one
// reads it on the donor until the copy takes its place.
//
// What a lost connection of a client had sent may still run on the donor, and others may write past
// the proxy: the key is watched, and copied anew when it changed after all. A hash whose fields
// have times to live (Redis 7.4) changes by itself while it is copied, and to its watcher that
// looks like anybody's write: then what is left of it is compared with the copy.
class Mover::Pieces {
 public:
  Pieces(Mover& mover, Item& item, const Plan& plan)
      : mover_(mover),
        item_(item),
        plan_(plan),
        copy_("__rm:mv:" + item.key),
        donor_(mover.Client(mover.donor_)),
        recipient_(mover.Client(item.to)),
        on_donor_{mover.donor_, {}, 0},
        on_recipient_{item.to, {}, 0} {}

  // The item ends, or there is an error and it is where it was.
  Status Move() {
    if (Status begun = Begin(); !begun) return begun;
    if (item_.transfer.step() != KeyTransfer::Step::kDump) return Done();
    mover_.TakeAskersOfCopied();
    OfferReads();
    Status copied = plan_.type == "string" ? CopyString() : CopyElements();
    // Also when the donor was lost: the next one to ask would get the answer.
    Status settled = Settle();
    if (copied) copied = settled;
    if (copied) copied = IsWhole();
    Status ended = EndReads();
    if (!copied) return copied;
    if (!ended) return ended;
    Status same = IsUnchanged();
    return same ? Rename() : same;
  }

 private:
  struct Server {
    uint32_t shard;
    std::string run_id;
    int64_t connection;
  };

  // A server that was started anew has forgotten what cursors mean, and maybe the copy; a new
  // connection watches nothing.
  Status Use(Server& server) {
    if (Status ready = mover_.Connect(server.shard); !ready) return ready;
    ShardClient& client = mover_.Client(server.shard);
    if (!client.Select(item_.database)) return Lost(client);
    if (server.connection == 0) {
      server.run_id = client.run_id();
      server.connection = client.id();
    }
    if (server.run_id == client.run_id() && server.connection == client.id()) return Done();
    return Error{ErrorCode::kUnavailable, "the connection to shard " + client.target().name +
                                              " was lost while a key was copied"};
  }
  Status UseDonor() { return Use(on_donor_); }
  Status UseRecipient() { return Use(on_recipient_); }

  Status Begin() {
    if (Status ready = UseRecipient(); !ready) return ready;
    if (recipient_.Ask({"UNLINK", copy_}).lost()) return Lost(recipient_);
    const ShardReply exists = recipient_.Ask({"EXISTS", item_.key});
    if (exists.lost() || exists.is_error()) return Lost(recipient_);
    if (exists.integer() == 1) {
      item_.transfer.OnReply(KeyTransfer::Reply::kOk);
      item_.transfer.OnReply(KeyTransfer::Reply::kBusy);
      return Done();
    }
    if (Status ready = UseDonor(); !ready) return ready;
    donor_.Append({"UNWATCH"});
    donor_.Append({"WATCH", item_.key});
    donor_.Append({plan_.size, item_.key});
    const bool hash = plan_.type == "hash";
    if (hash) donor_.Append({"COMMAND", "INFO", "HPEXPIRETIME"});
    const ShardReply unwatched = donor_.Read();
    const ShardReply watched = donor_.Read();
    const ShardReply size = donor_.Read();
    const ShardReply known = hash ? donor_.Read() : ShardReply();
    if (watched.is_error()) return Refused(donor_, watched);
    if (size.lost() || size.is_error()) return Refused(donor_, size);
    size_ = size.integer();
    fields_may_expire_ = known.is_array() && known.size() == 1 && known.at(0).is_array();
    const MutexLock lock(mover_.mutex_);
    mover_.figures_.in_hand = {.key = item_.key.substr(0, kShownKey),
                               .type = std::string(plan_.type),
                               .size = static_cast<uint64_t>(size_),
                               .done = 0,
                               .bytes = static_cast<uint64_t>(item_.estimate)};
    return Done();
  }

  Status CopyElements() {
    while (!at_end_) {
      const TimePoint began = MonotonicNow();
      if (Status ready = UseDonor(); !ready) return ready;
      const ShardReply page = Read();
      Learn(page, began);
      const bool list = plan_.read == "LRANGE";
      if (!page.is_array() || (!list && page.size() != 2)) {
        return Refused(donor_, page);
      }
      FieldTimes expiries;
      if (fields_may_expire_) {
        Status told = ReadFieldTimes(donor_, item_.key, page.at(1), expiries);
        if (!told) return told;
      }
      if (Status settled = Settle(); !settled) return settled;
      if (Status ready = UseRecipient(); !ready) return ready;
      const ShardReply view = list ? ShardReply() : page.at(1);
      const ShardReply& elements = list ? page : view;
      Write(elements, expiries);
      position_ += static_cast<int64_t>(elements.size());
      if (!list) cursor_ = std::string(page.at(0).text());
      at_end_ = list ? elements.size() == 0 : cursor_ == "0";
      if (Status passed = LetOthersPass(began); !passed) return passed;
    }
    return Done();
  }

  ShardReply Read() {
    const int64_t mean = std::max<int64_t>(item_.estimate / std::max<int64_t>(size_, 1), 1);
    const auto room = static_cast<int64_t>(mover_.turns_.Bytes(kLeastBytes, kMostBytes));
    const auto most = static_cast<int64_t>(mover_.turns_.Elements(kLeastElements, kMostElements));
    const int64_t count = std::clamp<int64_t>(room / mean, 1, most);
    if (plan_.read == "LRANGE") {
      return donor_.Ask({plan_.read, item_.key, std::to_string(position_),
                         std::to_string(position_ + count - 1)});
    }
    return donor_.Ask({plan_.read, item_.key, cursor_, "COUNT", std::to_string(count)});
  }

  void Learn(const ShardReply& page, TimePoint began) {
    const size_t read = plan_.read == "LRANGE" ? page.size()
                        : page.size() == 2     ? page.at(1).size()
                                               : 0;
    mover_.turns_.OnElements(mover_.donor_, read / ValuesOfElement(), MonotonicNow() - began);
  }
  // How many values of a reply are one.
  size_t ValuesOfElement() const { return plan_.type == "hash" || plan_.type == "zset" ? 2 : 1; }

  // `expiries`: of fields; empty: they have none.
  void Write(const ShardReply& elements, const FieldTimes& expiries) {
    ShardClient::Args args = {plan_.write, copy_};
    std::map<int64_t, ShardClient::Args> expiring;
    for (size_t i = 0; i < elements.size(); ++i) {
      const int64_t expiry = expiries.empty() ? kFieldStays : expiries[i / 2];
      if (expiry == kFieldGone) continue;
      // A sorted set is read as member and score and written the other way round.
      args.push_back(elements.at(plan_.write == "ZADD" ? i ^ 1 : i).text());
      if (expiry != kFieldStays && i % 2 == 0) expiring[expiry].push_back(args.back());
    }
    if (args.size() == 2) return;
    for (size_t i = 2; i < args.size(); ++i) item_.size += args[i].size();
    recipient_.Append(args);
    writing_ = 1;
    for (const auto& [expiry, fields] : expiring) AppendExpiry(expiry, fields);
    recipient_.Flush();
  }

  void AppendExpiry(int64_t expiry, const ShardClient::Args& fields) {
    const std::string when = std::to_string(expiry);
    const std::string count = std::to_string(fields.size());
    ShardClient::Args args = {"HPEXPIREAT", copy_, when, "FIELDS", count};
    args.insert(args.end(), fields.begin(), fields.end());
    recipient_.Append(args);
    ++writing_;
    fields_expire_ = true;
  }

  // The piece under way is written.
  Status Settle() {
    Status settled = Done();
    for (size_t due = std::exchange(writing_, 0); due > 0; --due) {
      const ShardReply written = recipient_.Read();
      if (settled && (written.lost() || written.is_error())) settled = Refused(recipient_, written);
    }
    return settled;
  }

  // One SET, sent as it is read: the recipient takes it in without a copy, where APPEND would make
  // it copy all that it has again and again.
  Status CopyString() {
    ShardClient& upload = *mover_.uploads_[item_.to];
    if (Status ready = upload.Ready(); !ready) return ready;
    Status sent = upload.Select(item_.database) ? SendString(upload) : Lost(upload);
    if (!sent) {
      upload.Disconnect("a copy was not finished");
      return sent;
    }
    const ShardReply set = upload.Read();
    return set.lost() || set.is_error() ? Refused(upload, set) : Done();
  }

  Status SendString(ShardClient& upload) {
    upload.BeginLarge({plan_.write, copy_}, static_cast<size_t>(size_));
    while (position_ < size_) {
      const TimePoint began = MonotonicNow();
      if (Status ready = UseDonor(); !ready) return ready;
      const auto most = static_cast<int64_t>(mover_.turns_.Bytes(kLeastBytes, kMostBytes));
      const int64_t end = std::min(position_ + most, size_);
      const ShardReply piece =
          donor_.Ask({plan_.read, item_.key, std::to_string(position_), std::to_string(end - 1)});
      if (piece.lost() || piece.is_error()) return Refused(donor_, piece);
      if (static_cast<int64_t>(piece.text().size()) != end - position_) return Changed();
      mover_.turns_.OnBytes(mover_.donor_, piece.text().size(), MonotonicNow() - began);
      upload.AppendPart(piece.text());
      upload.Flush();
      if (!upload.connected()) return Lost(upload);
      item_.size += piece.text().size();
      position_ = end;
      if (Status passed = LetOthersPass(began); !passed) return passed;
    }
    upload.EndLarge();
    return Done();
  }

  void TellProgress() const {
    const uint64_t done = static_cast<uint64_t>(position_) / ValuesOfElement();
    const MutexLock lock(mover_.mutex_);
    // An element may be read twice.
    mover_.figures_.in_hand.done = std::min<uint64_t>(done, mover_.figures_.in_hand.size);
  }

  // Between two pieces. Readers first: they wait for no recipient.
  enum class Readers : uint8_t { kMayCome, kAreGone };
  Status LetOthersPass(TimePoint began, Readers readers = Readers::kMayCome) {
    TellProgress();
    mover_.EndStep(began, 0);
    do {
      mover_.TakeAskersOfCopied();
      if (readers == Readers::kMayCome) OfferReads();
      if (mover_.Interrupted()) {
        if (Status settled = Settle(); !settled) return settled;
        mover_.ServePulls();
      }
    } while (mover_.Rests());
    mover_.counted_to_ = MonotonicNow();
    return Done();
  }

  void OfferReads() {
    for (; offered_ < item_.askers.size(); ++offered_) {
      const Asker& asker = item_.askers[offered_];
      if (asker.read_old == nullptr) continue;
      asker.read_old();
      readers_.push_back(asker.end_reads);
    }
  }

  // From then on nobody reads on the donor. Others' pulls go on.
  Status EndReads() {
    const auto left = std::make_shared<std::atomic<size_t>>(readers_.size());
    for (const auto& end : std::exchange(readers_, {})) end([left] { --*left; });
    while (*left > 0) {
      mover_.ServePulls();
      MutexLock lock(mover_.mutex_);
      if (mover_.stop_) return Error{ErrorCode::kUnavailable, "the move ends"};
      mover_.wake_.wait_for(lock.native(), kReadsPoll);
    }
    return Done();
  }

  // Whatever became of the copy meanwhile (eviction, FLUSHALL on the shard itself): only all of it
  // takes the key's place.
  Status IsWhole() {
    if (Status ready = UseDonor(); !ready) return ready;
    if (Status ready = UseRecipient(); !ready) return ready;
    const ShardReply now = donor_.Ask({plan_.size, item_.key});
    if (now.lost() || now.is_error()) return Refused(donor_, now);
    if (now.integer() == 0) return Done();  // it expired
    const ShardReply copied = recipient_.Ask({plan_.size, copy_});
    if (copied.lost() || copied.is_error()) return Refused(recipient_, copied);
    if (now.integer() == size_ && copied.integer() == size_) return Done();
    to_compare_ = fields_expire_;
    return to_compare_ ? Done() : Changed();
  }
  // Of the error that makes it be copied anew.
  static Status Changed() {
    return Error{ErrorCode::kUnavailable,
                 "a large key, or its copy, was changed past the proxy while it was copied"};
  }

  // An empty transaction tells whether a watched key was touched.
  Status IsUnchanged() {
    if (Status ready = UseDonor(); !ready) return ready;
    donor_.Append({"MULTI"});
    donor_.Append({"EXEC"});
    const ShardReply begun = donor_.Read();
    const ShardReply executed = donor_.Read();
    if (executed.lost() || executed.is_error()) return Refused(donor_, executed);
    if (executed.is_nil() && !fields_expire_) return Changed();
    if (!executed.is_nil() && !to_compare_) return Done();
    if (Status all = Within(donor_, item_.key, recipient_, copy_); !all) return all;
    return Within(recipient_, copy_, donor_, item_.key);
  }

  // Every field of the one hash is in the other, with its value and its time to live, or has had
  // its time there.
  Status Within(ShardClient& part, Bytes key, ShardClient& whole, Bytes in) {
    std::string cursor = "0";
    do {
      const TimePoint began = MonotonicNow();
      if (Status ready = UseDonor(); !ready) return ready;
      if (Status ready = UseRecipient(); !ready) return ready;
      const std::string count =
          std::to_string(mover_.turns_.Elements(kLeastElements, kMostElements));
      const ShardReply page = part.Ask({"HSCAN", key, cursor, "COUNT", count});
      if (page.size() != 2) return Refused(part, page);
      cursor = std::string(page.at(0).text());
      const Result<bool> same = HasFields(whole, in, part, key, page.at(1));
      if (!same) return same.error();
      if (!*same) return Changed();
      if (Status passed = LetOthersPass(began, Readers::kAreGone); !passed) return passed;
    } while (cursor != "0");
    return Done();
  }

  // The copy is complete: gives it the time to live and the name.
  Status Rename() {
    if (Status ready = UseRecipient(); !ready) return ready;
    const ShardReply ttl = donor_.Ask({"PTTL", item_.key});
    if (ttl.lost() || ttl.is_error()) return Lost(donor_);
    if (ttl.integer() == Mover::kAbsent) {
      if (recipient_.Ask({"UNLINK", copy_}).lost()) return Lost(recipient_);
      item_.transfer.OnReply(KeyTransfer::Reply::kAbsent);
      return Done();
    }
    if (ttl.integer() >= 0) {
      const std::string left = std::to_string(std::max<int64_t>(ttl.integer(), 1));
      if (recipient_.Ask({"PEXPIRE", copy_, left}).lost()) return Lost(recipient_);
    }
    item_.transfer.OnReply(KeyTransfer::Reply::kOk);
    const ShardReply renamed = recipient_.Ask({"RENAMENX", copy_, item_.key});
    if (renamed.lost()) {
      item_.error = Lost(recipient_).error().text;
      item_.transfer.OnReply(KeyTransfer::Reply::kLost);
      return Done();
    }
    // It expired between two steps: so it has on the donor.
    const bool gone = renamed.is_error() && renamed.text().starts_with("ERR no such key");
    if (renamed.is_error() && !gone) return Refused(recipient_, renamed);
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
  Server on_donor_;
  Server on_recipient_;
  int64_t size_ = 0;      // of the key, in elements or bytes
  int64_t position_ = 0;  // of the next piece
  std::string cursor_ = "0";
  bool at_end_ = false;
  size_t writing_ = 0;              // replies that a piece on its way to the recipient still gets
  bool fields_may_expire_ = false;  // as far as the donor knows
  bool fields_expire_ = false;      // some of those copied do
  bool to_compare_ = false;         // the copy has more or fewer than were counted
  size_t offered_ = 0;              // of the item's askers
  std::vector<decltype(Asker::end_reads)> readers_;
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
  {
    const MutexLock lock(mutex_);
    figures_.in_hand = LargeKey();
  }
  if (!moved) {
    item.error = moved.error().text;
    item.broke = moved.error().code == ErrorCode::kUnavailable;
    item.transfer.OnReply(KeyTransfer::Reply::kRefused);
  }
}

void Mover::TakeAskersOfCopied() {
  const MutexLock lock(mutex_);
  for (auto at = pulls_.begin(); at != pulls_.end();) {
    if (!IsCopied(*at)) {
      ++at;
      continue;
    }
    copying_->askers.push_back(std::move(at->asker));
    at = pulls_.erase(at);
  }
}

// Until a pull comes, or it is time to go on. False: it is.
bool Mover::Rests() {
  const bool urgent = !copying_->askers.empty();
  {
    const MutexLock lock(mutex_);
    if (stop_ || abandoned_ || held_ > 0 || halt_ || resolve_) return false;
  }
  // What somebody waits for goes on.
  const bool paused = context_.paused && !urgent;
  const Duration rest = paused ? Duration(kTroubleDelay) : turns_.Take(urgent);
  if (rest <= Duration(0)) return false;
  MutexLock lock(mutex_);
  if (!Servable()) wake_.wait_for(lock.native(), rest);
  return true;
}

}  // namespace ringmaster
