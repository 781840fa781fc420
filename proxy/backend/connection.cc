#include "backend/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/loop.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr size_t kMaxHandshake = 65536;  // bytes of a shard's answer to it

// To the last question, PING: alive, and its clients shall see for themselves what it says. To an
// earlier one it is a refusal: a connection that did not change its database is no good.
bool IsBusy(Bytes error) {
  return error.starts_with("-LOADING ") || error.starts_with("-BUSY ") ||
         error.starts_with("-MASTERDOWN ");
}

// To HELLO: a Redis before 6.0, or one where it was renamed.
bool MayNotTell(Bytes error) {
  return error.starts_with("-ERR unknown command") || error.starts_with("-NOPERM");
}

}  // namespace

Connection::Connection(BackendContext& context, ShardLink& link, ShardMetrics& metrics,
                       Owner* owner, int database, int resp)
    : context_(context),
      link_(link),
      metrics_(metrics),
      owner_(owner),
      database_(database),
      resp_(resp),
      handshake_(context.blocks),
      output_(context.blocks),
      scanner_(link.limits().nesting),
      last_used_(context.loop.Now()) {}

Connection::~Connection() {
  Close("the proxy closed the connection");
  if (ListHook<>::linked()) IntrusiveList<Connection>::Remove(*this);
}

void Connection::Push(Exchange& exchange) {
  exchange.next = nullptr;
  (head_ == nullptr ? head_ : tail_->next) = &exchange;
  tail_ = &exchange;
  ++queued_;
}

Exchange* Connection::Pop() {
  Exchange* exchange = head_;
  head_ = exchange->next;
  if (head_ == nullptr) tail_ = nullptr;
  --queued_;
  exchange->next = nullptr;
  exchange->connection = nullptr;
  exchange->state = Exchange::State::kDone;
  exchange->request = Slice();
  return exchange;
}

void Connection::Touch() {
  if (!ListHook<>::linked()) context_.to_flush.PushBack(*this);
}

void Connection::Send(Exchange& exchange) {
  RM_DCHECK(!streaming_);
  const TimePoint now = context_.loop.Now();
  exchange.state = Exchange::State::kQueued;
  exchange.outcome = Outcome::kReplied;
  exchange.queued_at = now;
  last_used_ = now;
  if (!flows_) [[unlikely]] {
    if (context_.stopping)
      return Fail(exchange, Outcome::kNotApplied, "the proxy is shutting down");
    if (link_.failing()) return Fail(exchange, Outcome::kNotApplied, link_.last_error());
    if (queued_ >= link_.limits().max_queued || output_.size() > link_.limits().max_queued_bytes) {
      return Fail(exchange, Outcome::kNotApplied, "too many requests wait for it to connect");
    }
  }
  const size_t size = exchange.request.bytes.size();
  if (exchange.request.block && size > kCopyLimit) {
    output_.Append(exchange.request);
  } else {
    exchange.request = output_.Append(exchange.request.bytes);
  }
  position_ += size;
  exchange.end = position_;
  exchange.connection = this;
  streaming_ = exchange.streamed;
  if (head_ == nullptr) progress_ = now;
  Push(exchange);
  metrics_.requests.Add();
  metrics_.bytes_out.Add(size);
  Touch();
  if (state_ == State::kIdle && !held_) Connect(now);
}

void Connection::SetHeld(bool held) {
  held_ = held;
  if (!held && head_ != nullptr && state_ == State::kIdle) Connect(context_.loop.Now());
}

void Connection::Prepare() {
  last_used_ = context_.loop.Now();
  if (state_ == State::kIdle && !link_.failing() && !context_.stopping) Connect(last_used_);
}

void Connection::AppendToLast(const Slice& bytes) {
  if (!streaming_) return;  // lost meanwhile; the asker has its answer
  output_.Append(bytes);
  position_ += bytes.bytes.size();
  tail_->end = position_;
  metrics_.bytes_out.Add(bytes.bytes.size());
  Touch();
}

void Connection::EndOfLast() { streaming_ = false; }

