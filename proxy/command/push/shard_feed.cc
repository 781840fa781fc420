#include "command/push/shard_feed.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// A shard that says nothing for so long is asked whether it is there.
constexpr Duration kAskAfter = std::chrono::seconds(5);
// A connection without subscriptions is closed after this.
constexpr Duration kKeepIdle = std::chrono::seconds(30);
// Names in one request to the shard.
constexpr size_t kNamesAtOnce = 512;

constexpr Bytes kSubscribe[] = {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"};
constexpr Bytes kUnsubscribe[] = {"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"};
constexpr PushKind kAllKinds[] = {PushKind::kChannel, PushKind::kPattern, PushKind::kShardChannel};

size_t Index(PushKind kind) { return static_cast<size_t>(kind); }

}  // namespace

// In RESP3 a subscription is confirmed by push messages only: a PING behind it has the reply that
// says that they all were sent.
struct ShardFeed::Request final : Exchange, Sink {
  ShardFeed* feed = nullptr;
  uint64_t id = 0;
  PushKind kind = PushKind::kChannel;
  bool subscribe = false;
  std::vector<std::string> names;
  std::vector<Wait> waiting;

  void OnReplyPart(Exchange&, const Slice&) override {}
  void OnReply(Exchange&, const Slice& reply) override {
    const bool failed = reply.bytes.starts_with('-') || outcome != Outcome::kReplied;
    feed->Answered(*this, !failed, reply.bytes);
  }
};

ShardFeed::ShardFeed(Backend& backend, BlockPool& blocks, size_t max_message, OnMessage on_message)
    : backend_(backend),
      blocks_(blocks),
      max_message_(max_message),
      on_message_(std::move(on_message)) {}

ShardFeed::~ShardFeed() { Drop(); }

void ShardFeed::Add(PushKind kind, Bytes name, const Wait& wait) {
  auto& entries = entries_[Index(kind)];
  const auto [at, fresh] = entries.try_emplace(std::string(name));
  Entry& entry = at->second;
  if (wait != nullptr) ++wait->left;
  if (entry.active) {
    if (wait != nullptr) wait->Arrive("");
    return;
  }
  if (wait != nullptr) entry.waiting.push_back(wait);
  if (entry.request == 0) adding_[Index(kind)].emplace_back(name);
}

void ShardFeed::Remove(PushKind kind, Bytes name, const Wait& wait) {
  auto& entries = entries_[Index(kind)];
  const auto at = entries.find(name);
  if (at == entries.end()) return;
  entries.erase(at);
  removing_[Index(kind)].emplace_back(name);
  if (wait == nullptr) return;
  ++wait->left;
  removal_waits_[Index(kind)].push_back(wait);
}

void ShardFeed::Send() {
  for (const PushKind kind : kAllKinds) {
    const size_t i = Index(kind);
    // First what goes: the same name may come back, but never goes before it came.
    if (!removing_[i].empty()) {
      Submit(kind, false, std::exchange(removing_[i], {}), std::exchange(removal_waits_[i], {}));
    }
    std::vector<std::string> adding = std::exchange(adding_[i], {});
    for (size_t from = 0; from < adding.size(); from += kNamesAtOnce) {
      const auto begin = adding.begin() + static_cast<ptrdiff_t>(from);
      const auto end =
          adding.begin() + static_cast<ptrdiff_t>(std::min(adding.size(), from + kNamesAtOnce));
      Submit(kind, true, std::vector<std::string>(begin, end), {});
    }
  }
}

void ShardFeed::Submit(PushKind kind, bool subscribe, std::vector<std::string> names,
                       std::vector<Wait> waiting) {
  auto made = std::make_unique<Request>();
  Request& request = *made;
  request.feed = this;
  request.id = next_request_++;
  request.kind = kind;
  request.subscribe = subscribe;
  request.names = std::move(names);
  request.waiting = std::move(waiting);
  request.sink = &request;
  requests_.push_back(std::move(made));
  std::vector<Bytes> words = {(subscribe ? kSubscribe : kUnsubscribe)[Index(kind)]};
  for (const std::string& name : request.names) {
    words.push_back(name);
    if (!subscribe) continue;
    const auto at = entries_[Index(kind)].find(name);
    if (at != entries_[Index(kind)].end()) at->second.request = request.id;
  }
  const bool nothing_there =
      connection_ == nullptr || (!connection_->ready() && connection_->idle());
  if (!subscribe && nothing_there) {
    // The next connection will not have them.
    return Answered(request, true, "");
  }
  Connection* connection = Open();
  if (connection == nullptr) {
    return Answered(request, false,
                    "-NOTAPPLIED all connections to shard '" + backend_.link().name() +
                        "' that a worker may have are in use; close clients that subscribe, track "
                        "or block, or raise 'workers' and restart\r\n");
  }
  std::string bytes;
  if (words.size() > 1) AppendRequest(bytes, words);
  bytes += MakeRequest({"PING"});
  request.request = Slice{bytes, {}};
  connection->Send(request);
}

