#include "net/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "net/loop.h"
#include "net/tls.h"

namespace ringmaster {

// Outlives the stream until libuv has forgotten it. `poll.data` is the stream, or nullptr.
struct Stream::Watcher {
  uv_poll_t poll;
  void* owner = nullptr;
  Callback readable = nullptr;
  Callback writable = nullptr;

  static void OnEvent(uv_poll_t* poll, int status, int events) {
    auto* watcher = reinterpret_cast<Watcher*>(poll);
    auto* stream = static_cast<Stream*>(poll->data);
    if (stream == nullptr) return;
    Loop::Note(poll->loop, Pulse::At::kSocket);
    if (status < 0) {
      // libuv has stopped watching; a read or write will tell the owner why, when it wants to.
      stream->armed_ = 0;
      events = UV_READABLE | (stream->wanted_ & UV_WRITABLE);
      if (stream->hangup_) events |= UV_DISCONNECT;
    }
    if ((events & UV_READABLE) != 0 && !stream->WantsReads()) {
      stream->Disarm();
      events &= ~UV_READABLE;
    }
    if ((events & UV_WRITABLE) != 0) {
      stream->tls_wants_write_ = false;
      watcher->writable(watcher->owner);
      if (poll->data == nullptr) return;
      stream->Update();
    }
    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0) {
      stream->tls_wants_read_ = false;
      watcher->readable(watcher->owner);
      if (poll->data != nullptr) stream->Update();
    }
  }
};

Stream::Stream(Loop& loop, int fd) : loop_(loop), watcher_(new Watcher), fd_(fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // Unix sockets refuse it: no matter
  RM_CHECK(uv_poll_init(loop.raw(), &watcher_->poll, fd) == 0);
  watcher_->poll.data = this;
}

Stream::~Stream() {
  watcher_->poll.data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&watcher_->poll),
           [](uv_handle_t* handle) { delete reinterpret_cast<Watcher*>(handle); });
  if (tls_ != nullptr) SSL_shutdown(tls_->ssl);
  if (fd_ >= 0) close(fd_);
}

void Stream::Attach(void* owner, Callback readable, Callback writable) {
  watcher_->owner = owner;
  watcher_->readable = readable;
  watcher_->writable = writable;
  WatchReads(true);
}

void Stream::WatchReads(bool on) {
  wanted_ = on ? wanted_ | UV_READABLE : wanted_ & ~UV_READABLE;
  Update();
}

void Stream::WatchWrites(bool on) {
  wanted_ = on ? wanted_ | UV_WRITABLE : wanted_ & ~UV_WRITABLE;
  Update();
}

void Stream::WatchHangup(bool on) {
  hangup_ = on;
  Update();
}

