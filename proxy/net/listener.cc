#include "net/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "net/loop.h"

namespace ringmaster {
namespace {

constexpr int kBacklog = 1024;
// How long nobody is accepted after the system could not.
constexpr Duration kRest = std::chrono::milliseconds(100);

Error SystemError(const std::string& what) {
  return Error{ErrorCode::kIo, what + ": " + std::strerror(errno)};
}

// A socket file left behind by a process that is gone would make bind() fail for ever.
bool ServedBySomebody(const sockaddr_un& name) {
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return true;
  const bool served = connect(probe, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0 ||
                      errno != ECONNREFUSED;
  close(probe);
  return served;
}

Result<int> BindUnix(const Address& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.path.size() >= sizeof(name.sun_path)) {
    return Error{ErrorCode::kInvalid, "the path of socket " + address.path + " is too long"};
  }
  std::memcpy(name.sun_path, address.path.data(), address.path.size());
  struct stat info {};
  if (stat(address.path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return Error{ErrorCode::kInvalid, address.path + " exists and is not a socket"};
    }
    if (!ServedBySomebody(name)) unlink(address.path.c_str());
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("socket");
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) != 0 ||
      listen(fd, kBacklog) != 0) {
    const Error error = SystemError("cannot listen on " + address.ToString());
    close(fd);
    return error;
  }
  return fd;
}

void SetPortShared(int fd, bool shared) {
  const int on = shared ? 1 : 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

Result<int> BindTcp(const Address& address, bool beside_ours) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int failed = getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                 port.c_str(), &hints, &found);
  if (failed != 0) {
    return Error{ErrorCode::kInvalid,
                 "cannot resolve " + address.ToString() + ": " + gai_strerror(failed)};
  }
  Error error{ErrorCode::kIo, "no usable address in " + address.ToString()};
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (beside_ours) SetPortShared(fd, true);
    if (at->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, kBacklog) == 0) {
      freeaddrinfo(found);
      return fd;
    }
    error = SystemError("cannot listen on " + address.ToString());
    close(fd);
  }
  freeaddrinfo(found);
  return error;
}

uint16_t PortOf(int fd) {
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length);
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<sockaddr_in&>(name).sin_port);
}

}  // namespace

struct Listener::Watcher {
  uv_poll_t poll;
  Listener* listener;
};

Result<std::unique_ptr<Listener>> Listener::Bind(Loop& loop, const Address& address,
                                                 bool beside_ours) {
  Result<int> fd =
      address.kind == Address::kUnix ? BindUnix(address) : BindTcp(address, beside_ours);
  if (!fd) return fd.error();
  Address at = address;
  if (at.kind == Address::kTcp && at.port == 0) at.port = PortOf(*fd);
  return std::unique_ptr<Listener>(new Listener(loop, std::move(at), *fd));
}

Result<std::unique_ptr<Listener>> Listener::Open(Loop& loop, const Address& address,
                                                 Accepted accepted) {
  Result<std::unique_ptr<Listener>> bound = Bind(loop, address);
  if (bound) (*bound)->Start(std::move(accepted));
  return bound;
}

Result<int> Listener::Duplicate() const {
  const int fd = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return SystemError("cannot listen on " + address_.ToString());
  return fd;
}

std::unique_ptr<Listener> Listener::Adopt(Loop& loop, int fd, Accepted accepted) {
  std::unique_ptr<Listener> listener(new Listener(loop, Address{}, fd));
  listener->adopted_ = true;
  listener->Start(std::move(accepted));
  return listener;
}

Listener::Listener(Loop& loop, Address address, int fd)
    : address_(std::move(address)),
      fd_(fd),
      spare_fd_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
      watcher_(new Watcher),
      rest_(loop, [this] { Watch(); }) {
  struct stat file {};
  if (address_.kind == Address::kUnix && stat(address_.path.c_str(), &file) == 0) {
    file_device_ = file.st_dev;
    file_number_ = file.st_ino;
  }
  watcher_->listener = this;
  RM_CHECK(uv_poll_init(loop.raw(), &watcher_->poll, fd) == 0);
  watcher_->poll.data = watcher_;
}

void Listener::Start(Accepted accepted) {
  accepted_ = std::move(accepted);
  Watch();
}

bool Listener::reachable() const {
  if (address_.kind != Address::kUnix) return true;
  struct stat file {};
  return stat(address_.path.c_str(), &file) == 0 && file.st_dev == file_device_ &&
         file.st_ino == file_number_;
}

void Listener::SharePort(bool shares) const {
  if (address_.kind == Address::kTcp) SetPortShared(fd_, shares);
}

Listener::~Listener() {
  watcher_->listener = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&watcher_->poll),
           [](uv_handle_t* handle) { delete static_cast<Watcher*>(handle->data); });
  // Another's socket may stand there by now.
  if (address_.kind == Address::kUnix && reachable()) unlink(address_.path.c_str());
  close(fd_);
  if (spare_fd_ >= 0) close(spare_fd_);
}

void Listener::Watch() {
  uv_poll_start(&watcher_->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
    auto* watcher = static_cast<Watcher*>(poll->data);
    Loop::Note(poll->loop, Pulse::At::kConnection);
    if (watcher->listener != nullptr) watcher->listener->AcceptAll();
  });
}

void Listener::Rest() {
  uv_poll_stop(&watcher_->poll);
  rest_.StartOnce(kRest);
}

void Listener::AcceptAll() {
  // Bounded, so that a flood of connections does not keep the thread from its other work.
  for (int i = 0; i < 256; ++i) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted_(fd);
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EMFILE || errno == ENFILE) {
      // Out of descriptors: the waiting peer is told by a close instead of hanging, and the loop
      // does not spin on a socket that stays readable.
      static LogLimiter limiter;
      uint64_t held = 0;
      if (!adopted_ && limiter.Allow(MonotonicNow(), &held)) {
        LogError("out of file descriptors at {}; raise `ulimit -n` ({} more times)",
                 address_.ToString(), held);
      }
      if (spare_fd_ >= 0) close(spare_fd_);
      const int refused = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (refused >= 0) close(refused);
      spare_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
      // Somebody else took the number: the socket stays readable, and only time helps.
      if (refused < 0) return Rest();
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return Rest();
    }
  }
}

}  // namespace ringmaster