void ShardFeed::Answered(Request& request, bool succeeded, Bytes error) {
  const auto is_it = [&](const auto& each) { return each.get() == &request; };
  const auto at = std::find_if(requests_.begin(), requests_.end(), is_it);
  const std::unique_ptr<Request> answered = std::move(*at);
  requests_.erase(at);
  // The reply's bytes may go while those who wait go on.
  const std::string problem(succeeded ? Bytes() : error);
  std::vector<Wait> waiting;
  // What could not be unsubscribed is gone with its connection.
  if (!answered->subscribe) {
    for (const Wait& wait : answered->waiting) wait->Arrive("");
    return;
  }
  for (const std::string& name : answered->names) {
    const auto found = entries_[Index(answered->kind)].find(name);
    if (found == entries_[Index(answered->kind)].end()) continue;
    Entry& entry = found->second;
    if (entry.request != answered->id) continue;
    entry.request = 0;
    entry.active = succeeded;
    again_ = again_ || !succeeded;
    for (Wait& wait : entry.waiting) waiting.push_back(std::move(wait));
    entry.waiting.clear();
  }
  for (const Wait& wait : waiting) wait->Arrive(problem);
}

Connection* ShardFeed::Open() {
  if (connection_ != nullptr) return connection_;
  connection_ = backend_.Borrow(0, 3);
  if (connection_ == nullptr) return nullptr;
  connection_->SetPushSink(
      [](void* self, const Slice& part, bool complete) {
        static_cast<ShardFeed*>(self)->OnPush(part, complete);
      },
      this);
  connection_->SetLost([](void* self) { static_cast<ShardFeed*>(self)->OnLost(); }, this);
  return connection_;
}

void ShardFeed::Drop() {
  if (connection_ == nullptr) return;
  Connection* connection = std::exchange(connection_, nullptr);
  connection->SetLost(nullptr, nullptr);
  // Answers what is under way, so that nothing of it is left when its asker goes.
  connection->Close("its subscriptions have ended");
  backend_.Discard(connection);
}

void ShardFeed::OnPush(const Slice& part, bool complete) {
  if (complete && collected_.empty() && !too_large_) {
    if (part.bytes.size() <= max_message_) on_message_(part);
    return;
  }
  too_large_ = too_large_ || collected_.size() + part.bytes.size() > max_message_;
  if (too_large_) {
    collected_.clear();
  } else {
    collected_.append(part.bytes);
  }
  if (!complete) return;
  if (std::exchange(too_large_, false)) {
    LogWarning("a message of shard {} is larger than limits.reply_buffer ({}): nobody gets it",
               backend_.link().name(), max_message_);
    return;
  }
  const std::string message = std::exchange(collected_, std::string());
  on_message_(blocks_.Copy(message));
}

void ShardFeed::OnLost() {
  collected_.clear();
  too_large_ = false;
  size_t active = 0;
  for (auto& entries : entries_) {
    for (auto& [name, entry] : entries) {
      active += entry.active ? 1 : 0;
      entry.active = false;
    }
  }
  if (active == 0) return;
  again_ = true;
  ++losses_;
  LogWarning(
      "the subscription connection to shard {} was lost: {} subscriptions are made again, messages "
      "published meanwhile are not seen",
      backend_.link().name(), active);
}

bool ShardFeed::empty() const {
  return std::all_of(std::begin(entries_), std::end(entries_),
                     [](const auto& entries) { return entries.empty(); });
}

void ShardFeed::SubscribeAgain() {
  again_ = false;
  for (const PushKind kind : kAllKinds) {
    for (const auto& [name, entry] : entries_[Index(kind)]) {
      if (!entry.active && entry.request == 0) adding_[Index(kind)].push_back(name);
    }
  }
  Send();
}

void ShardFeed::Tick(TimePoint now) {
  if (again_ && !backend_.link().failing()) SubscribeAgain();
  if (connection_ == nullptr || !requests_.empty()) return;
  if (empty() && now - connection_->last_used() > kKeepIdle) return Drop();
  if (empty() || now - last_asked_ < kAskAfter) return;
  last_asked_ = now;
  Submit(PushKind::kChannel, true, {}, {});
}

}  // namespace ringmaster
