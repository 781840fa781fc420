#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "command/call/blocked_client.h"
#include "command/call/slow_log.h"
#include "command/push/push_hub.h"
#include "command/table/keys.h"
#include "net/loop.h"
#include "session/session.h"

namespace ringmaster {
namespace {

// What one write of one turn takes at most, so that a long output does not hold up the others'.
constexpr size_t kFlushAtOnce = 256 * 1024;
// So many bytes are about as much work as a command.
constexpr uint64_t kBytesOfACommand = 8192;
std::string Describe(const sockaddr_storage& name) {
  char text[INET6_ADDRSTRLEN] = "";
  if (name.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(name);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (name.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(name);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  return "";
}

std::string UnixPath(int fd) {
  sockaddr_un name{};
  socklen_t length = sizeof(name);
  getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length);
  return std::string(name.sun_path) + ":0";
}

}  // namespace

void Session::Touch() {
  if (!ListHook<FlushTag>::linked()) context_.to_flush.PushBack(*this);
}

namespace {

// From now on transactions ask the shards while they queue.
void NoteMemoryLimit(Router& router) {
  for (uint32_t shard = 0; shard < router.shard_count(); ++shard) {
    router.backend(shard).link().SetMemoryLimited(true);
  }
}

}  // namespace

void Session::OnReply(Exchange& exchange, const Slice& reply) {
  Request& request = Request::Of(exchange);
  const bool cut_short = exchange.in_parts && exchange.outcome != Outcome::kReplied;
  if (cut_short && &request == queue_.front()) {
    // Part of the reply is out: the only honest end is to hang up.
    Close("a shard was lost in the middle of a reply");
    context_.reaper.OnReply(exchange, reply);
    return;
  }
  if (cut_short) request.parts.reset();
  if (!reply.bytes.empty() && reply.bytes[0] == '-' && !exchange.in_parts) {
    context_.commands.metrics.error_replies.Add();
    if (reply.bytes.starts_with("-OOM ")) [[unlikely]]
      NoteMemoryLimit(context_.commands.router);
    if (request.command != nullptr) {
      context_.commands.metrics.per_command[request.command->id].failed.Add();
    }
  }
  if (upload_ != nullptr) upload_->OnAnswered();
  const bool due = &request == queue_.front();
  const size_t held = queue_.held();
  queue_.End(request, reply, output_, [this](Request& done) { OnFinished(done); });
  if (waits_ != nullptr && due) [[unlikely]]
    MovedOn(held - queue_.held());
  if (upload_ != nullptr && upload_->complete()) upload_.reset();
  Touch();
  Continue();
}

void Session::OnReplyPart(Exchange& exchange, const Slice& part) {
  Request& request = Request::Of(exchange);
  queue_.Part(request, part, output_);
  Touch();
  if (exchange.connection == nullptr) return;  // a merged reply: all of it is here
  window_.OnSize(exchange.connection->reply_size());
  HoldBack(request, *exchange.connection);
}

void Session::OnCollected(Exchange& exchange, Connection* connection, int64_t bytes) {
  Request& request = Request::Of(exchange);
  queue_.Collected(request, bytes);
  if (connection == nullptr) {
    // All of it comes now, and some of it may have been collected while it was due.
    if (&request != queue_.front()) return;
    Watch();
    waits_->excused += static_cast<size_t>(-bytes);
    return;
  }
  window_.OnSize(connection->reply_size());
  HoldBack(request, *connection);
}

void Session::OnFinished(Request& request) {
  ++finished_;
  if (pushed_ != nullptr) [[unlikely]]
    SendPushed(request);
  if (request.command == nullptr) return;
  const Duration took = context_.loop.Now() - request.started;
  WorkerMetrics& metrics = context_.commands.metrics;
  const bool clients = request.command->of_clients && !request.held;
  metrics.latencies[clients ? 1 : 0].Record(took);
  const auto micros = static_cast<uint64_t>(Microseconds(took));
  metrics.per_command[request.command->id].Record(micros);
  const SlowLog* slow = context_.commands.slow_log;
  if (slow == nullptr) return;
  // A negative threshold is larger than any time.
  if (micros >= static_cast<uint64_t>(slow->threshold())) [[unlikely]]
    LogSlow(request, took);
}

namespace {

constexpr char kRedacted[] = "(redacted)";

// Passwords do not belong into a log.
void Redact(const Command& command, std::vector<std::string>& args) {
  const size_t names = command.parent == nullptr ? 1 : 2;
  for (size_t i = names; i < args.size() && command.Is(kSecret); ++i) args[i] = kRedacted;
  if (!command.Is(kAdmin)) return;
  for (size_t i = names; i + 1 < args.size(); ++i) {
    const std::string name = Lowercase(args[i]);
    const bool secret = name.find("pass") != Bytes::npos || name.find("auth") != Bytes::npos;
    if (secret) args[++i] = kRedacted;
  }
}

}  // namespace

// Of all its keys, as far as the arguments that are kept tell.
std::string Session::ShardsOfLogged(const Command& command,
                                    const std::vector<std::string>& args) const {
  constexpr size_t kWhole = 128;  // longer ones are cut
  constexpr size_t kNamed = 8;
  const std::vector<Bytes> views(args.begin(), args.end());
  std::vector<uint32_t> keys;
  if (!FindKeys(*command.row, views, keys)) return {};
  const Router& router = context_.commands.router;
  std::vector<uint32_t> shards;
  for (const uint32_t key : keys) {
    if (key >= views.size() || views[key].size() > kWhole) continue;
    const uint32_t shard = router.ShardOf(views[key]);
    if (std::find(shards.begin(), shards.end(), shard) == shards.end()) shards.push_back(shard);
  }
  std::string names;
  for (size_t i = 0; i < shards.size() && i < kNamed; ++i) {
    names += (i > 0 ? "," : "") + std::string(router.shard_name(shards[i]));
  }
  return shards.size() > kNamed ? names + ",..." : names;
}

void Session::LogSlow(const Request& request, Duration took) {
  const Command& command = *request.command;
  if (command.Is(kSkipSlowlog)) return;
  SlowEntry entry;
  entry.micros = Microseconds(took);
  entry.at_unix = std::chrono::duration_cast<std::chrono::seconds>(
                      std::chrono::system_clock::now().time_since_epoch())
                      .count();
  entry.args = context_.commands.recent->Find(request.kept_at);
  if (entry.args.empty()) entry.args = {command.full_name, "(arguments are not kept so long)"};
  const bool sent = request.queued_at >= request.started;
  entry.waited_micros = sent ? Microseconds(request.queued_at - request.started) : entry.micros;
  if (sent) entry.shard = ShardsOfLogged(command, entry.args);
  Redact(command, entry.args);
  entry.address = address();
  entry.name = state_.name();
  context_.commands.slow_log->Add(std::move(entry));
}

// After replies went out: what waited for them may go on, in its turn.
void Session::Continue() {
  if (queue_.empty()) {
    barrier_ = upload_ != nullptr;
    held_up_ = false;
    // Refused before its end: the rest is still to be swallowed, and no shard holds it up now.
    if (barrier_) UpdateReading();
  }
  // Nothing has come meanwhile: it need not wait in line to hear what comes.
  if (!reading_ && !readable_ && !draining_ && (input_.empty() || needs_more_) &&
      !stream_.HasBuffered()) {
    return UpdateReading();
  }
  const bool waits = !reading_ || (!input_.empty() && !needs_more_);
  if (waits && !closing_ && !Blocked()) context_.line.Wake(*this);
}

void Session::Flush() {
  if (closed_) return;
  if (overflowed_) [[unlikely]] {
    return SlowReader("it does not read its messages: limits.reply_buffer is reached");
  }
  const uint64_t before = output_.accepted();
  const IoStatus status = output_.Flush(stream_, kFlushAtOnce);
  const uint64_t written = output_.accepted() - before;
  context_.commands.metrics.bytes_out.Add(written);
  state_.bytes_out += written;
  Account(written);
  if (status == IoStatus::kError) return Close(stream_.error());
  const bool waiting = status == IoStatus::kAgain;
  if (waiting != writing_) {
    writing_ = waiting;
    stream_.WatchWrites(waiting);
  }
  if (waiting) {
    Watch();
    if (Overdrawn()) {
      return SlowReader("it does not read its replies: limits.reply_buffer is reached");
    }
  }
  if (!waiting && !output_.empty()) Touch();
  if (draining_) EndOfDrain();
  if (closed_) return;
  if (closing_ && queue_.empty() && output_.empty()) return Close("");
  LetGo();
  if (context_.gate.Inside(*this) && queue_.empty() && output_.empty()) LeaveGate();
  if (!reading_) Continue();
}

void Session::PassGate() { context_.line.Wake(*this); }

void Session::LeaveGate() {
  context_.gate.Leave(*this);
  while (Session* next = context_.gate.Next(context_.loop.Now())) next->PassGate();
}

// What was written belongs to the client's turn, and to what the window is about.
void Session::Account(uint64_t written) {
  exchanged_ += written;
  context_.line.Charge(*this, written, 0);
  if (finished_ == 0) return;
  window_.OnReplies(finished_, exchanged_, context_.loop.Now());
  cost_ += finished_ + static_cast<uint32_t>(exchanged_ / kBytesOfACommand);
  finished_ = 0;
  exchanged_ = 0;
}

void Session::CheckIdle(TimePoint now) {
  const Duration limit = context_.limits.idle_timeout;
  if (state_.push != nullptr) return;  // waits for messages
  if (limit <= Duration(0) || !queue_.empty() || now - state_.last_active_at < limit) return;
  context_.commands.metrics.idle_closed.Add();
  Close("");
}

void Session::Drain() {
  if (closed_) return;
  // What it waits for may never come.
  if (state_.blocked != nullptr) return Close("");
  // The end of a value under way is waited for, as are requests that were read and not served.
  draining_ = true;
  UpdateReading();
  EndOfDrain();
}

// Nothing that was read is left to serve: the last replies go out, then it closes.
void Session::EndOfDrain() {
  if (closed_ || upload_ != nullptr || (!input_.empty() && !needs_more_)) return;
  closing_ = true;
  UpdateReading();
  if (queue_.empty() && output_.empty()) Close("");
}

void Session::Kill(bool after_reply) {
  if (after_reply) {
    state_.close_after_reply = true;
    closing_ = true;
    UpdateReading();
    if (!closed_) Touch();
  } else {
    Close("");
  }
}

// `why` is logged when it is not empty: the client's own leaving is no news.
void Session::Close(const std::string& why) {
  if (closed_) return;
  closed_ = closing_ = true;
  if (!why.empty()) {
    static LogLimiter limiter;
    uint64_t held = 0;
    if (limiter.Allow(MonotonicNow(), &held)) {
      LogInfo("closed client {} at {}: {} ({} more such lines held back)", state_.id, address(),
              why, held);
    }
  }
  StopWatching();
  state_.refs.Forget();
  if (BlockedClient* blocked = std::exchange(state_.blocked, nullptr)) blocked->Leave();
  if (std::exchange(held_by_pause_, false)) context_.commands.metrics.paused.Subtract(1);
  if (state_.push != nullptr) context_.commands.push->Leave(state_);
  queue_.Abandon(context_.reaper);
  pushed_.reset();
  upload_.reset();
  output_.Clear();
  Detach();
  context_.commands.metrics.closed.Add();
  context_.closed.PushBack(*this);
}

// From all that its worker holds of it.
void Session::Detach() {
  input_ = Input();
  partial_.reset();
  stream_.WatchReads(false);
  stream_.WatchWrites(false);
  context_.line.Leave(*this);
  LeaveGate();
  context_.windows.Forget(&window_);
  if (ListHook<FlushTag>::linked()) IntrusiveList<Session, FlushTag>::Remove(*this);
  StopWatching();
}

void Session::Push(const Slice& message, PushOrder order) {
  if (closed_ || closing_ || overflowed_) return;
  const size_t limit = context_.limits.reply_buffer;
  const auto fits = [&] {
    return output_.size() + queue_.held() + pushed_bytes() + message.bytes.size() <= limit;
  };
  // Much may come in one turn: the socket has its chance before the client is called slow.
  if (!fits() && !writing_) {
    const uint64_t before = output_.accepted();
    (void)output_.Flush(stream_, kFlushAtOnce);
    context_.commands.metrics.bytes_out.Add(output_.accepted() - before);
    state_.bytes_out += output_.accepted() - before;
  }
  overflowed_ = !fits();
  Touch();
  if (overflowed_) return;
  const Request* const held = queue_.LastHeld();
  const Request* behind = held;
  if (order == PushOrder::kBehindRequests) {
    for (const Request* at = queue_.front(); at != nullptr; at = queue_.next(*at)) {
      const bool in_steps = !at->done && at->connection == nullptr;
      if (at == held || in_steps) behind = at;
    }
  }
  if (behind == nullptr) return output_.Append(message);
  if (pushed_ == nullptr) pushed_ = std::make_unique<PushedMessages>();
  pushed_->list.push_back({behind, message.block ? message : context_.blocks.Copy(message.bytes)});
  pushed_->bytes += message.bytes.size();
}

// The request's reply is in the output, and so may be what came behind it.
void Session::SendPushed(const Request& request) {
  std::vector<Pushed>& list = pushed_->list;
  size_t sent = 0;
  for (; sent < list.size() && list[sent].behind == &request; ++sent) {
    pushed_->bytes -= list[sent].message.bytes.size();
    output_.Append(list[sent].message);
  }
  list.erase(list.begin(), list.begin() + static_cast<ptrdiff_t>(sent));
  if (list.empty()) pushed_.reset();
}

size_t Session::memory() const {
  return sizeof(Session) + output_.size() + queue_.held() + pushed_bytes() +
         (input_.block ? input_.block.capacity() : 0);
}

std::string Session::address() const {
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  if (getpeername(stream_.fd(), reinterpret_cast<sockaddr*>(&name), &length) != 0) {
    // Of a connection that was reset this still knows it, when asked for its very size.
    for (const size_t size : {sizeof(sockaddr_in6), sizeof(sockaddr_in)}) {
      length = static_cast<socklen_t>(size);
      if (getsockopt(stream_.fd(), SOL_SOCKET, SO_PEERNAME, &name, &length) == 0) break;
    }
  }
  return name.ss_family == AF_UNIX ? UnixPath(stream_.fd()) : Describe(name);
}

std::string Session::local_address() const {
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  getsockname(stream_.fd(), reinterpret_cast<sockaddr*>(&name), &length);
  return name.ss_family == AF_UNIX ? UnixPath(stream_.fd()) : Describe(name);
}

}  // namespace ringmaster
