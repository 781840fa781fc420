// A shard that does what its test says: it listens on a Unix socket, answers the handshake, notes
// each request, and sends replies when told to, in any pieces. It has no thread and no loop: the
// test calls Poll().
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/check.h"
#include "resp/request_parser.h"

namespace ringmaster {

class FakeShard {
 public:
  // One connection that the proxy opened.
  struct Peer {
    int fd = -1;
    std::string input;
    std::string output;                 // answers that the socket has yet to take
    std::vector<std::string> requests;  // "GET k", those of the handshake left out
    bool gone = false;                  // the proxy closed it
  };

  FakeShard() {
    char folder[] = "/tmp/rm_shard_XXXXXX";
    RM_CHECK(mkdtemp(folder) != nullptr);
    folder_ = folder;
    Listen();
  }
  ~FakeShard() {
    for (size_t i = 0; i < peers.size(); ++i) Drop(i);
    StopListening();
    rmdir(folder_.c_str());
  }
  FakeShard(const FakeShard&) = delete;
  FakeShard& operator=(const FakeShard&) = delete;

  Address address() const { return Address{Address::kUnix, "", 0, path()}; }

  void Listen() {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path().data(), path().size());
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    RM_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
    RM_CHECK(listen(listener_, 64) == 0);
  }
  // From here on nobody can connect.
  void StopListening() {
    if (listener_ >= 0) close(listener_);
    listener_ = -1;
    unlink(path().c_str());
  }

  // Accepts, reads, answers the handshake and whatever `answer` has a reply for.
  void Poll() {
    if (listener_ >= 0) {
      for (int fd;
           (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        peers.push_back(std::make_unique<Peer>());
        peers.back()->fd = fd;
      }
    }
    if (frozen) return;
    for (const auto& peer : peers) Read(*peer);
    for (const auto& peer : peers) Write(*peer);
  }

  // Sends bytes, all of which must fit the socket's buffer.
  void Send(Bytes bytes, size_t peer = 0) {
    const ssize_t sent = send(peers.at(peer)->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    RM_CHECK(sent == static_cast<ssize_t>(bytes.size()));
  }
  // Sends what the socket takes now, and says how much.
  size_t SendSome(Bytes bytes, size_t peer = 0) {
    const ssize_t sent = send(peers.at(peer)->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }
  // Hangs up.
  void Drop(size_t peer = 0) {
    Peer& at = *peers.at(peer);
    if (at.fd >= 0) close(at.fd);
    at.fd = -1;
  }
  // The requests of all connections, in the order of connecting: "GET a, GET b".
  std::string Requests() const {
    std::string all;
    for (const auto& peer : peers) {
      for (const std::string& request : peer->requests) all += (all.empty() ? "" : ", ") + request;
    }
    return all;
  }

  std::vector<std::unique_ptr<Peer>> peers;
  // The reply to a request, or nothing to stay silent. Empty: always silent.
  std::function<std::string(const std::string& request)> answer;
  // Instead of what a healthy shard says to a command of the handshake; "": stays silent.
  std::map<std::string, std::string> handshake;
  std::vector<std::string> handshakes;  // all such commands, as received
  std::string role = "master";          // or "replica", of 10.0.0.1:6379
  bool frozen = false;                  // accepts, but neither reads nor answers
  size_t pace = SIZE_MAX;               // bytes of answers that a connection gets in one Poll

 private:
  std::string path() const { return folder_ + "/shard.sock"; }

  void Read(Peer& peer) {
    if (peer.fd < 0) return;
    char buffer[65536];
    ssize_t got;
    while ((got = recv(peer.fd, buffer, sizeof(buffer), 0)) > 0) {
      peer.input.append(buffer, static_cast<size_t>(got));
    }
    if (got == 0 || (got < 0 && errno != EAGAIN)) peer.gone = true;
    size_t done = 0;
    for (;;) {
      RequestParser parser(limits_);
      const Bytes rest = Bytes(peer.input).substr(done);
      if (rest.empty() || parser.Parse(rest) != RequestParser::Status::kComplete) break;
      done += parser.consumed();
      Serve(peer, parser.args());
    }
    peer.input.erase(0, done);
  }

  void Serve(Peer& peer, std::span<const Bytes> args) {
    std::string request;
    for (const Bytes arg : args) {
      request += request.empty() ? "" : " ";
      request += arg.size() > 64 ? "<" + std::to_string(arg.size()) + ">" : std::string(arg);
    }
    std::string reply;
    const std::string name(args[0]);
    if (request == "ROLE") {
      reply = role == "master" ? "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
                               : "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n"
                                 "$9\r\nconnected\r\n:7\r\n";
    } else if (request == "INFO server") {
      const auto scripted = handshake.find("INFO");
      reply = scripted != handshake.end() ? scripted->second : "-ERR it does not say\r\n";
    } else if (name == "HELLO" || name == "AUTH" || name == "SELECT" || name == "PING") {
      handshakes.push_back(request);
      const auto scripted = handshake.find(name);
      reply = scripted != handshake.end() ? scripted->second
              : name == "PING"            ? "+PONG\r\n"
              : name == "HELLO"           ? Hello(request == "HELLO 2" ? "*4" : "%2")
                                          : "+OK\r\n";
    } else {
      if (answer) reply = answer(request);
      peer.requests.push_back(std::move(request));
    }
    peer.output += reply;
    Write(peer);
  }

  std::string Hello(const std::string& head) const {
    return head + "\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n+" + role + "\r\n";
  }

  void Write(Peer& peer) {
    if (peer.fd < 0 || peer.output.empty()) return;
    const size_t most = std::min(pace, peer.output.size());
    const ssize_t sent = send(peer.fd, peer.output.data(), most, MSG_NOSIGNAL);
    if (sent > 0) peer.output.erase(0, static_cast<size_t>(sent));
  }

  RequestLimits limits_;
  std::string folder_;
  int listener_ = -1;
};

}  // namespace ringmaster