void Connection::Flush() {
  if (stream_ == nullptr) return;
  Output& output = handshake_.empty() && state_ == State::kReady ? output_ : handshake_;
  if (output.empty()) return;
  if (state_ == State::kReady && link_.withheld()) [[unlikely]] {
    flows_ = false;
    return stream_->WatchWrites(unread_);
  }
  const uint64_t before = output.accepted();
  // Only what the oldest request still needs is progress: later ones going out say nothing of it.
  const bool needed = state_ != State::kReady || (head_ != nullptr && !WasSent(*head_));
  const IoStatus status = output.Flush(*stream_);
  if (needed && output.accepted() != before) progress_ = context_.loop.Now();
  if (status == IoStatus::kError) {
    const std::string why = "write failed: " + stream_->error();
    // It may have said why it does not read on.
    while (!paused() && ReadOnce()) {
    }
    if (stream_ != nullptr) Lose(why, true);
    return;
  }
  stream_->WatchWrites(status == IoStatus::kAgain || unread_);
  if (drained_ != nullptr && output_.empty()) drained_(drained_asker_);
}

void Connection::OnWritable() {
  if (unread_) {
    unread_ = false;
    stream_->WatchWrites(!output_.empty());
    if (!paused() && stream_->HasBuffered()) OnReadable();
  }
  Flush();
}

void Connection::Pause(IntrusiveList<Connection, PausedTag>& paused) {
  if (this->paused() || stream_ == nullptr) return;
  paused.PushBack(*this);
  stream_->WatchReads(false);
}

void Connection::Resume() {
  if (!paused()) return;
  IntrusiveList<Connection, PausedTag>::Remove(*this);
  progress_ = context_.loop.Now();
  stream_->WatchReads(true);
  // What TLS holds decrypted no event announces: being writable is one that comes at once.
  unread_ = stream_->HasBuffered();
  if (unread_) stream_->WatchWrites(true);
}

bool Connection::KeptFor(const Sink& asker) {
  for (const Exchange* at = head_; at != nullptr; at = at->next) {
    const Exchange* root = at->sink->Root(*at);
    if (root != nullptr && root->sink != &asker) return false;
  }
  return owner_ != nullptr && owner_->Seclude(*this);
}

bool Connection::Carries(const Exchange& root) const {
  for (const Exchange* at = head_; at != nullptr; at = at->next) {
    if (at->sink->Root(*at) == &root) return true;
  }
  return false;
}

// --- coming up ---

void Connection::Connect(TimePoint now) {
  if (link_.crowded()) {
    state_ = State::kWaiting;
    if (owner_ != nullptr) owner_->OnCrowded();
    return;
  }
  // First: it is looked at again until the connection goes, so no switch is missed in between.
  revoked_ = link_.revoked();
  if (!link_.AllowAttempt(now)) {
    state_ = State::kWaiting;
    return;
  }
  state_ = State::kConnecting;
  link_.OnConnecting(true);
  progress_ = now;
  connector_ =
      std::make_unique<Connector>(context_.loop, link_.address(), link_.limits().connect_timeout,
                                  [this](Result<int> fd) { OnConnected(std::move(fd)); });
}

void Connection::OnConnected(Result<int> fd) {
  connector_.reset();
  if (!fd) {
    Lose(fd.error().text, true);
    return;
  }
  stream_ = std::make_unique<Stream>(context_.loop, *fd);
  if (link_.shard().tls != nullptr) {
    const ShardAddress& shard = link_.shard();
    const Status started = stream_->StartTls(
        *shard.tls, shard.tls_name_is_host ? link_.address().host : shard.tls_server_name);
    if (!started) {
      Lose(started.error().text, true);
      return;
    }
  }
  stream_->Attach(
      this, [](void* self) { static_cast<Connection*>(self)->OnReadable(); },
      [](void* self) { static_cast<Connection*>(self)->OnWritable(); });
  metrics_.connects.Add();
  metrics_.connections.Add();
  StartHandshake();
}

void Connection::StartHandshake() {
  const ShardAddress& shard = link_.shard();
  const Bytes user = shard.username.empty() ? Bytes("default") : Bytes(shard.username);
  std::string bytes;
  handshake_left_ = 0;
  const auto ask = [&](std::initializer_list<Bytes> args) {
    bytes += MakeRequest(args);
    ++handshake_left_;
  };
  if (resp_ == 3) {
    if (shard.password.empty()) {
      ask({"HELLO", "3"});
    } else {
      ask({"HELLO", "3", "AUTH", user, shard.password});
    }
  } else if (!shard.password.empty()) {
    if (shard.username.empty()) {
      ask({"AUTH", shard.password});
    } else {
      ask({"AUTH", user, shard.password});
    }
  }
  // Answered also while the shard loads or a script runs. In RESP3 it was asked above.
  if (resp_ != 3) ask({"HELLO", "2"});
  const int before_name = handshake_left_;
  if (!shard.client_name.empty()) ask({"CLIENT", "SETNAME", shard.client_name});
  if (database_ != 0) ask({"SELECT", std::to_string(database_)});
  bytes += prologue_;
  handshake_left_ += prologue_count_;
  asks_facts_ = link_.WantsFacts(context_.loop.Now());
  if (asks_facts_) ask({"INFO", "server"});
  // A frozen server still accepts connections: only an answer says that it is alive.
  ask({"PING"});
  name_left_ = shard.client_name.empty() ? 0 : handshake_left_ - before_name;
  role_left_ = handshake_left_ - before_name + 1;
  replica_ = asks_primary_ = false;
  state_ = State::kHandshake;
  handshake_.Put(bytes);
  Touch();
}

