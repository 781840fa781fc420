#include "support/client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

int ConnectUnix(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) return -1;
  std::memcpy(name.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0) return fd;
  close(fd);
  return -1;
}

int ConnectTcp(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  if (getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
  int fd = -1;
  for (addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) {
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

int MillisecondsUntil(TimePoint deadline) {
  const int64_t left = Milliseconds(deadline - MonotonicNow());
  return static_cast<int>(std::clamp<int64_t>(left + 1, 0, 60000));
}

}  // namespace

Client::Client(const Address& address, Duration patience) : patience_(patience) {
  fd_ = address.kind == Address::kUnix ? ConnectUnix(address.path) : ConnectTcp(address);
  if (fd_ < 0) {
    failure_ = "<refused>";
    return;
  }
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
}

Client& Client::operator=(Client&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    patience_ = other.patience_;
    buffer_ = std::move(other.buffer_);
    start_ = other.start_;
    failure_ = std::move(other.failure_);
  }
  return *this;
}

bool Client::Fail(const std::string& how) {
  failure_ = how;
  return false;
}

bool Client::WaitFor(short events, TimePoint deadline, short* ready) {
  for (;;) {
    pollfd poller{fd_, events, 0};
    const int found = poll(&poller, 1, MillisecondsUntil(deadline));
    if (found > 0) {
      *ready = poller.revents;
      return true;
    }
    if (found < 0 && errno != EINTR) return Fail("<reset>");
    if (MonotonicNow() >= deadline) return Fail("<timeout>");
  }
}

bool Client::Fill(TimePoint deadline) {
  static constexpr size_t kChunk = 256 * 1024;
  if (fd_ < 0) return false;
  short ready = 0;
  if (!WaitFor(POLLIN, deadline, &ready)) return false;
  if (start_ > kChunk && start_ * 2 > buffer_.size()) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  const size_t size = buffer_.size();
  buffer_.resize(size + kChunk);
  const ssize_t got = recv(fd_, buffer_.data() + size, kChunk, 0);
  const int error = errno;
  buffer_.resize(size + (got > 0 ? static_cast<size_t>(got) : 0));
  if (got > 0) return true;
  if (got == 0) return Fail("<closed>");
  return error == EAGAIN || error == EINTR || Fail("<reset>");
}

bool Client::Send(Bytes bytes) {
  if (fd_ < 0) return false;
  TimePoint deadline = MonotonicNow() + patience_;
  while (!bytes.empty()) {
    short ready = 0;
    if (!WaitFor(POLLIN | POLLOUT, deadline, &ready)) return false;
    if ((ready & POLLIN) != 0 && !Fill(deadline)) return false;
    if ((ready & (POLLOUT | POLLERR | POLLHUP)) == 0) continue;
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      deadline = MonotonicNow() + patience_;
    } else if (errno != EAGAIN && errno != EINTR) {
      return Fail("<reset>");
    }
  }
  return true;
}

bool Client::SendInPieces(Bytes bytes, size_t piece) {
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (!Send(bytes.substr(at, piece))) return false;
  }
  return true;
}

size_t Client::SendUnread(Bytes bytes, Duration patience) {
  size_t taken = 0;
  while (fd_ >= 0 && taken < bytes.size()) {
    short ready = 0;
    if (!WaitFor(POLLOUT, MonotonicNow() + patience, &ready)) break;
    const ssize_t sent = send(fd_, bytes.data() + taken, bytes.size() - taken, MSG_NOSIGNAL);
    if (sent > 0) {
      taken += static_cast<size_t>(sent);
    } else if (errno != EAGAIN && errno != EINTR) {
      Fail("<reset>");
      break;
    }
  }
  return taken;
}

std::string Client::ReadRaw() {
  const TimePoint deadline = MonotonicNow() + patience_;
  for (;;) {
    const Bytes waiting = Bytes(buffer_).substr(start_);
    size_t length = ReplyLength(waiting);
    if (length == Bytes::npos) length = waiting.size();
    if (length > 0) {
      std::string reply(waiting.substr(0, length));
      start_ += length;
      if (start_ == buffer_.size()) {
        buffer_.clear();
        start_ = 0;
      }
      return reply;
    }
    if (!Fill(deadline)) return "";
  }
}

std::string Client::Read() {
  const std::string reply = ReadRaw();
  return reply.empty() ? failure_ : Render(reply);
}

std::vector<std::string> Client::Read(size_t count) {
  std::vector<std::string> replies;
  replies.reserve(count);
  for (size_t i = 0; i < count; ++i) replies.push_back(Read());
  return replies;
}

std::string Client::ReadRaw(size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) {
    const std::string reply = ReadRaw();
    if (reply.empty()) return all + failure_;
    all += reply;
  }
  return all;
}

std::string Client::ReadToEnd() {
  const TimePoint deadline = MonotonicNow() + patience_;
  while (Fill(deadline)) {
  }
  std::string all = buffer_.substr(start_) + failure_;
  buffer_.clear();
  start_ = 0;
  return all;
}

bool Client::PeerCloses() {
  ReadToEnd();
  return failure_ == "<closed>" || failure_ == "<reset>";
}

bool Client::Silent(Duration duration) {
  if (start_ < buffer_.size()) return false;
  const bool heard = Fill(MonotonicNow() + duration);
  const bool silent = !heard && failure_ == "<timeout>";
  failure_.clear();
  return silent;
}

std::string Client::Command(const std::vector<std::string>& words) {
  return Send(Encode(words)) ? Read() : failure_;
}

std::string Client::CommandRaw(const std::vector<std::string>& words) {
  return Send(Encode(words)) ? ReadRaw(1) : failure_;
}

std::vector<std::string> Client::Pipeline(const std::vector<std::vector<std::string>>& commands) {
  Send(EncodeAll(commands));
  return Read(commands.size());
}

void Client::HalfClose() { shutdown(fd_, SHUT_WR); }

void Client::Reset() {
  const linger at_once{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

void Client::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace ringmaster::integration
