#include "admin/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "net/loop.h"
#include "net/stream.h"

namespace ringmaster {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(20);

using Name = int (*)(int, sockaddr*, socklen_t*);

// The number behind a socket's end, IPv4 also where it is dressed as IPv6; empty: none. With
// `network` an IPv6 address is cut to its /64, as whoever has one has all.
std::string NumberOf(int fd, Name name, bool network) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (name(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(storage).sin_addr, text, sizeof(text));
  } else if (storage.ss_family == AF_INET6) {
    in6_addr& number = reinterpret_cast<sockaddr_in6&>(storage).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&number)) {
      inet_ntop(AF_INET, &number.s6_addr[12], text, sizeof(text));
    } else {
      if (network) std::fill(std::begin(number.s6_addr) + 8, std::end(number.s6_addr), 0);
      inet_ntop(AF_INET6, &number, text, sizeof(text));
    }
  }
  return text;
}

// How little a connection deserves its place: the least first.
int Merit(HttpConnection::State state) {
  switch (state) {
    case HttpConnection::State::kOver:
    case HttpConnection::State::kLingering:
      return 0;
    case HttpConnection::State::kReading:
      return 1;
    case HttpConnection::State::kSending:
      return 2;
    case HttpConnection::State::kAnswering:
      return 3;
  }
  return 0;
}

}  // namespace

bool HttpHosts::Allow(const std::string& host, const std::string& local) const {
  // Without a Host it is no browser.
  if (host.empty() || local.empty() || host == local || host == "localhost") return true;
  in_addr four{};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1 && (ntohl(four.s_addr) >> 24) == 127) {
    return true;
  }
  in6_addr six{};
  if (inet_pton(AF_INET6, host.c_str(), &six) == 1) {
    if (IN6_IS_ADDR_LOOPBACK(&six)) return true;
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(AF_INET6, &six, text, sizeof(text));
    if (text == local) return true;
  }
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name == "*" || name == host; });
}

struct HttpServer::Peer {
  Peer(HttpServer& server, int fd)
      : server(server),
        id(server.next_id_++),
        address(NumberOf(fd, getpeername, true)),
        local(NumberOf(fd, getsockname, false)),
        stream(server.loop_, fd),
        connection(server.limits_, MonotonicNow()) {}

  HttpServer& server;
  const uint64_t id;
  const std::string address;
  const std::string local;
  Stream stream;
  HttpConnection connection;
};

HttpServer::HttpServer(Loop& loop, Handler handler, const HttpLimits& limits)
    : loop_(loop),
      handler_(std::move(handler)),
      limits_(limits),
      timer_(loop, [this] { Tick(); }),
      alive_(std::make_shared<bool>(true)) {}

HttpServer::~HttpServer() { *alive_ = false; }

void HttpServer::Serve(int fd) {
  MakePlace(NumberOf(fd, getpeername, true));
  auto made = std::make_unique<Peer>(*this, fd);
  Peer& peer = *made;
  peers_.emplace(peer.id, std::move(made));
  if (!timer_.active()) timer_.StartEvery(kTick);
  peer.stream.Attach(
      &peer,
      [](void* owner) {
        auto* peer = static_cast<Peer*>(owner);
        peer->server.Read(*peer);
      },
      [](void* owner) {
        auto* peer = static_cast<Peer*>(owner);
        peer->server.Write(*peer);
      });
  // What was sent with the connection is answered before the next one comes.
  Read(peer);
}

// Of the address that has too many, or of all.
void HttpServer::MakePlace(const std::string& address) {
  const auto of_address = [&](const auto& entry) {
    return !address.empty() && entry.second->address == address;
  };
  const auto count = std::count_if(peers_.begin(), peers_.end(), of_address);
  const bool too_many = static_cast<size_t>(count) >= limits_.of_one_address;
  if (!too_many && peers_.size() < limits_.connections) return;
  auto victim = peers_.end();
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    if (too_many && !of_address(*at)) continue;
    if (victim == peers_.end() ||
        Merit(at->second->connection.state()) < Merit(victim->second->connection.state())) {
      victim = at;
    }
  }
  peers_.erase(victim);
  displaced_.fetch_add(1, std::memory_order_relaxed);
}

