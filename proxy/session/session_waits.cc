// Who waits for whom when replies are larger than there is room for. A reply whose turn has come is
// held back only by its client; one that came before its turn, by the request in front. The
// argument why no circle can close is in docs/architecture.md ("Large replies").
#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "net/loop.h"
#include "session/session.h"

namespace ringmaster {
namespace {

// A shard connection waits from here on, and goes on when this little is left: of what our client
// has not taken, or of what waits for its turn.
constexpr size_t kPauseAt = 1024 * 1024;
constexpr size_t kResumeAt = 256 * 1024;
// Replies before their turn that cannot be held back, in units of limits.reply_buffer, beyond which
// the client is closed.
constexpr size_t kMostHeld = 4;
// So long others wait for a reply before its turn while the request in front makes no progress.
constexpr Duration kHoldOthersFor = std::chrono::milliseconds(250);
// How far it is followed who waits for whom; further counts as a circle.
constexpr int kMostSteps = 16;
// A client that takes nothing for so long while this much waits is closed.
constexpr Duration kStalledFor = std::chrono::seconds(10);
constexpr size_t kStalledBytes = 64 * 1024;
// A standstill that the log hears of.
constexpr Duration kTellAfter = std::chrono::seconds(3);

}  // namespace

// A part of the reply to `request` came over `connection`: it waits if there is no room for more.
void Session::HoldBack(const Request& request, Connection& connection) {
  const size_t limit = context_.limits.reply_buffer;
  const size_t held = queue_.held();
  if (&request == queue_.front()) {
    if (output_.size() <= kPauseAt || request.connection == nullptr) return;
    if (connection.KeptFor(*this)) return Hold(connection);
    // Others wait behind it: the bytes ahead of them are collected.
    if (Overdrawn()) SlowReader("it does not read its replies: limits.reply_buffer is reached");
    return;
  }
  if (held <= kPauseAt) return;
  if (MayHold(connection)) return Hold(connection);
  const size_t memory = context_.limits.memory;
  const bool no_memory = memory != 0 && context_.blocks.bytes_in_use() > memory && held > limit;
  if (no_memory || held > kMostHeld * limit) {
    SlowReader("its replies wait for earlier ones, and are beyond limits.reply_buffer");
  }
}

void Session::Hold(Connection& connection) {
  Watch();
  connection.Pause(waits_->paused);
}

// What has room again, or must not wait any longer, goes on.
void Session::LetGo() {
  if (waits_ == nullptr) [[likely]]
    return;
  IntrusiveList<Connection, PausedTag>& paused = waits_->paused;
  for (Connection* connection = paused.front(); connection != nullptr;) {
    Connection* next = paused.next(*connection);
    if (!StaysPaused(*connection)) connection->Resume();
    connection = next;
  }
}

bool Session::StaysPaused(Connection& connection) {
  const Exchange* root = connection.head()->sink->Root(*connection.head());
  if (root != static_cast<const Exchange*>(queue_.front())) {
    return queue_.held() > kResumeAt && MayHold(connection);
  }
  // Of several parts the client gets nothing before the last is here.
  const bool whole = root->connection != nullptr;
  return whole && output_.size() > kResumeAt && connection.KeptFor(*this);
}

// Whether a connection may wait whose reply is not due: what the request in front needs must not
// wait for it.
bool Session::MayHold(Connection& connection) {
  bool known = false;
  bool needed = false;
  (void)AnyWay(*queue_.front(), [&](const Connection& way) {
    known = true;
    return needed = &way == &connection;
  });
  if (needed) return false;
  // It waits for a key, and whoever has the key may wait for all that was sent before.
  if (!known && !connection.alone()) return false;
  if (connection.KeptFor(*this)) return true;
  const bool slow_reader = output_.size() > kPauseAt;
  if (!known || slow_reader || queue_.held() <= context_.limits.reply_buffer) return false;
  if (waits_ != nullptr && context_.loop.Now() - waits_->moved_on > kHoldOthersFor) return false;
  return !LeadsTo(connection, kMostSteps);
}

// Whether our request in front waits, over any number of sessions, for what `held` has yet to
// bring. What is not known counts as yes.
bool Session::LeadsTo(const Connection& held, int steps) const {
  bool known = false;
  const bool leads = AnyWay(*queue_.front(), [&](const Connection& way) {
    known = true;
    if (&way == &held) return true;
    if (!way.paused()) return false;
    const Exchange* root = way.head()->sink->Root(*way.head());
    const auto* holder = static_cast<const Session*>(root->sink);
    return steps == 0 || holder == this || holder->LeadsTo(held, steps - 1);
  });
  return leads || !known;
}

// Whether `visit` says yes to a connection over which something of the request is to come.
template <typename Visit>
bool Session::AnyWay(const Request& request, Visit&& visit) const {
  if (request.connection != nullptr) return visit(*request.connection);
  bool any = false;
  context_.commands.router.EachConnection([&](const Connection& connection) {
    if (!any && connection.Carries(request)) any = visit(connection);
  });
  return any;
}

// The request in front was answered, and so many bytes that waited for it took their turn.
void Session::MovedOn(size_t emitted) {
  waits_->moved_on = context_.loop.Now();
  waits_->excused += emitted;
}

bool Session::Overdrawn() const {
  const size_t excused = waits_ == nullptr ? 0 : std::min(waits_->excused, output_.size());
  return output_.size() - excused > context_.limits.reply_buffer;
}

void Session::SlowReader(const char* why) {
  context_.commands.metrics.slow_readers.Add();
  Close(why);
}

// From now on CheckStalled is called.
void Session::Watch() {
  if (waits_ != nullptr) return;
  context_.stalled.PushBack(*this);
  waits_ = std::make_unique<Waits>();
  waits_->stalled_at = output_.accepted();
  waits_->stalled_since = waits_->moved_on = context_.loop.Now();
  waits_->excused = output_.size();
}

void Session::StopWatching() {
  if (waits_ == nullptr) return;
  while (Connection* connection = waits_->paused.front()) connection->Resume();
  waits_.reset();
  IntrusiveList<Session, StalledTag>::Remove(*this);
}

void Session::CheckStalled(TimePoint now) {
  if (half_closed_ && (WaitsForData() || stream_.LookAtPeer() == Stream::Peer::kGone)) {
    return Close("");
  }
  if (waits_->stalled_at != output_.accepted() || output_.size() < kStalledBytes) {
    waits_->stalled_at = output_.accepted();
    waits_->stalled_since = now;
  }
  if (now - waits_->stalled_since >= kStalledFor) {
    return SlowReader("it took none of its replies for ten seconds");
  }
  waits_->excused = std::min(waits_->excused, output_.size());
  LetGo();
  if (!waits_->paused.empty()) {
    TellOfStandstill(now);
  } else if (!writing_ && !half_closed_ && queue_.held() <= kResumeAt) {
    StopWatching();
  }
}

void Session::TellOfStandstill(TimePoint now) {
  const bool due = output_.size() > kResumeAt;
  const bool stands = now - (due ? waits_->stalled_since : waits_->moved_on) >= kTellAfter;
  const bool told = std::exchange(waits_->told, stands);
  if (!stands || told) return;
  context_.commands.metrics.standstills.Add();
  static LogLimiter limiter;
  uint64_t kept = 0;
  if (!limiter.Allow(MonotonicNow(), &kept)) return;
  LogWarning("shard connections wait for client {} at {}, {} ({} more such lines held back)",
             state_.id, address(),
             due ? "which takes none of its replies" : "whose earlier request is not answered",
             kept);
}

// What it asked may not be answered for long (it blocks, or CLIENT PAUSE holds it), and nobody
// waits for it any more once the client has closed its sending side, as in Redis, which reads on
// while a client is blocked.
bool Session::WaitsForData() const {
  const bool waits = barrier_ && !queue_.empty() && state_.last_command != nullptr &&
                     state_.last_command->Is(kWaits);
  return !closing_ && (waits || held_by_pause_);
}

// The socket has something to say although it is not read.
void Session::OnHangup() {
  const Stream::Peer peer = stream_.LookAtPeer();
  if (peer == Stream::Peer::kThere) return;
  if (peer == Stream::Peer::kGone || WaitsForData()) return Close("");
  ToldOfEnd();
}

// Whether it left or may still read is seen when we write, or by CheckStalled.
void Session::ToldOfEnd() {
  half_closed_ = true;
  stream_.WatchHangup(false);
  Watch();
}

}  // namespace ringmaster
