#include "admin/http_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "net/loop.h"

namespace ringmaster {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kGet = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";

class HttpServerTest : public testing::Test {
 protected:
  // One end of a connection whose other end the server has; the loop turns while it waits.
  class Peer {
   public:
    Peer(HttpServerTest& test, HttpServer& server, bool tcp = false) : test_(test) {
      int ends[2];
      if (tcp) {
        Connect(ends);
      } else {
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
      }
      fcntl(ends[1], F_SETFL, O_NONBLOCK);
      fd_ = ends[0];
      server.Serve(ends[1]);
    }
    ~Peer() { close(fd_); }

    void Send(const std::string& bytes) {
      (void)!send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      test_.loop_.RunOnce();
    }
    // All until the server closes; "<timeout>" at the end when it does not.
    std::string Read(Duration patience = std::chrono::seconds(10)) {
      std::string all;
      const TimePoint until = MonotonicNow() + patience;
      while (MonotonicNow() < until) {
        test_.loop_.RunOnce();
        pollfd each{fd_, POLLIN, 0};
        if (poll(&each, 1, 1) <= 0) continue;
        char some[4096];
        const ssize_t got = recv(fd_, some, sizeof(some), 0);
        if (got <= 0) return all;
        all.append(some, static_cast<size_t>(got));
      }
      return all + "<timeout>";
    }
    std::string Ask(const std::string& bytes) {
      Send(bytes);
      return Read();
    }

   private:
    static void Connect(int ends[2]) {
      const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in name{};
      name.sin_family = AF_INET;
      name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof(name);
      EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&name), size), 0);
      EXPECT_EQ(listen(listener, 8), 0);
      getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size);
      ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      EXPECT_EQ(connect(ends[0], reinterpret_cast<sockaddr*>(&name), size), 0);
      ends[1] = accept(listener, nullptr, nullptr);
      close(listener);
    }

    HttpServerTest& test_;
    int fd_ = -1;
  };

  static void Echo(const HttpRequest& request, const HttpServer::Respond& respond) {
    if (request.path == "/throw") throw std::runtime_error("a reason");
    respond({.body = "<" + request.path + ">"});
  }
  std::string Get(HttpServer& server, const std::string& host, bool tcp = true) {
    Peer peer(*this, server, tcp);
    return peer.Ask("GET /a HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  }

  Loop loop_;
};

TEST_F(HttpServerTest, AnswersAGetAndAHead) {
  HttpServer server(loop_, Echo);
  EXPECT_THAT(Peer(*this, server).Ask("GET /a/b?c=d HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\n</a/b>")));
  EXPECT_THAT(Peer(*this, server).Ask("HEAD /a HTTP/1.0\r\n\r\n"),
              AllOf(HasSubstr(" 200 OK"), HasSubstr("Content-Length: 4"), EndsWith("\r\n\r\n")));
  loop_.RunOnce();
  EXPECT_EQ(server.connections(), 0U);
}

TEST_F(HttpServerTest, TakesARequestInPieces) {
  HttpServer server(loop_, Echo);
  Peer peer(*this, server);
  for (const char c : kGet) peer.Send(std::string(1, c));
  EXPECT_THAT(peer.Read(), EndsWith("</a>"));
}

