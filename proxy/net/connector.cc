#include "net/connector.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "net/loop.h"
#include "net/timer.h"

namespace ringmaster {

// Kept alive by the connector and by whatever libuv still has under way for it.
struct Connector::Attempt : std::enable_shared_from_this<Connector::Attempt> {
  struct Candidate {
    sockaddr_storage name{};
    socklen_t length = 0;
  };
  struct Resolving {
    uv_getaddrinfo_t request;
    std::shared_ptr<Attempt> attempt;
  };
  struct Polling {
    uv_poll_t poll;
    std::shared_ptr<Attempt> attempt;
  };

  Attempt(Loop& on, Address to, Connected callback)
      : loop(on), address(std::move(to)), connected(std::move(callback)) {}

  void Start(Duration timeout);
  void Resolve();
  void TryNext();
  void FailLater();
  void Watch();
  void OnWritable();
  void StopWatching();
  void Finish(Result<int> result);
  void Cancel();

  Loop& loop;
  Address address;
  Connected connected;  // empty once finished or cancelled
  std::unique_ptr<Timer> timer;
  std::vector<Candidate> candidates;
  size_t next = 0;
  int fd = -1;
  Polling* polling = nullptr;
  std::string last_error = "no address found";
  std::optional<Error> verdict;
};

void Connector::Attempt::Start(Duration timeout) {
  timer = std::make_unique<Timer>(loop, [this] {
    const auto self = shared_from_this();
    if (verdict) {
      Finish(*verdict);
    } else {
      Finish(Error{ErrorCode::kTimeout, "connecting to " + address.ToString() + " timed out"});
    }
  });
  timer->StartOnce(timeout);
  if (address.kind == Address::kUnix) {
    Candidate candidate;
    auto* name = reinterpret_cast<sockaddr_un*>(&candidate.name);
    name->sun_family = AF_UNIX;
    const size_t length = std::min(address.path.size(), sizeof(name->sun_path) - 1);
    std::memcpy(name->sun_path, address.path.data(), length);
    candidate.length = sizeof(sockaddr_un);
    candidates.push_back(candidate);
    TryNext();
  } else {
    Resolve();
  }
}

void Connector::Attempt::Resolve() {
  auto* resolving = new Resolving{{}, shared_from_this()};
  resolving->request.data = resolving;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  const std::string port = std::to_string(address.port);
  const int failed = uv_getaddrinfo(
      loop.raw(), &resolving->request,
      [](uv_getaddrinfo_t* request, int status, addrinfo* found) {
        const std::unique_ptr<Resolving> done(static_cast<Resolving*>(request->data));
        Attempt& attempt = *done->attempt;
        for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
          Candidate candidate;
          std::memcpy(&candidate.name, at->ai_addr, at->ai_addrlen);
          candidate.length = at->ai_addrlen;
          attempt.candidates.push_back(candidate);
        }
        uv_freeaddrinfo(found);
        if (status != 0) attempt.last_error = uv_strerror(status);
        if (attempt.connected) attempt.TryNext();
      },
      address.host.c_str(), port.c_str(), &hints);
  if (failed != 0) {
    delete resolving;
    last_error = uv_strerror(failed);
    FailLater();
  }
}

void Connector::Attempt::TryNext() {
  while (next < candidates.size()) {
    const Candidate& candidate = candidates[next++];
    fd = socket(candidate.name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      last_error = std::strerror(errno);
      continue;
    }
    const int result =
        connect(fd, reinterpret_cast<const sockaddr*>(&candidate.name), candidate.length);
    if (result == 0 || errno == EINPROGRESS) {
      Watch();
      return;
    }
    last_error = std::strerror(errno);
    close(fd);
    fd = -1;
  }
  FailLater();
}

// Through the timer, so that the callback never runs inside the constructor.
void Connector::Attempt::FailLater() {
  verdict =
      Error{ErrorCode::kUnavailable, "cannot connect to " + address.ToString() + ": " + last_error};
  timer->StartOnce(Duration(0));
}

void Connector::Attempt::Watch() {
  polling = new Polling{{}, shared_from_this()};
  polling->poll.data = polling;
  uv_poll_init(loop.raw(), &polling->poll, fd);
  uv_poll_start(&polling->poll, UV_WRITABLE, [](uv_poll_t* poll, int, int) {
    const std::shared_ptr<Attempt> attempt = static_cast<Polling*>(poll->data)->attempt;
    Loop::Note(poll->loop, Pulse::At::kConnection);
    if (attempt->connected) attempt->OnWritable();
  });
}

void Connector::Attempt::OnWritable() {
  StopWatching();
  int failure = 0;
  socklen_t length = sizeof(failure);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length);
  if (failure == 0) {
    Finish(std::exchange(fd, -1));
    return;
  }
  last_error = std::strerror(failure);
  close(fd);
  fd = -1;
  TryNext();
}

void Connector::Attempt::StopWatching() {
  if (polling == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&polling->poll),
           [](uv_handle_t* handle) { delete static_cast<Polling*>(handle->data); });
  polling = nullptr;
}

void Connector::Attempt::Finish(Result<int> result) {
  if (!connected) return;
  Connected callback = std::move(connected);
  Cancel();
  callback(std::move(result));
}

void Connector::Attempt::Cancel() {
  connected = nullptr;
  timer.reset();
  StopWatching();
  if (fd >= 0) close(fd);
  fd = -1;
}

Connector::Connector(Loop& loop, const Address& address, Duration timeout, Connected connected)
    : attempt_(std::make_shared<Attempt>(loop, address, std::move(connected))) {
  attempt_->Start(timeout);
}

Connector::~Connector() { attempt_->Cancel(); }

}  // namespace ringmaster
