// A small HTTP server for operators: GET and HEAD, one request a connection, everything bounded.
// Sockets come from outside (server/ listens, on the main loop), so addresses, reloads and Unix
// sockets are as for clients. cpp-httplib understands the request line and writes the response; of
// the head it sees nothing else, as none of its features is wanted that a header turns on.
//
// Any thread. Two threads of its own answer; a handler may wait, within reason.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace ringmaster {

struct HttpRequest {
  std::string path;
};

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string allow = {};  // of status 405
};

struct HttpLimits {
  size_t threads = 2;
  size_t waiting = 64;  // connections beyond those being served; others are told 503
  size_t head = 8192;   // bytes of a request
  Duration patience{std::chrono::seconds(2)};  // for the whole request
  Duration sending{std::chrono::seconds(10)};  // for the whole response
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  explicit HttpServer(Handler handler, const HttpLimits& limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Takes a connected, non-blocking socket, answers what it asks, and closes it.
  void Serve(int fd);
  // Ends the threads; connections that wait are closed. Waits for handlers under way.
  void Stop();

 private:
  class Engine;
  void Run();
  void Answer(int fd);

  const HttpLimits limits_;
  const std::unique_ptr<Engine> engine_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<int> waiting_;  // guarded by mutex_
  bool stopping_ = false;    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace ringmaster
