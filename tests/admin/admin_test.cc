// The pages, and what they say when there is nothing to say.
#include "admin/admin.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "admin/json_pages.h"

namespace ringmaster {
namespace {

using testing::AllOf;
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
          .ready = [] { return Done(); }};
}

AdminSource Fails() {
  return {.overview = [](AdminSource::Sagas) -> Result<Overview> {
            return Error{ErrorCode::kUnavailable, "too busy"};
          },
          .ready = []() -> Status {
            return Error{ErrorCode::kUnavailable, "no shard"};
          }};
}

std::string Get(Admin& admin, const std::string& path) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  admin.Serve(ends[1]);
  const std::string request = "GET " + path + " HTTP/1.1\r\n\r\n";
  (void)!write(ends[0], request.data(), request.size());
  std::string reply;
  char some[4096];
  for (ssize_t got; (got = read(ends[0], some, sizeof(some))) > 0;) {
    reply.append(some, static_cast<size_t>(got));
  }
  close(ends[0]);
  return reply;
}

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
  EXPECT_THAT(Get(admin, "/healthz"), HasSubstr(" 200 "));
}

TEST(AdminTest, OnlyTheSagasPageAsksTheWorkersAndAnyBytesAreJson) {
  Admin admin(Works());
  EXPECT_THAT(Get(admin, "/api/sagas"), HasSubstr("MSET \xef\xbf\xbd\\\""));
  EXPECT_THAT(Get(admin, "/api/status"), Not(HasSubstr("MSET")));
}

}  // namespace
}  // namespace ringmaster
