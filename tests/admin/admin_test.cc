// The pages, and what they say when there is nothing to say.
#include "admin/admin.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <future>
#include <string>

#include "admin/json_pages.h"

namespace ringmaster {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

AdminSource Works() {
  return {.overview = [](AdminSource::Sagas sagas) -> Result<Overview> {
            Overview all;
            all.version = "9.9";
            all.sagas.push_back({.pool = "main"});
            if (sagas == AdminSource::Sagas::kOpenOnes) {
              all.open_sagas.push_back({.pool = "main", .id = "1-2", .command = "MSET \xff\""});
            }
            return all;
          },
          .ready = []() -> Result<std::string> { return std::string("a line\n"); },
          .stalls = [] { return std::string(); }};
}

AdminSource Fails() {
  return {.overview = [](AdminSource::Sagas) -> Result<Overview> {
            return Error{ErrorCode::kUnavailable, "too busy"};
          },
          .ready = []() -> Result<std::string> {
            return Error{ErrorCode::kUnavailable, "no shard"};
          },
          .stalls = [] { return std::string("worker 0 stands still\n"); }};
}

// Sends the request; Answer() reads what comes of it.
class Asked {
 public:
  Asked(Admin& admin, const std::string& path) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    fd_ = ends[0];
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    (void)!write(fd_, request.data(), request.size());
    admin.Serve(ends[1]);
  }
  ~Asked() { close(fd_); }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;

  std::string Answer() {
    std::string reply;
    char some[4096];
    for (ssize_t got; (got = read(fd_, some, sizeof(some))) > 0;) {
      reply.append(some, static_cast<size_t>(got));
    }
    return reply;
  }

 private:
  int fd_ = -1;
};

std::string Get(Admin& admin, const std::string& path) { return Asked(admin, path).Answer(); }

TEST(AdminTest, EveryPageThatTheListNamesIsThere) {
  Admin admin(Works());
  const std::string list = Get(admin, "/");
  for (const JsonPage& page : JsonPages()) {
    EXPECT_THAT(list, HasSubstr(std::string(page.path) + " "));
    EXPECT_THAT(Get(admin, page.path),
                AllOf(HasSubstr(" 200 OK"), HasSubstr("Content-Type: application/json")));
  }
  EXPECT_THAT(Get(admin, "/metrics"),
              AllOf(HasSubstr(" 200 OK"), HasSubstr("text/plain; version=0.0.4"),
                    HasSubstr("ringmaster_build_info{version=\"9.9\"")));
  EXPECT_THAT(Get(admin, "/nothing"), HasSubstr(" 404 "));
}

TEST(AdminTest, WhatCannotBeKnownIsNotMadeUp) {
  Admin admin(Fails());
  EXPECT_THAT(Get(admin, "/metrics"), AllOf(HasSubstr(" 503 "), HasSubstr("too busy")));
  EXPECT_THAT(Get(admin, "/api/status"), HasSubstr(" 503 "));
  EXPECT_THAT(Get(admin, "/readyz"), AllOf(HasSubstr(" 503 "), HasSubstr("no shard")));
  EXPECT_THAT(Get(admin, "/healthz"), AllOf(HasSubstr(" 503 "), HasSubstr("worker 0 stands")));
}

TEST(AdminTest, ReadySaysWhatElseAnOperatorShouldKnow) {
  Admin admin(Works());
  EXPECT_THAT(Get(admin, "/readyz"),
              AllOf(HasSubstr(" 200 "), EndsWith("\r\n\r\nready\na line\n")));
  EXPECT_THAT(Get(admin, "/healthz"), AllOf(HasSubstr(" 200 "), EndsWith("\r\n\r\nok\n")));
}

// Pages and checks that take their time, and more of them than may wait.
TEST(AdminTest, NoProbeWaitsForPagesOrChecks) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  AdminSource source = Works();
  source.overview = [gone](AdminSource::Sagas) -> Result<Overview> {
    gone.wait();
    return Overview();
  };
  std::atomic<int> checks{0};
  source.ready = [gone, &checks]() -> Result<std::string> {
    ++checks;
    gone.wait();
    return std::string();
  };
  Admin admin(std::move(source));
  std::deque<Asked> pages, probes;
  for (int i = 0; i < 8; ++i) {
    pages.emplace_back(admin, "/metrics");
    probes.emplace_back(admin, "/readyz");
  }
  EXPECT_THAT(Get(admin, "/api/status"), AllOf(HasSubstr(" 503 "), HasSubstr("Too many pages")));
  EXPECT_THAT(Get(admin, "/healthz"), HasSubstr(" 200 "));
  go.set_value();
  for (Asked& each : pages) EXPECT_THAT(each.Answer(), HasSubstr(" 200 "));
  for (Asked& each : probes) EXPECT_THAT(each.Answer(), HasSubstr(" 200 "));
  EXPECT_EQ(checks, 2);  // of the first, and of all that came meanwhile
}

TEST(AdminTest, OnlyTheSagasPageAsksTheWorkersAndAnyBytesAreJson) {
  Admin admin(Works());
  EXPECT_THAT(Get(admin, "/api/sagas"), HasSubstr("MSET \xef\xbf\xbd\\\""));
  EXPECT_THAT(Get(admin, "/api/status"), Not(HasSubstr("MSET")));
}

}  // namespace
}  // namespace ringmaster
