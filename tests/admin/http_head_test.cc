#include "admin/http_head.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmaster {
namespace {

using Status = HttpHeadReader::Status;

// "GET /path @host", "more", or "400" and the like.
std::string Rendered(const HttpHeadReader& reader, Status status) {
  if (status == Status::kMore) return "more";
  if (status == Status::kBad) return std::to_string(reader.problem().status);
  return reader.head().method + " " + reader.head().path + " @" + reader.head().host;
}

// The same however it is cut.
std::string Read(const std::string& bytes, size_t limit = 8192) {
  HttpHeadReader whole(limit);
  const std::string expected = Rendered(whole, whole.Feed(bytes));
  HttpHeadReader one_by_one(limit);
  Status status = Status::kMore;
  for (const char c : bytes) status = one_by_one.Feed({&c, 1});
  EXPECT_EQ(Rendered(one_by_one, status), expected) << bytes;
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    HttpHeadReader halves(limit);
    halves.Feed(std::string(bytes, 0, cut));
    EXPECT_EQ(Rendered(halves, halves.Feed(bytes.substr(cut))), expected) << bytes << cut;
  }
  return expected;
}

TEST(HttpHeadTest, ReadsMethodPathAndHost) {
  EXPECT_EQ(Read("GET /a/b?c=d#e HTTP/1.1\r\nHost: Example.COM.:80\r\n\r\n"),
            "GET /a/b @example.com");
  EXPECT_EQ(Read("HEAD / HTTP/1.0\r\n\r\n"), "HEAD / @");
  EXPECT_EQ(Read("GET /%41 HTTP/1.1\r\nhOST:\t[::1]:9180 \r\nA:b\r\n\r\nmore"), "GET /%41 @::1");
  EXPECT_EQ(Read("\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n"), "GET / @");
  EXPECT_EQ(Read("GET http://One.example:1/x?y HTTP/1.1\r\nHost: two\r\n\r\n"),
            "GET /x @one.example");
  EXPECT_EQ(Read("GET HTTP://one HTTP/1.1\r\nHost: one\r\n\r\n"), "GET / @one");
}

TEST(HttpHeadTest, WaitsForTheEmptyLine) {
  EXPECT_EQ(Read(""), "more");
  EXPECT_EQ(Read("GET / HTTP/1.1"), "more");
  EXPECT_EQ(Read("GET / HTTP/1.1\r\nHost: a\r\n"), "more");
  EXPECT_EQ(Read("GET / HTTP/1.1\r\nHost: a\r\n\r"), "more");
}

TEST(HttpHeadTest, RefusesWhatIsNoRequest) {
  for (const char* bad :
       {"*1\r\n", "GET\r\n", "GET /\r\n", "GET  /a  b HTTP/1.1\r\n", "GET / HTTP/1.1 \r\n",
        "GET / HTTP/1.1\n", "G\x01T / HTTP/1.1\r\n", "GET /\x80 HTTP/1.1\r\n", "\r\n\r\n",
        "GET / http/1.1\r\n", "GET http:///a HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n", "GET / HTTP/1.1\r\n b: c\r\n", "GET / HTTP/1.1\r\n:b\r\n",
        "GET / HTTP/1.1\r\nA: b\x01\r\n", "GET / HTTP/1.1\r\nA: b\rc\x7f\r\n"}) {
    EXPECT_EQ(Read(bad), "400") << bad;
  }
  EXPECT_EQ(Read("GET / HTTP/2.0\r\n"), "505");
  EXPECT_EQ(Read("GET / HTTP/1.10\r\n"), "505");
}

TEST(HttpHeadTest, ARequestHasOneHost) {
  EXPECT_EQ(Read("GET / HTTP/1.1\r\n\r\n"), "400");
  EXPECT_EQ(Read("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), "400");
  for (const char* host : {"a b", "a:b", "a:123456", "a/b", "[::1", "[::1]x", "a@b", "::1"}) {
    EXPECT_EQ(Read("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), "400") << host;
  }
}

TEST(HttpHeadTest, AHeadIsBounded) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(Read(head, head.size()), "GET / @a");
  EXPECT_EQ(Read(head, head.size() - 1), "431");
  EXPECT_EQ(Read(std::string(100, 'x'), 99), "431");
  EXPECT_EQ(Read(std::string(99, 'x'), 99), "more");
}

}  // namespace
}  // namespace ringmaster
