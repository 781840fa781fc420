#include "support/fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "support/client.h"

namespace ringmaster::integration {
namespace {

// More waits in the kernel, as it would on a real link.
constexpr size_t kMostWaiting = 1 << 20;
constexpr size_t kReadSize = 64 * 1024;

void Prepare(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void ResetOnClose(int fd) {
  const linger at_once{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

}  // namespace

FaultProxy::FaultProxy(const Address& server)
    : server_(server), address_{Address::kTcp, "127.0.0.1", reserved_.number(), ""} {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(reserved_.number());
  RM_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
  RM_CHECK(listen(listener_, 4096) == 0);
  RM_CHECK(pipe2(wake_, O_CLOEXEC | O_NONBLOCK) == 0);
  thread_ = std::thread([this] { Loop(); });
}

FaultProxy::~FaultProxy() {
  stop_ = true;
  const ssize_t ignored = write(wake_[1], "x", 1);
  static_cast<void>(ignored);
  thread_.join();
  for (const auto& link : links_) Finish(*link, true);
  close(listener_);
  close(wake_[0]);
  close(wake_[1]);
}

void FaultProxy::Cut() {
  cut_ = true;
  // Those who cut want to see it done: what they send next is for the next connection.
  while (cut_) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

void FaultProxy::Inject(const std::string& reply_bytes) {
  const std::lock_guard lock(mutex_);
  injected_ += reply_bytes;
}

void FaultProxy::Heal() {
  refuse_ = swallow_ = false;
  Hold(false);
  reply_budget_ = request_budget_ = -1;
  segment_ = delay_ = rate_ = 0;
}

void FaultProxy::Finish(Link& link, bool reset) {
  if (link.dead) return;
  link.dead = true;
  for (const int fd : {link.request.from, link.request.to}) {
    if (reset) ResetOnClose(fd);
    close(fd);
  }
  --open_;
}

void FaultProxy::Accept() {
  for (;;) {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    ++accepted_;
    if (refuse_) {
      ResetOnClose(client);
      close(client);
      continue;
    }
    // Connecting to a loopback server is done at once, or refused at once.
    Client server(server_);
    if (!server.connected()) {
      ResetOnClose(client);
      close(client);
      continue;
    }
    const int shard = fcntl(server.fd(), F_DUPFD_CLOEXEC, 0);
    Prepare(client);
    Prepare(shard);
    auto link = std::make_unique<Link>();
    link->request.from = link->reply.to = client;
    link->request.to = link->reply.from = shard;
    link->reply.reply = true;
    links_.push_back(std::move(link));
    ++open_;
  }
}

bool FaultProxy::Read(Way& way) {
  char buffer[kReadSize];
  while (!way.ended && way.waiting < kMostWaiting) {
    const ssize_t got = recv(way.from, buffer, sizeof(buffer), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
      way.ended = true;
      return true;
    }
    if (swallow_) continue;
    way.chunks.push_back(Chunk{MonotonicNow() + Duration(delay_.load()),
                               std::string(buffer, static_cast<size_t>(got))});
    way.waiting += static_cast<size_t>(got);
    if (way.reply) replies_read_ += got;
  }
  return true;
}

int64_t FaultProxy::Allowance(const Way& way, TimePoint now) const {
  if (way.chunks.empty() || way.chunks.front().due > now || way.next_write > now) return 0;
  if (Held(way)) return 0;
  int64_t size = static_cast<int64_t>(way.chunks.front().bytes.size());
  if (segment_ > 0) size = std::min<int64_t>(size, segment_);
  // Ten portions a second or more, so that a slow link is slow and not bursty.
  if (rate_ > 0) size = std::min<int64_t>(size, std::max<int64_t>(1, rate_ / 100));
  const int64_t budget = way.reply ? reply_budget_ : request_budget_;
  return budget >= 0 ? std::min(size, budget) : size;
}

bool FaultProxy::Write(Way& way) {
  for (;;) {
    const TimePoint now = MonotonicNow();
    const bool ready = !way.chunks.empty() && way.chunks.front().due <= now && !Held(way);
    std::atomic<int64_t>& budget = way.reply ? reply_budget_ : request_budget_;
    if (ready && budget == 0) {
      budget = -1;
      return false;
    }
    const int64_t size = Allowance(way, now);
    if (size == 0) break;
    std::string& front = way.chunks.front().bytes;
    const ssize_t sent = send(way.to, front.data(), static_cast<size_t>(size), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    if (budget >= 0) budget -= sent;
    if (rate_ > 0) way.next_write = now + Duration(sent * 1000000000LL / rate_);
    (way.reply ? reply_bytes_ : request_bytes_) += sent;
    way.waiting -= static_cast<size_t>(sent);
    front.erase(0, static_cast<size_t>(sent));
    if (front.empty()) way.chunks.pop_front();
  }
  if (way.ended && way.chunks.empty() && !way.shut_down && !Held(way)) {
    way.shut_down = true;
    shutdown(way.to, SHUT_WR);
  }
  return true;
}

// How long poll may wait although no socket says anything.
int FaultProxy::Pause() const {
  for (const auto& link : links_) {
    if (!link->request.chunks.empty() || !link->reply.chunks.empty()) return 1;
  }
  return 5;
}

void FaultProxy::Loop() {
  std::vector<pollfd> polled;
  while (!stop_) {
    polled.assign({pollfd{listener_, POLLIN, 0}, pollfd{wake_[0], POLLIN, 0}});
    for (const auto& link : links_) {
      for (const Way* way : {&link->request, &link->reply}) {
        const bool room = way->waiting < kMostWaiting && !way->ended;
        if (room) polled.push_back(pollfd{way->from, POLLIN, 0});
      }
    }
    poll(polled.data(), polled.size(), Pause());
    std::string injected;
    {
      const std::lock_guard lock(mutex_);
      injected.swap(injected_);
    }
    if (cut_) {
      for (const auto& link : links_) Finish(*link, true);
      cut_ = false;
    }
    Accept();
    for (const auto& link : links_) {
      if (link->dead) continue;
      if (!injected.empty()) {
        link->reply.chunks.push_back(Chunk{MonotonicNow(), injected});
        link->reply.waiting += injected.size();
      }
      const bool alive =
          Read(link->request) && Read(link->reply) && Write(link->request) && Write(link->reply);
      if (!alive) {
        Finish(*link, true);
      } else if (link->request.shut_down && link->reply.shut_down) {
        Finish(*link, false);
      }
    }
    std::erase_if(links_, [](const auto& link) { return link->dead; });
  }
}

}  // namespace ringmaster::integration