// False when the connection was given up.
bool Connection::OnHandshakeReply(const Slice& reply, bool complete) {
  handshake_reply_.append(reply.bytes);
  if (handshake_reply_.size() > kMaxHandshake) {
    Lose("its answer to the handshake is too long", true);
    return false;
  }
  if (!complete) return true;
  const std::string answer = std::exchange(handshake_reply_, std::string());
  if (asks_primary_) {
    const RoleAnswer role = ReadRole(answer);
    TurnAwayFrom(role.serves() ? RoleAnswer{ServerRole::kReplica, ""} : role);
    return false;
  }
  if (asks_facts_ && handshake_left_ == 2) {
    // One whose user may not ask serves as well, and is not asked again and again.
    const ReplyElement info = ReadReply(answer);
    const bool denied = answer.starts_with("-NOPERM");
    if (denied || !(info.is_error() || info.is_aggregate())) {
      link_.OnFacts(context_.loop.Now(), denied ? ServerFacts() : ReadServerFacts(info.text));
    }
    --handshake_left_;
    return true;
  }
  // One without a name serves as well, and one too old for HELLO; and one whose disk is full, which
  // refuses PING like a write, and no reads.
  const bool full = RefusalOf(answer) == ShardRefusal::kMisconf;
  const bool asks_role = handshake_left_ == role_left_;
  const bool tolerated = handshake_left_ == name_left_ ||
                         (handshake_left_ == 1 && (IsBusy(answer) || full)) ||
                         (asks_role && resp_ != 3 && MayNotTell(answer));
  if (!tolerated && answer.starts_with("-BUSY ")) {
    TurnAway(answer);
    return false;
  }
  if (answer[0] == '-' && !tolerated) {
    Lose("it refused the handshake: " + answer.substr(1, answer.find('\r') - 1), true);
    return false;
  }
  if (asks_role) {
    TakeRole(answer);
    if (stream_ == nullptr) return false;
  }
  if (--handshake_left_ > 0) return true;
  if (replica_) {
    AskForPrimary();
  } else {
    BecomeReady();
  }
  return stream_ != nullptr;
}

// One that is no primary gets no commands.
void Connection::TakeRole(Bytes hello) {
  const ServerRole role = RoleInHello(hello);
  const TimePoint now = context_.loop.Now();
  if (role == ServerRole::kSentinel) return TurnAwayFrom({role, ""});
  replica_ = role == ServerRole::kReplica;
  if (!replica_) link_.OnRole(now, {role, ""});
}

// HELLO does not name it.
void Connection::AskForPrimary() {
  asks_primary_ = true;
  handshake_.Put(MakeRequest({"ROLE"}));
  Touch();
}

void Connection::TurnAwayFrom(const RoleAnswer& role) {
  link_.OnRole(context_.loop.Now(), role);
  Lose(role.Text(), false);
}

// A shard whose script is late does not change a connection's database: no fault of its, and those
// who wait hear it in its own words. Nothing of theirs was sent.
void Connection::TurnAway(const std::string& answer) {
  Exchange* waiting = std::exchange(head_, nullptr);
  tail_ = nullptr;
  queued_ = 0;
  link_.OnConnected(context_.loop.Now());
  Lose("it is busy running a script", false);
  while (waiting != nullptr) {
    Exchange* exchange = waiting;
    waiting = waiting->next;
    Refuse(*exchange, Outcome::kNotApplied, answer);
  }
}

void Connection::BecomeReady() {
  state_ = State::kReady;
  link_.OnConnecting(false);
  ++generation_;
  flows_ = true;
  const TimePoint now = context_.loop.Now();
  progress_ = now;
  link_.OnConnected(now);
  Touch();
}

// --- replies ---

void Connection::OnReadable() {
  while (ReadOnce() && !paused() && stream_->HasBuffered()) {
  }
}