void HttpServer::Read(Peer& peer) {
  char bytes[8192];
  // Bounded, so that who sends all the time keeps nobody waiting.
  for (int i = 0; i < 4 && peer.connection.reads(); ++i) {
    size_t size = 0;
    const IoStatus status = peer.stream.Read(bytes, sizeof(bytes), &size);
    if (status == IoStatus::kAgain) break;
    if (status == IoStatus::kError) {
      peers_.erase(peer.id);
      return;
    }
    if (status == IoStatus::kEnd) {
      peer.connection.TakeEnd();
      break;
    }
    const auto before = peer.connection.state();
    peer.connection.Take({bytes, size}, MonotonicNow());
    const auto after = peer.connection.state();
    if (after == before) continue;
    if (after == HttpConnection::State::kAnswering) return Ask(peer);
    if (after == HttpConnection::State::kSending) return Write(peer);
  }
  Settle(peer);
}

void HttpServer::Ask(Peer& peer) {
  const HttpHead& head = peer.connection.head();
  const uint64_t id = peer.id;
  peer.stream.WatchReads(peer.connection.reads());
  if (!hosts_.Allow(head.host, peer.local)) {
    return Answer(id, {.status = 403,
                       .body = fmt::format("'{}' is no name of this listener; admin.hosts of the "
                                           "configuration lists those that are.\n",
                                           head.host)});
  }
  if (head.method != "GET" && head.method != "HEAD") {
    return Answer(id, {.status = 405, .body = "Only GET and HEAD.\n", .allow = "GET, HEAD"});
  }
  try {
    handler_({head.path}, [this, id, alive = alive_](const HttpResponse& response) {
      if (*alive) Answer(id, response);
    });
  } catch (const std::exception& error) {
    Answer(id, {.status = 500, .body = fmt::format("this went wrong: {}\n", error.what())});
  }
}

void HttpServer::Answer(uint64_t id, const HttpResponse& response) {
  const auto at = peers_.find(id);
  if (at == peers_.end()) return;
  Peer& peer = *at->second;
  if (peer.connection.state() != HttpConnection::State::kAnswering) return;
  peer.connection.Respond(response, MonotonicNow());
  Write(peer);
}

void HttpServer::Write(Peer& peer) {
  while (peer.connection.state() == HttpConnection::State::kSending) {
    const std::string_view out = peer.connection.out();
    const iovec part{const_cast<char*>(out.data()), out.size()};
    size_t written = 0;
    const IoStatus status = peer.stream.Write(&part, 1, &written);
    if (status == IoStatus::kAgain || (status == IoStatus::kOk && written == 0)) break;
    if (status != IoStatus::kOk) {
      peers_.erase(peer.id);
      return;
    }
    peer.connection.Sent(written, MonotonicNow());
    if (peer.connection.state() == HttpConnection::State::kLingering) peer.stream.ShutdownWrites();
  }
  Settle(peer);
}

// What the socket is watched for follows from the state; who is over leaves.
void HttpServer::Settle(Peer& peer) {
  if (peer.connection.state() == HttpConnection::State::kOver) {
    peers_.erase(peer.id);
    return;
  }
  peer.stream.WatchReads(peer.connection.reads());
  peer.stream.WatchWrites(peer.connection.state() == HttpConnection::State::kSending);
}

void HttpServer::Tick() {
  const TimePoint now = MonotonicNow();
  std::vector<uint64_t> due;
  for (const auto& [id, peer] : peers_) {
    if (peer->connection.due() <= now) due.push_back(id);
  }
  for (const uint64_t id : due) {
    const auto at = peers_.find(id);
    if (at == peers_.end()) continue;
    at->second->connection.Tick(now);
    Write(*at->second);
  }
  if (peers_.empty()) timer_.Stop();
}

}  // namespace ringmaster
