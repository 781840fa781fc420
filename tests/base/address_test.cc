#include "base/address.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

// "tcp <host> <port>" or "unix <path>", so that a failure shows what was understood.
std::string Parsed(Bytes text) {
  const Result<Address> address = ParseAddress(text);
  if (!address) return address.error().text;
  if (address->kind == Address::kUnix) return "unix " + address->path;
  return "tcp " + address->host + " " + std::to_string(address->port);
}

// The reason alone.
std::string Why(Bytes text) {
  const std::string whole = Parsed(text);
  const size_t start = whole.find("is no address: ");
  return start == std::string::npos ? whole
                                    : whole.substr(start + 15, whole.find(';') - start - 15);
}

TEST(AddressTest, ReadsEveryFormThatAnOperatorWrites) {
  EXPECT_EQ(Parsed("127.0.0.1:7001"), "tcp 127.0.0.1 7001");
  EXPECT_EQ(Parsed("[::1]:7001"), "tcp ::1 7001");
  EXPECT_EQ(Parsed("[fe80::1%eth0]:7001"), "tcp fe80::1%eth0 7001");
  EXPECT_EQ(Parsed("redis-1.example.org:65535"), "tcp redis-1.example.org 65535");
  EXPECT_EQ(Parsed("my_host:1"), "tcp my_host 1");
  EXPECT_EQ(Parsed("redis://localhost:6379"), "tcp localhost 6379");
  EXPECT_EQ(Parsed("/run/redis/main.sock"), "unix /run/redis/main.sock");
  EXPECT_EQ(Parsed("unix:/run/redis:1/a b.sock"), "unix /run/redis:1/a b.sock");
}

TEST(AddressTest, SaysWhatIsWrongWithAPort) {
  for (const Bytes text : {"localhost:0", "localhost:65536", "localhost:", "localhost:+1",
                           "localhost:01", "localhost:99999999999999999999"}) {
    EXPECT_EQ(Why(text), "the port is not within 1 to 65535") << text;
  }
  EXPECT_EQ(Why("localhost"), "the port is missing");
  EXPECT_EQ(Why(""), "the port is missing");
  EXPECT_EQ(Why("[::1]"), "the port is missing");
}

TEST(AddressTest, SaysWhatIsWrongWithAHost) {
  EXPECT_EQ(Why(":6379"), "the host is missing");
  EXPECT_EQ(Why("::1:6379"), "it has too many colons, and an IPv6 host takes brackets");
  EXPECT_EQ(Why("[zz::1]:6379"), "no IPv6 address stands between the brackets");
  EXPECT_EQ(Why("[127.0.0.1]:6379"), "no IPv6 address stands between the brackets");
  EXPECT_EQ(Why("300.0.0.1:6379"), "the host is no IPv4 address");
  EXPECT_EQ(Why("10.0.0:6379"), "the host is no IPv4 address");
  EXPECT_EQ(Why("a b:6379"), "the host has a character that no host name has");
  EXPECT_EQ(Why("user:secret@host:6379"), "user and password do not belong in it");
  EXPECT_EQ(Why(std::string(254, 'a') + ":1"), "the host name is too long");
}

TEST(AddressTest, SaysWhatIsWrongWithASocketPath) {
  EXPECT_EQ(Why("unix:run/a.sock"), "the path of a Unix socket starts with /");
  EXPECT_EQ(Why("unix:127.0.0.1:6379"), "the path of a Unix socket starts with /");
  EXPECT_EQ(Why("/"), "the path names no file");
  EXPECT_EQ(Why("/run/\n.sock"), "the path holds a control character");
  EXPECT_EQ(Parsed("/" + std::string(106, 'a')), "unix /" + std::string(106, 'a'));
  EXPECT_EQ(Why("/" + std::string(107, 'a')),
            "the path is longer than the 107 bytes a socket may have");
}

TEST(AddressTest, ShowsHostileTextWithoutItsControlBytes) {
  EXPECT_EQ(Parsed("\x1b[31m"),
            "'\\x1b[31m' is no address: the port is missing; use host:port, [v6]:port or "
            "/path/of.sock");
}

TEST(AddressTest, WritesWhatItReadsBack) {
  for (const Bytes text : {"127.0.0.1:7001", "[::1]:7001", "host.name:7001", "/run/a.sock"}) {
    const Result<Address> address = ParseAddress(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(AddressTest, TellsTheWordsOfAUrlApartFromTheAddress) {
  EXPECT_EQ(*ParseAddress("redis://host:1"), *ParseAddress("host:1"));
  EXPECT_FALSE(*ParseAddress("host:1") == *ParseAddress("host:2"));
  EXPECT_FALSE(*ParseAddress("/a") == *ParseAddress("/b"));
}

}  // namespace
}  // namespace ringmaster