// False when there was nothing to read, or the connection is gone.
bool Connection::ReadOnce() {
  BlockRef& block = context_.read_block;
  if (!block || !block.unique()) block = context_.blocks.Allocate(BlockPool::kLarge);
  size_t read = 0;
  switch (stream_->Read(block.data(), block.capacity(), &read)) {
    case IoStatus::kOk:
      break;
    case IoStatus::kAgain:
      // A TLS handshake may have gone on and can take our bytes now.
      if (stream_->tls()) Touch();
      return false;
    case IoStatus::kEnd:
      Lose("it closed the connection", true);
      return false;
    case IoStatus::kError:
      Lose("read failed: " + stream_->error(), true);
      return false;
  }
  metrics_.bytes_in.Add(read);
  progress_ = context_.loop.Now();
  return Consume(Bytes(block.data(), read), block);
}

// False when the connection is gone.
bool Connection::Consume(Bytes input, const BlockRef& block) {
  while (!input.empty()) {
    size_t used = 0;
    const ReplyScanner::Status status = scanner_.Scan(input, &used);
    if (status >= ReplyScanner::Status::kBad) [[unlikely]] {
      if (!TakeOdd(status)) return false;
      input.remove_prefix(used);
      continue;
    }
    Slice reply{input.substr(0, used), {}};
    if (used > kCopyLimit) reply.block = block;
    input.remove_prefix(used);
    if (!Deliver(reply, status == ReplyScanner::Status::kComplete)) return false;
  }
  return true;
}

// What is no reply to hand on. One that nests too deep is read to its end and dropped: its asker is
// told, and nobody else on the connection notices. False when the connection is gone.
bool Connection::TakeOdd(ReplyScanner::Status status) {
  if (status == ReplyScanner::Status::kBad) {
    Lose("it does not speak RESP: " + std::string(scanner_.error()), true);
    return false;
  }
  const std::string limit =
      fmt::format("nests deeper than limits.nesting ({})", link_.limits().nesting);
  if (scanner_.type() == '>' || part_bytes_ > 0) {
    Lose("a reply of which a part is out " + limit, false);
    return false;
  }
  if (status == ReplyScanner::Status::kTooDeepSoFar) return true;
  const std::string told = "-ERR the command was carried out, but its reply " + limit + "\r\n";
  return Deliver(Slice{told, {}}, true);
}

// Whether a reply makes sense before the request is out to its last byte. Of several requests sent
// as one the first are answered while the last are on their way. Otherwise a shard answers before
// it has the whole request only to refuse it, and then hangs up.
bool Connection::MayAnswerEarly(const Slice& reply) const {
  if (streaming_ && head_ == tail_) return true;
  if (!HasBegun(*head_)) return false;
  return head_->replies_before > 0 || part_bytes_ > 0 || reply.bytes.starts_with('-');
}

// False when the connection is gone.
bool Connection::Deliver(const Slice& reply, bool complete) {
  if (scanner_.type() == '>') [[unlikely]] {
    if (push_sink_ != nullptr) push_sink_(push_owner_, reply, complete);
    return stream_ != nullptr;
  }
  if (state_ != State::kReady) [[unlikely]]
    return OnHandshakeReply(reply, complete);
  if (head_ == nullptr) [[unlikely]] {
    Lose("it sent a reply that nobody asked for", true);
    return false;
  }
  const bool early = !WasSent(*head_) || streaming_;
  if (early && !MayAnswerEarly(reply)) [[unlikely]] {
    Lose("it answered a request that it was not sent yet", true);
    return false;
  }
  if (!complete) {
    DeliverPart(reply);
    return stream_ != nullptr;
  }
  if (part_bytes_ == 0 && reply.bytes.starts_with('-')) [[unlikely]]
    NoteRefusal(reply.bytes);
  if (head_->replies_before > 0) [[unlikely]] {
    if (early && reply.bytes.starts_with("-ERR Protocol error")) {
      const Bytes said = reply.bytes.substr(1, reply.bytes.find('\r') - 1);
      Lose("it refused a request before its end: " + std::string(said), false);
      return false;
    }
    --head_->replies_before;
    head_->in_parts = true;
    large_reported_ = false;
    part_bytes_ = 0;
    head_->sink->OnReplyPart(*head_, reply);
    return stream_ != nullptr;
  }
  streaming_ = false;
  large_reported_ = false;
  part_bytes_ = 0;
  Exchange* exchange = Pop();
  metrics_.replies.Add();
  metrics_.latency.Record(context_.loop.Now() - exchange->queued_at);
  exchange->sink->OnReply(*exchange, reply);
  // Whoever sends what a shard refuses must not open its breaker for all.
  if (early) Lose("it refused a request before its end", false);
  if (head_ == nullptr && owner_ != nullptr) owner_->OnDrained(*this);
  return stream_ != nullptr;
}