Stream::Peer Stream::LookAtPeer() const {
  pollfd look{fd_, POLLRDHUP, 0};
  if (poll(&look, 1, 0) <= 0) return Peer::kThere;
  if ((look.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return Peer::kGone;
  return (look.revents & POLLRDHUP) != 0 ? Peer::kHalfClosed : Peer::kThere;
}

bool Stream::WantsReads() const { return (wanted_ & UV_READABLE) != 0 || tls_wants_read_; }

void Stream::Update() {
  int events = wanted_ | (tls_wants_write_ ? UV_WRITABLE : 0);
  // Else a peer that is slow to answer the TLS handshake would keep the loop turning.
  if (tls_wants_read_) events = (events | UV_READABLE) & ~UV_WRITABLE;
  // Reads stay armed until something comes that nobody wants: who sends one request at a time sends
  // nothing until reads are wanted again, and two system calls are saved. Whoever is read sees the
  // peer's end anyway.
  events |= armed_ & UV_READABLE;
  if (hangup_ && (events & UV_READABLE) == 0) events |= UV_DISCONNECT;
  Arm(events);
}

// Something came that nobody wants.
void Stream::Disarm() {
  if (armed_ != 0) Arm((armed_ & ~UV_READABLE) | (hangup_ ? UV_DISCONNECT : 0));
}

void Stream::Arm(int events) {
  if (events == armed_) return;
  armed_ = events;
  if (events == 0) {
    uv_poll_stop(&watcher_->poll);
  } else {
    uv_poll_start(&watcher_->poll, events, &Watcher::OnEvent);
  }
}

IoStatus Stream::Fail(const char* what) {
  error_ = std::make_unique<std::string>(what);
  return IoStatus::kError;
}

IoStatus Stream::Read(char* to, size_t capacity, size_t* read) {
  *read = 0;
  if (tls_ != nullptr) {
    ERR_clear_error();
    const int wanted = static_cast<int>(std::min<size_t>(capacity, 1 << 30));
    int got = SSL_read(tls_->ssl, to, wanted);
    if (got <= 0) return TlsResult(got, true);
    *read = static_cast<size_t>(got);
    // One record at a time comes out of SSL_read; a turn takes all that fits.
    while (*read < capacity && SSL_pending(tls_->ssl) > 0) {
      got = SSL_read(tls_->ssl, to + *read, static_cast<int>(capacity - *read));
      if (got <= 0) break;
      *read += static_cast<size_t>(got);
    }
    return IoStatus::kOk;
  }
  for (;;) {
    const ssize_t got = recv(fd_, to, capacity, 0);
    if (got > 0) {
      *read = static_cast<size_t>(got);
      return IoStatus::kOk;
    }
    if (got == 0) return IoStatus::kEnd;
    if (errno == EAGAIN) return IoStatus::kAgain;
    if (errno != EINTR) return Fail(std::strerror(errno));
  }
}

IoStatus Stream::Write(const iovec* parts, int count, size_t* written) {
  *written = 0;
  if (tls_ != nullptr) {
    for (int i = 0; i < count; ++i) {
      size_t done = 0;
      while (done < parts[i].iov_len) {
        ERR_clear_error();
        const int chunk = static_cast<int>(std::min<size_t>(parts[i].iov_len - done, 1 << 30));
        const int put =
            SSL_write(tls_->ssl, static_cast<const char*>(parts[i].iov_base) + done, chunk);
        if (put <= 0) {
          const IoStatus status = TlsResult(put, false);
          return status == IoStatus::kAgain && *written > 0 ? IoStatus::kOk : status;
        }
        done += static_cast<size_t>(put);
        *written += static_cast<size_t>(put);
      }
    }
    return IoStatus::kOk;
  }
  for (;;) {
    ssize_t put;
    if (count == 1) {
      put = send(fd_, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts);
      message.msg_iovlen = static_cast<size_t>(count);
      put = sendmsg(fd_, &message, MSG_NOSIGNAL);
    }
    if (put >= 0) {
      *written = static_cast<size_t>(put);
      return IoStatus::kOk;
    }
    if (errno == EAGAIN) return IoStatus::kAgain;
    if (errno != EINTR) return Fail(std::strerror(errno));
  }
}

bool Stream::HasBuffered() const { return tls_ != nullptr && SSL_pending(tls_->ssl) > 0; }

void Stream::ShutdownWrites() {
  if (tls_ != nullptr) SSL_shutdown(tls_->ssl);
  shutdown(fd_, SHUT_WR);
}

Status Stream::StartTls(TlsContext& context, const std::string& server_name) {
  auto tls = ringmaster::StartTls(context, fd_, server_name);
  if (!tls) return tls.error();
  tls_ = std::move(*tls);
  return Done();
}

IoStatus Stream::TlsResult(int result, bool reading) {
  switch (SSL_get_error(tls_->ssl, result)) {
    case SSL_ERROR_WANT_READ:
      if (!reading) {
        tls_wants_read_ = true;
        Update();
      }
      return IoStatus::kAgain;
    case SSL_ERROR_WANT_WRITE:
      if (reading) {
        tls_wants_write_ = true;
        Update();
      }
      return IoStatus::kAgain;
    case SSL_ERROR_ZERO_RETURN:
      if (reading) return IoStatus::kEnd;
      break;
    case SSL_ERROR_SYSCALL:
      if (reading && errno == 0) return IoStatus::kEnd;
      break;
    default:
      break;
  }
  const std::string why = TlsErrorOf(*tls_, result);
  if (reading && why.find("unexpected eof") != std::string::npos) return IoStatus::kEnd;
  return Fail(why.c_str());
}

bool Stream::AtRest() const {
  return tls_ == nullptr ||
         (SSL_is_init_finished(tls_->ssl) == 1 && !tls_wants_write_ && !tls_wants_read_);
}

int Stream::Release() {
  uv_poll_stop(&watcher_->poll);
  armed_ = 0;
  return std::exchange(fd_, -1);
}

std::unique_ptr<TlsState> Stream::ReleaseTls() { return std::move(tls_); }

void Stream::AdoptTls(std::unique_ptr<TlsState> tls) { tls_ = std::move(tls); }

}  // namespace ringmaster
