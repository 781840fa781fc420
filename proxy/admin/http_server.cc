#include "admin/http_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

namespace ringmaster {
namespace {

constexpr char kHeadEnd[] = "\r\n\r\n";
constexpr size_t kMostDrained = 64U << 10;
constexpr Duration kLinger = std::chrono::milliseconds(200);

// False: not by then.
bool Await(int fd, short what, TimePoint until) {
  while (true) {
    const int64_t left = Milliseconds(until - MonotonicNow());
    if (left <= 0) return false;
    pollfd each{fd, what, 0};
    const int ready = poll(&each, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

constexpr ssize_t kLate = -2;

// As read(2), but waits; kLate when nothing came by then.
ssize_t ReadSome(int fd, char* to, size_t size, TimePoint until) {
  while (Await(fd, POLLIN, until)) {
    const ssize_t got = recv(fd, to, size, 0);
    if (got >= 0) return got;
    if (errno != EAGAIN && errno != EINTR) return -1;
  }
  return kLate;
}

bool WriteAll(int fd, const char* from, size_t size, TimePoint until) {
  while (size > 0) {
    const ssize_t put = send(fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put > 0) {
      from += put;
      size -= static_cast<size_t>(put);
    } else if (errno == EAGAIN) {
      if (!Await(fd, POLLOUT, until)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// Without closing first, so that what the peer still sends does not take the response with it.
void Close(int fd) {
  shutdown(fd, SHUT_WR);
  const TimePoint until = MonotonicNow() + kLinger;
  char dropped[4096];
  for (size_t total = 0; total < kMostDrained;) {
    const ssize_t got = ReadSome(fd, dropped, sizeof(dropped), until);
    if (got <= 0) break;
    total += static_cast<size_t>(got);
  }
  close(fd);
}

std::string Plain(int status, const char* reason, const std::string& text) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n"
      "Connection: close\r\n\r\n{}",
      status, reason, text.size(), text);
}

// The request line, as a head of its own; empty: what the peer gets instead is in `refusal`, empty
// when it left.
std::string ReadHead(int fd, const HttpLimits& limits, std::string& refusal) {
  const TimePoint until = MonotonicNow() + limits.patience;
  std::string head(limits.head, '\0');
  size_t size = 0;
  while (true) {
    const size_t end = std::string_view(head.data(), size).find(kHeadEnd);
    if (end != std::string_view::npos) {
      return head.substr(0, head.find("\r\n")) + "\r\nConnection: close\r\n\r\n";
    }
    if (size == head.size()) {
      refusal = Plain(431, "Request Header Fields Too Large",
                      fmt::format("A request may have {} bytes.\n", limits.head));
      return "";
    }
    const ssize_t got = ReadSome(fd, head.data() + size, head.size() - size, until);
    if (got <= 0) {
      if (got == kLate) {
        refusal = Plain(408, "Request Timeout", "The request took too long to arrive.\n");
      }
      return "";
    }
    size += static_cast<size_t>(got);
  }
}

// What cpp-httplib reads is there already; what it writes is collected.
class Exchanged final : public httplib::Stream {
 public:
  explicit Exchanged(std::string in) : in_(std::move(in)) {}
  const std::string& out() const { return out_; }

  bool is_readable() const override { return at_ < in_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t got = in_.copy(to, size, at_);
    at_ += got;
    return static_cast<ssize_t>(got);
  }
  ssize_t write(const char* from, size_t size) override {
    out_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  const std::string in_;
  size_t at_ = 0;
  std::string out_;
};

HttpResponse Guarded(const HttpServer::Handler& handler, const HttpRequest& request) {
  try {
    return handler(request);
  } catch (const std::exception& error) {
    return {.status = 500, .body = fmt::format("this went wrong: {}\n", error.what())};
  }
}

}  // namespace

class HttpServer::Engine final : private httplib::Server {
 public:
  explicit Engine(HttpServer::Handler handler) {
    set_pre_routing_handler(
        [handler = std::move(handler)](const httplib::Request& in, httplib::Response& out) {
          HttpResponse said{.status = 405, .body = "Only GET and HEAD.\n", .allow = "GET, HEAD"};
          if (in.method == "GET" || in.method == "HEAD") {
            said = Guarded(handler, {in.path});
          }
          out.status = said.status;
          if (!said.allow.empty()) out.set_header("Allow", said.allow);
          out.set_header("Cache-Control", "no-store");
          out.set_header("X-Content-Type-Options", "nosniff");
          out.set_content(said.body, said.type);
          return HandlerResponse::Handled;
        });
  }

  std::string Answer(std::string head) {
    Exchanged stream(std::move(head));
    bool closed = false;
    process_request(stream, true, closed, nullptr);
    return stream.out();
  }
};

HttpServer::HttpServer(Handler handler, const HttpLimits& limits)
    : limits_(limits), engine_(std::make_unique<Engine>(std::move(handler))) {
  for (size_t i = 0; i < limits.threads; ++i) threads_.emplace_back([this] { Run(); });
}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Serve(int fd) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && waiting_.size() < limits_.waiting) {
      waiting_.push_back(fd);
      wake_.notify_one();
      return;
    }
  }
  const std::string busy = Plain(503, "Service Unavailable", "Too many connections wait.\n");
  (void)!send(fd, busy.data(), busy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  close(fd);
}

void HttpServer::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (const int fd : waiting_) close(fd);
  waiting_.clear();
}

void HttpServer::Run() {
  while (true) {
    int fd = -1;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      fd = waiting_.front();
      waiting_.pop_front();
    }
    Answer(fd);
    Close(fd);
  }
}

void HttpServer::Answer(int fd) {
  std::string said;
  std::string head = ReadHead(fd, limits_, said);
  if (!head.empty()) said = engine_->Answer(std::move(head));
  WriteAll(fd, said.data(), said.size(), MonotonicNow() + limits_.sending);
}

}  // namespace ringmaster