// Not what this command's asker did wrong, but what the shard cannot do for anybody.
void Connection::NoteRefusal(Bytes error) {
  const std::optional<ShardRefusal> refusal = RefusalOf(error);
  if (!refusal) return;
  metrics_.refusals[static_cast<size_t>(*refusal)].Add();
  link_.OnRefusal(*refusal, context_.loop.Now());
  if (refusal == ShardRefusal::kReadOnly || refusal == ShardRefusal::kLoading ||
      refusal == ShardRefusal::kMasterDown) {
    link_.Suspect();
  }
}

void Connection::DeliverPart(const Slice& part) {
  head_->in_parts = true;
  part_bytes_ += part.bytes.size();
  // Large by what it announces, or by what came of it in many small elements.
  if (!large_reported_ && (scanner_.content_left() > kLargeReply || part_bytes_ > kLargeReply)) {
    large_reported_ = true;
    if (owner_ != nullptr) owner_->OnLargeReply(*this);
  }
  head_->sink->OnReplyPart(*head_, part);
}

// --- trouble ---

bool Connection::MaySurvive(const Exchange& exchange) const {
  if (exchange.streamed || exchange.in_parts || exchange.bound) return false;
  // One that costs its connection before it is out, twice, is what costs it.
  if (!WasSent(exchange)) return !HasBegun(exchange) || !exchange.resent;
  return exchange.read_only && !exchange.resent && !exchange.no_timeout;
}

void Connection::Lose(const std::string& why, bool shard_fault) {
  ForgetTold();
  const bool was_up = stream_ != nullptr;
  const bool was_ready = state_ == State::kReady;
  if (state_ == State::kConnecting || state_ == State::kHandshake) link_.OnConnecting(false);
  stream_.reset();
  connector_.reset();
  scanner_ = ReplyScanner(link_.limits().nesting);
  handshake_.Clear();
  handshake_reply_.clear();
  if (paused()) IntrusiveList<Connection, PausedTag>::Remove(*this);
  unread_ = flows_ = false;
  large_reported_ = false;
  part_bytes_ = 0;
  if (was_up) {
    link_.OnLost();
    metrics_.losses.Add();
    metrics_.connections.Subtract(1);
  }
  // An idle connection that a shard closed is no sign of trouble, and is not missed until needed.
  const bool idle = head_ == nullptr && state_ == State::kReady;
  if (shard_fault && !idle) link_.OnFailure(context_.loop.Now(), why);
  if (shard_fault && was_ready) link_.Suspect();
  Exchange* survivors = nullptr;
  Exchange** survivors_end = &survivors;
  Exchange* lost = nullptr;
  Exchange** lost_end = &lost;
  for (Exchange* at = head_; at != nullptr;) {
    Exchange* next = std::exchange(at->next, nullptr);
    Exchange**& end = MaySurvive(*at) ? survivors_end : lost_end;
    if (HasBegun(*at) && !WasSent(*at)) at->resent = true;
    at->outcome =
        WasSent(*at) && !(streaming_ && at == tail_) ? Outcome::kUncertain : Outcome::kNotApplied;
    *end = at;
    end = &at->next;
    at = next;
  }
  Requeue(survivors);
  state_ = head_ == nullptr ? State::kIdle : State::kWaiting;
  while (lost != nullptr) {
    Exchange* exchange = lost;
    lost = lost->next;
    const bool unsure = exchange->outcome == Outcome::kUncertain && !exchange->read_only;
    Fail(*exchange, unsure ? Outcome::kUncertain : Outcome::kNotApplied, why);
  }
  if (link_.failing()) FailWaiting(why);
  if (was_ready && lost_ != nullptr) lost_(lost_owner_);
}

// What may be sent again, in its order, on the next stream.
void Connection::Requeue(Exchange* survivors) {
  output_.Clear();
  position_ = 0;
  streaming_ = false;
  head_ = tail_ = nullptr;
  queued_ = 0;
  while (survivors != nullptr) {
    Exchange& exchange = *survivors;
    survivors = survivors->next;
    if (exchange.outcome == Outcome::kUncertain) {
      exchange.resent = true;
      metrics_.resent.Add();
    }
    exchange.outcome = Outcome::kReplied;
    output_.Append(exchange.request);
    position_ += exchange.request.bytes.size();
    exchange.end = position_;
    Push(exchange);
  }
}

