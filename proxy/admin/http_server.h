// A small HTTP server for operators, on a loop of its own: GET and HEAD, one request a connection
// (http_connection.h). Nobody waits for others: every socket has its state, and who comes when all
// places are taken gets the place of whoever deserves it least, so that a hundred silent
// connections do not keep a probe out.
//
// Owner: Admin, on its thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "admin/http_connection.h"
#include "net/timer.h"

namespace ringmaster {

class Loop;

struct HttpRequest {
  std::string path;
};

// Whom a request may be for: a page of another site, whose name leads here (DNS rebinding), may not
// look. Loopback and the address at which a connection arrived are always fine.
struct HttpHosts {
  std::vector<std::string> names;  // lower case; "*": any
  // `local`: where the connection arrived; empty: a Unix socket, which no browser reaches.
  bool Allow(const std::string& host, const std::string& local) const;
};

class HttpServer {
 public:
  // Once, on the loop's thread; without effect when the peer has left.
  using Respond = std::function<void(HttpResponse)>;
  // May respond at once. Does not block.
  using Handler = std::function<void(const HttpRequest&, Respond)>;

  HttpServer(Loop& loop, Handler handler, const HttpLimits& limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void SetHosts(HttpHosts hosts) { hosts_ = std::move(hosts); }
  // Takes a connected, non-blocking socket, answers what it asks, and closes it.
  void Serve(int fd);
  size_t connections() const { return peers_.size(); }
  // Connections that were closed to make place. Any thread.
  uint64_t displaced() const { return displaced_.load(std::memory_order_relaxed); }

 private:
  struct Peer;

  void MakePlace(const std::string& address);
  void Read(Peer& peer);
  void Ask(Peer& peer);
  void Answer(uint64_t id, const HttpResponse& response);
  void Write(Peer& peer);
  void Settle(Peer& peer);
  void Tick();

  Loop& loop_;
  const Handler handler_;
  const HttpLimits limits_;
  HttpHosts hosts_;
  std::map<uint64_t, std::unique_ptr<Peer>> peers_;  // by id: the oldest first
  uint64_t next_id_ = 1;
  std::atomic<uint64_t> displaced_{0};
  Timer timer_;
  std::shared_ptr<bool> alive_;  // late responses find out that there is nobody left
};

}  // namespace ringmaster