TEST_F(HttpServerTest, RefusesOtherMethodsAndNamesItsOwn) {
  HttpServer server(loop_, Echo);
  EXPECT_THAT(
      Peer(*this, server).Ask("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
      AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")));
}

// Some HTTP servers understand these with more stack or memory than they have.
TEST_F(HttpServerTest, HeadersTurnNothingOn) {
  HttpServer server(loop_, Echo);
  std::string ranges = "Range: bytes=0-0";
  while (ranges.size() < 7000) ranges += ",0-0";
  EXPECT_THAT(Peer(*this, server).Ask("GET /a HTTP/1.1\r\nHost: x\r\n" + ranges + "\r\n\r\n"),
              AllOf(HasSubstr(" 200 OK"), EndsWith("</a>")));
  EXPECT_THAT(Peer(*this, server).Ask("GET /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"),
              StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, WhoSaysNothingIsClosedInTime) {
  HttpServer server(loop_, Echo, {.patience = std::chrono::milliseconds(100)});
  EXPECT_THAT(Peer(*this, server).Read(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, AnErrorWithinIsAnErrorOutside) {
  HttpServer server(loop_, Echo);
  EXPECT_THAT(Peer(*this, server).Ask("GET /throw HTTP/1.0\r\n\r\n"),
              AllOf(HasSubstr(" 500 "), HasSubstr("a reason")));
  EXPECT_THAT(Peer(*this, server).Ask(kGet), HasSubstr(" 200 "));
}

// However many there are of them: each takes the place of the oldest of its kind.
TEST_F(HttpServerTest, SilentConnectionsKeepNobodyOut) {
  HttpServer server(loop_, Echo, {.connections = 16, .of_one_address = 8});
  std::vector<std::unique_ptr<Peer>> silent;
  for (int i = 0; i < 12; ++i) silent.push_back(std::make_unique<Peer>(*this, server, true));
  EXPECT_EQ(server.connections(), 8U);
  EXPECT_EQ(server.displaced(), 4U);
  for (int i = 0; i < 30; ++i) silent.push_back(std::make_unique<Peer>(*this, server, false));
  EXPECT_EQ(server.connections(), 16U);
  EXPECT_THAT(Get(server, "localhost"), EndsWith("</a>"));
  EXPECT_THAT(Get(server, "localhost", false), EndsWith("</a>"));
}

TEST_F(HttpServerTest, WhoDoesNotReadAndWhoWaitsLoseTheirPlaceAfterTheSilent) {
  std::vector<HttpServer::Respond> waiting;
  HttpServer server(loop_,
                    [&](const HttpRequest& request, HttpServer::Respond respond) {
                      if (request.path == "/wait") return waiting.push_back(std::move(respond));
                      respond({.body = std::string(request.path == "/large" ? 8U << 20 : 1, 'x')});
                    },
                    {.connections = 3});
  Peer waits(*this, server), slow(*this, server), silent(*this, server);
  waits.Send("GET /wait HTTP/1.0\r\n\r\n");
  slow.Send("GET /large HTTP/1.0\r\n\r\n");
  Peer fourth(*this, server);
  EXPECT_EQ(silent.Read(), "");
  EXPECT_THAT(fourth.Ask(kGet), HasSubstr(" 200 "));
  Peer fifth(*this, server);
  fifth.Send("GET /wait HTTP/1.0\r\n\r\n");
  Peer sixth(*this, server);
  sixth.Send("GET /wait HTTP/1.0\r\n\r\n");
  EXPECT_LT(slow.Read().size(), 8U << 20);
  EXPECT_THAT(Peer(*this, server).Ask(kGet), HasSubstr(" 200 "));  // even then
  ASSERT_EQ(waiting.size(), 3U);
  for (const HttpServer::Respond& each : waiting) each({.body = "late"});
  EXPECT_EQ(waits.Read(), "");
  EXPECT_THAT(sixth.Read(), EndsWith("late"));
  EXPECT_THAT(fifth.Read(), EndsWith("late"));
}

TEST_F(HttpServerTest, AResponseThatComesTooLateIsDropped) {
  HttpServer::Respond late;
  {
    HttpServer server(
        loop_, [&](const HttpRequest&, HttpServer::Respond respond) { late = std::move(respond); });
    {
      Peer peer(*this, server);
      peer.Send(kGet);
      ASSERT_TRUE(late);
    }
    late({.body = std::string(1U << 20, 'x')});
    late({.body = "again"});
    loop_.RunOnce();
  }
  late({.body = "nobody"});
}

TEST_F(HttpServerTest, OnlyItsOwnNamesAreAnswered) {
  HttpServer server(loop_, Echo);
  for (const char* own : {"localhost:9180", "LocalHost", "127.0.0.1", "127.9.9.9:1", "[::1]:80"}) {
    EXPECT_THAT(Get(server, own), HasSubstr(" 200 ")) << own;
  }
  for (const char* other :
       {"evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.nip"}) {
    EXPECT_THAT(Get(server, other), AllOf(HasSubstr(" 403 "), HasSubstr("admin.hosts"))) << other;
  }
  server.SetHosts({{"evil.example"}});
  EXPECT_THAT(Get(server, "Evil.Example.:80"), HasSubstr(" 200 "));
  server.SetHosts({{"*"}});
  EXPECT_THAT(Get(server, "any.example"), HasSubstr(" 200 "));
  server.SetHosts({});
  EXPECT_THAT(Get(server, "any.example"), HasSubstr(" 403 "));
  EXPECT_THAT(Get(server, "any.example", false), HasSubstr(" 200 "));  // no browser gets there
  EXPECT_TRUE(HttpHosts{}.Allow("10.0.0.1", "10.0.0.1"));
  EXPECT_TRUE(HttpHosts{}.Allow("2001:db8:0::1", "2001:db8::1"));
}

}  // namespace
}  // namespace ringmaster