bool Connection::Tell(uint64_t what) {
  constexpr size_t kMost = 16384;
  if (told_ == nullptr || told_->size() >= kMost) {
    told_ = std::make_unique<std::unordered_set<uint64_t>>();
  }
  return !told_->insert(what).second;
}

void Connection::FailWaiting(const std::string& why) {
  while (head_ != nullptr) {
    Exchange* exchange = Pop();
    Fail(*exchange, Outcome::kNotApplied, why);
  }
  output_.Clear();
  position_ = 0;
  streaming_ = false;
  if (state_ == State::kWaiting) state_ = State::kIdle;
}

void Connection::Fail(Exchange& exchange, Outcome outcome, const std::string& why) {
  const bool uncertain = outcome == Outcome::kUncertain;
  const std::string text =
      uncertain ? errors::Uncertain(link_.name(), why) : errors::NotApplied(link_.name(), why);
  Refuse(exchange, outcome, text);
}

void Connection::Refuse(Exchange& exchange, Outcome outcome, const std::string& reply) {
  exchange.next = nullptr;
  exchange.connection = nullptr;
  exchange.state = Exchange::State::kDone;
  exchange.outcome = outcome;
  exchange.request = Slice();
  (outcome == Outcome::kUncertain ? metrics_.uncertain : metrics_.not_applied).Add();
  exchange.sink->OnReply(exchange, Slice{reply, {}});
}

void Connection::ExpireWaiting(TimePoint now, const std::string& why) {
  const Duration timeout = link_.limits().command_timeout;
  while (head_ != nullptr && timeout > Duration(0) && now - head_->queued_at > timeout) {
    // Nothing of it was written: output_ is rebuilt without it below.
    Exchange* exchange = Pop();
    Fail(*exchange, Outcome::kNotApplied, why);
  }
  Requeue(std::exchange(head_, nullptr));
  if (head_ == nullptr && state_ == State::kWaiting) state_ = State::kIdle;
}

void Connection::Tick(TimePoint now) {
  const BackendLimits& limits = link_.limits();
  const bool goes = state_ == State::kReady || connector_ != nullptr || stream_ != nullptr;
  if (goes && link_.revoked() != revoked_) return Lose("another server is its primary now", false);
  if (state_ == State::kReady) {
    if (!flows_) [[unlikely]]
      TickWithheld(now);
    // While a request's end is still to come and all before it is out, it is our client that is
    // slow.
    const bool asker_slow = streaming_ && head_ == tail_ && output_.empty();
    const bool waiting = head_ != nullptr && !paused() && !head_->no_timeout && !asker_slow;
    if (waiting && limits.command_timeout > Duration(0) &&
        now - std::max(head_->queued_at, progress_) > limits.command_timeout) {
      metrics_.timeouts.Add();
      Lose("no reply within the command timeout", true);
    }
    return;
  }
  if (state_ == State::kHandshake && now - progress_ > limits.connect_timeout) {
    Lose("no answer to the handshake in time", true);
    return;
  }
  // Nobody asks a shard whose commands fail at once: somebody must look whether it is back.
  if (head_ == nullptr && link_.failing() && state_ == State::kIdle) Connect(now);
  if (head_ == nullptr && state_ == State::kWaiting) state_ = State::kIdle;
  if (head_ == nullptr) return;
  if (link_.failing() && state_ == State::kWaiting) FailWaiting(link_.last_error());
  if (head_ != nullptr && limits.command_timeout > Duration(0) &&
      now - head_->queued_at > limits.command_timeout) {
    ExpireWaiting(now, "no connection to it in time");
  }
  if (state_ == State::kWaiting) Connect(now);
}

// Of one that is up. What is out is answered as ever; what waits behind it does so in its turn.
void Connection::TickWithheld(TimePoint now) {
  if (!link_.withheld()) {
    flows_ = true;
    return Touch();
  }
  if (head_ == nullptr || HasBegun(*head_)) return;
  progress_ = now;
  const Duration timeout = link_.limits().command_timeout;
  if (streaming_ || timeout <= Duration(0) || now - head_->queued_at <= timeout) return;
  ExpireWaiting(now, "another server becomes its primary, and did not in time");
}

void Connection::Close(const std::string& why) {
  Lose(why, false);
  FailWaiting(why);
  state_ = State::kIdle;
}

}  // namespace ringmaster
