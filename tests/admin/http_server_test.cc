#include "admin/http_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace ringmaster {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// One end of a connection whose other end the server has.
class Peer {
 public:
  explicit Peer(HttpServer& server) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    fd_ = ends[0];
    server.Serve(ends[1]);
  }
  ~Peer() { close(fd_); }

  void Send(const std::string& bytes) {
    (void)!send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // All until the server closes; "<timeout>" at the end when it does not.
  std::string Read() {
    std::string all;
    while (true) {
      pollfd each{fd_, POLLIN, 0};
      if (poll(&each, 1, 10000) <= 0) return all + "<timeout>";
      char some[4096];
      const ssize_t got = read(fd_, some, sizeof(some));
      if (got <= 0) return all;
      all.append(some, static_cast<size_t>(got));
    }
  }
  std::string Ask(const std::string& bytes) {
    Send(bytes);
    return Read();
  }

 private:
  int fd_ = -1;
};

HttpResponse Echo(const HttpRequest& request) {
  if (request.path == "/throw") throw std::runtime_error("a reason");
  return {.body = "<" + request.path + ">"};
}

std::string Get(HttpServer& server, const std::string& target) {
  return Peer(server).Ask("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

TEST(HttpServerTest, AnswersAGet) {
  HttpServer server(Echo);
  const std::string reply = Get(server, "/a/b?c=d");
  EXPECT_THAT(reply, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Connection: close\r\n"),
                           HasSubstr("Content-Length: 6\r\n"), EndsWith("\r\n\r\n</a/b>")));
}

TEST(HttpServerTest, AnswersAHeadWithoutABody) {
  HttpServer server(Echo);
  EXPECT_THAT(Peer(server).Ask("HEAD /a HTTP/1.1\r\n\r\n"),
              AllOf(HasSubstr(" 200 OK"), HasSubstr("Content-Length: 4"), EndsWith("\r\n\r\n")));
}

TEST(HttpServerTest, TakesARequestInPieces) {
  HttpServer server(Echo);
  Peer peer(server);
  const std::string request = "GET /slow HTTP/1.0\r\nA: b\r\n\r\n";
  for (const char c : request) peer.Send(std::string(1, c));
  EXPECT_THAT(peer.Read(), EndsWith("</slow>"));
}

TEST(HttpServerTest, RefusesOtherMethodsAndNamesItsOwn) {
  HttpServer server(Echo);
  EXPECT_THAT(Peer(server).Ask("POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")));
}

TEST(HttpServerTest, RefusesWhatIsNotHttp) {
  HttpServer server(Echo);
  EXPECT_THAT(Peer(server).Ask("*1\r\n$4\r\nPING\r\n\r\n"), HasSubstr(" 400 "));
  EXPECT_THAT(Peer(server).Ask("GET  /a  b HTTP/1.1\r\n\r\n"), HasSubstr(" 400 "));
}

TEST(HttpServerTest, RefusesALongHead) {
  HttpServer server(Echo);
  EXPECT_THAT(Peer(server).Ask("GET / HTTP/1.1\r\nA: " + std::string(20000, 'x')),
              StartsWith("HTTP/1.1 431 "));
}

// Some HTTP servers understand these with more stack or memory than they have.
TEST(HttpServerTest, HeadersTurnNothingOn) {
  HttpServer server(Echo);
  std::string ranges = "Range: bytes=0-0";
  while (ranges.size() < 7000) ranges += ",0-0";
  EXPECT_THAT(Peer(server).Ask("GET /a HTTP/1.1\r\n" + ranges + "\r\n\r\n"),
              AllOf(HasSubstr(" 200 OK"), EndsWith("</a>")));
  EXPECT_THAT(Peer(server).Ask("GET /a HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"),
              StartsWith("HTTP/1.1 200 OK"));
}

TEST(HttpServerTest, WhoSaysNothingIsClosedInTime) {
  HttpServer server(Echo, {.patience = std::chrono::milliseconds(100)});
  Peer quiet(server);
  EXPECT_THAT(quiet.Read(), StartsWith("HTTP/1.1 408 "));
}

TEST(HttpServerTest, AnErrorWithinIsAnErrorOutside) {
  HttpServer server(Echo);
  EXPECT_THAT(Get(server, "/throw"), AllOf(HasSubstr(" 500 "), HasSubstr("a reason")));
  EXPECT_THAT(Get(server, "/a"), HasSubstr(" 200 "));
}

TEST(HttpServerTest, MoreConnectionsThanMayWaitAreToldSo) {
  std::mutex mutex;
  std::condition_variable changed;
  size_t inside = 0;
  bool open = false;
  const auto wait = [&](const HttpRequest&) {
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
    return HttpResponse{.body = "served"};
  };
  HttpServer server(wait, {.threads = 1, .waiting = 2});
  Peer first(server);
  first.Send("GET / HTTP/1.1\r\n\r\n");
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return inside == 1; }));
  }
  Peer second(server), third(server), fourth(server);
  EXPECT_THAT(fourth.Read(), StartsWith("HTTP/1.1 503 "));
  {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  EXPECT_THAT(first.Read(), EndsWith("served"));
  EXPECT_THAT(second.Ask("GET / HTTP/1.1\r\n\r\n"), EndsWith("served"));
}

TEST(HttpServerTest, StopClosesWhatWaits) {
  HttpServer server(Echo, {.patience = std::chrono::milliseconds(50)});
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 8; ++i) peers.push_back(std::make_unique<Peer>(server));
  server.Stop();
  for (const auto& peer : peers) EXPECT_THAT(peer->Read(), testing::Not(HasSubstr("<timeout>")));
  Peer late(server);
  EXPECT_THAT(late.Read(), StartsWith("HTTP/1.1 503 "));
}

}  // namespace
}  // namespace ringmaster
