#include "move/arrivals.h"

#include <iterator>
#include <utility>

#include "base/log.h"
#include "move/carried_keys.h"

namespace ringmaster {
namespace {

// Leaves nothing behind, and counts as a write of the connection's own.
constexpr Bytes kMarker = "__rm:mv:arrived";
constexpr size_t kMarkerReplies = 4;
constexpr Bytes kWaitMillis = "2000";
// Behind kWaitMillis: whoever has not answered by then will not.
constexpr Duration kPatience = std::chrono::seconds(6);
constexpr Duration kRetryAfter = std::chrono::milliseconds(500);

}  // namespace

Arrivals::Arrivals(std::vector<std::unique_ptr<ShardClient>> clients,
                   const std::atomic<DurableMove>& mode)
    : wanted_(mode), mode_(mode) {
  for (std::unique_ptr<ShardClient>& client : clients) {
    shards_.emplace_back().client = std::move(client);
  }
}

void Arrivals::Cancel() {
  for (const Shard& shard : shards_) shard.client->Cancel();
}

// What was asked for in another mode is asked for anew.
void Arrivals::FollowMode() {
  const DurableMove mode = wanted_;
  if (mode == mode_) return;
  mode_ = mode;
  for (Shard& shard : shards_) {
    shard.trouble.clear();
    shard.state = mode == DurableMove::kOff ? State::kNotAwaited : State::kUnknown;
    if (shard.replies_due > 0) shard.client->Disconnect("not needed any more");
    shard.replies_due = 0;
    std::move(shard.asked.begin(), shard.asked.end(), std::back_inserter(shard.added));
    shard.asked.clear();
  }
}

bool Arrivals::Await(uint32_t shard) {
  FollowMode();
  if (mode_ == DurableMove::kOff) return false;
  Shard& at = shards_[shard];
  if (at.state == State::kUnknown && Connect(at)) at.state = Probe(at);
  return at.state != State::kNotAwaited;
}

bool Arrivals::Connect(Shard& shard) {
  if (shard.client->connected()) return true;
  const TimePoint now = MonotonicNow();
  if (now < shard.retry_at) return false;
  if (const Status ready = shard.client->Ready(); !ready) {
    shard.trouble = ready.error().text;
    shard.retry_at = MonotonicNow() + kRetryAfter;
    return false;
  }
  return true;
}

Arrivals::State Arrivals::Probe(Shard& shard) {
  if (mode_ == DurableMove::kReplica) return State::kAwaited;
  shard.client->Append({"CONFIG", "GET", "appendfsync"});
  shard.client->Append({"WAITAOF", "1", "0", "1"});
  const ShardReply fsync = shard.client->Read();
  const ShardReply waited = shard.client->Read();
  if (waited.lost()) return State::kUnknown;
  const bool never = fsync.size() == 2 && fsync.at(1).text() == "no";
  if (!never && !waited.is_error()) return State::kAwaited;
  LogInfo("keys that move to shard {} do not wait for its disk: {}", shard.client->target().name,
          never ? "appendfsync is no" : std::string(waited.text()));
  shard.client->Disconnect("not needed any more");
  return State::kNotAwaited;
}

void Arrivals::Add(uint32_t shard, const std::string& run_id, int database,
                   const std::string& key) {
  Shard& at = shards_[shard];
  if (at.run_id != run_id) Drop(at.added);
  at.run_id = run_id;
  std::string name = CarriedKeys::NameOf(database, key);
  const size_t size = name.size();
  if (!names_.insert(std::move(name)).second) return;
  bytes_ += size;
  at.added.push_back({database, key});
}

void Arrivals::Erase(const Key& key) {
  const std::string name = CarriedKeys::NameOf(key.database, key.key);
  if (names_.erase(name) == 1) bytes_ -= name.size();
}

bool Arrivals::contains(int database, const std::string& key) const {
  return !names_.empty() && names_.contains(CarriedKeys::NameOf(database, key));
}

std::vector<Arrivals::Key> Arrivals::TakeDurable() {
  std::vector<Key> durable;
  if (names_.empty()) return durable;
  FollowMode();
  for (Shard& shard : shards_) {
    if (shard.state == State::kUnknown && !shard.added.empty() && Connect(shard)) {
      shard.state = Probe(shard);
    }
    if (shard.state == State::kNotAwaited) {
      std::move(shard.added.begin(), shard.added.end(), std::back_inserter(durable));
      shard.added.clear();
    }
    if (shard.replies_due > 0) Look(shard, durable);
    if (shard.state != State::kAwaited || shard.replies_due > 0 || shard.added.empty()) continue;
    if (!Connect(shard)) continue;
    if (shard.client->run_id() != shard.run_id) {
      Drop(shard.added);
      continue;
    }
    shard.asked = std::exchange(shard.added, {});
    Ask(shard, true);
  }
  for (const Key& key : durable) Erase(key);
  return durable;
}

void Arrivals::Ask(Shard& shard, bool with_marker) {
  ShardClient& client = *shard.client;
  shard.asked_at = MonotonicNow();
  shard.replies_due = 1;
  shard.marked = true;
  if (with_marker) {
    client.Append({"MULTI"});
    client.Append({"SET", kMarker, ""});
    client.Append({"UNLINK", kMarker});
    client.Append({"EXEC"});
    shard.replies_due += kMarkerReplies;
  }
  if (mode_ == DurableMove::kAof) {
    client.Append({"WAITAOF", "1", "0", kWaitMillis});
  } else {
    client.Append({"WAIT", "1", kWaitMillis});
  }
  client.Flush();
}

void Arrivals::Look(Shard& shard, std::vector<Key>& durable) {
  while (shard.replies_due > 0 && shard.client->answered()) {
    const ShardReply reply = shard.client->Read();
    if (reply.lost()) return Lose(shard);
    --shard.replies_due;
    if (shard.replies_due == 0) return Judge(shard, reply, durable);
    if (!reply.is_error() && !reply.at(0).is_error()) continue;
    shard.marked = false;
    shard.trouble = "shard " + shard.client->target().name + " refuses writes";
  }
  if (shard.replies_due == 0 || MonotonicNow() - shard.asked_at < kPatience) return;
  shard.client->Disconnect("no answer in time");
  Lose(shard);
}

void Arrivals::Lose(Shard& shard) {
  Drop(shard.asked);
  shard.replies_due = 0;
}

void Arrivals::Judge(Shard& shard, const ShardReply& answer, std::vector<Key>& durable) {
  const std::string& name = shard.client->target().name;
  // Without a write of its own the answer says nothing.
  if (!shard.marked) return Drop(shard.asked);
  if (answer.is_error()) {
    // It was probed before: its configuration has changed since.
    shard.trouble = "shard " + name + ": " + std::string(answer.text());
    shard.state = State::kUnknown;
    return Drop(shard.asked);
  }
  const int64_t have = mode_ == DurableMove::kAof ? answer.at(0).integer() : answer.integer();
  if (have >= 1) {
    std::move(shard.asked.begin(), shard.asked.end(), std::back_inserter(durable));
    shard.asked.clear();
    shard.trouble.clear();
    return;
  }
  shard.trouble = "shard " + name +
                  (mode_ == DurableMove::kAof ? ": its disk does not have yet what has arrived"
                                              : ": no replica has yet what has arrived");
  // The offset of the marker stands.
  Ask(shard, false);
}

std::string Arrivals::trouble() const {
  for (const Shard& shard : shards_) {
    if (!shard.trouble.empty() && !(shard.added.empty() && shard.asked.empty())) {
      return shard.trouble;
    }
  }
  return "";
}

void Arrivals::Drop(std::vector<Key>& keys) {
  for (const Key& key : keys) Erase(key);
  keys.clear();
}

void Arrivals::Forget() {
  for (Shard& shard : shards_) {
    // An answer that is still due must not count for what is asked next.
    if (shard.replies_due > 0) shard.client->Disconnect("not needed any more");
    Lose(shard);
    Drop(shard.added);
  }
}

}  // namespace ringmaster
