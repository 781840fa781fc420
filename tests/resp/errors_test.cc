#include "resp/errors.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringmaster {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace): for "\0"s

std::string Unknown(const std::vector<std::string>& words) {
  const std::vector<Bytes> args(words.begin(), words.end());
  return errors::UnknownCommand(args);
}

// Every text of Redis's own was compared with redis-server 7.0.15.
TEST(ErrorsTest, QuotesAnUnknownCommandAsRedisDoes) {
  EXPECT_EQ(Unknown({"foo"}), "-ERR unknown command 'foo', with args beginning with: \r\n");
  EXPECT_EQ(Unknown({"foo", "a", "b"}),
            "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
  EXPECT_EQ(Unknown({""}), "-ERR unknown command '', with args beginning with: \r\n");
}

TEST(ErrorsTest, CutsWhatItQuotesWhereRedisCutsIt) {
  const auto a = [](size_t count) { return std::string(count, 'a'); };
  const std::string front = "-ERR unknown command 'foo', with args beginning with: ";
  EXPECT_EQ(Unknown({"foo", a(200), "b"}), front + "'" + a(128) + "' \r\n");
  EXPECT_EQ(Unknown({"foo", a(126), "b"}), front + "'" + a(126) + "' \r\n");
  EXPECT_EQ(Unknown({"foo", a(124), "b", "c"}), front + "'" + a(124) + "' 'b' \r\n");
  EXPECT_EQ(Unknown({a(200), "b"}),
            "-ERR unknown command '" + a(128) + "', with args beginning with: 'b' \r\n");
  std::string many;
  for (int i = 0; i < 32; ++i) many += "'a' ";
  EXPECT_EQ(Unknown(std::vector<std::string>(101, "a")),
            "-ERR unknown command 'a', with args beginning with: " + many + "\r\n");
  EXPECT_EQ(errors::UnknownSubcommand("client", a(200)),
            "-ERR unknown subcommand '" + a(128) + "'. Try CLIENT HELP.\r\n");
}

TEST(ErrorsTest, StaysOneLineWhateverItQuotes) {
  EXPECT_EQ(Unknown({"f\0o"s, "a\r\nb", "c\0d"s}),
            "-ERR unknown command 'f', with args beginning with: 'a  b' 'c' \r\n");
  EXPECT_EQ(errors::UnknownSubcommand("client", "a\r\nc"),
            "-ERR unknown subcommand 'a  c'. Try CLIENT HELP.\r\n");
  EXPECT_EQ(errors::UnknownSubcommand("client", "a\0bc"s),
            "-ERR unknown subcommand 'a'. Try CLIENT HELP.\r\n");
  EXPECT_EQ(errors::Protocol("Protocol error: expected '$', got '\r'"),
            "-ERR Protocol error: expected '$', got ' '\r\n");
  EXPECT_EQ(errors::NotApplied("a", "why\r\n+OK"), "-NOTAPPLIED shard a: why  +OK\r\n");
}

TEST(ErrorsTest, HasRedisWords) {
  EXPECT_EQ(errors::WrongArity("get"), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_EQ(errors::WrongArity("client|setname"),
            "-ERR wrong number of arguments for 'client|setname' command\r\n");
  EXPECT_EQ(errors::Syntax(), "-ERR syntax error\r\n");
  EXPECT_EQ(errors::NotAnInteger(), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(errors::DbOutOfRange(), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(errors::NoProto(), "-NOPROTO unsupported protocol version\r\n");
  EXPECT_EQ(errors::NoAuth(), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(errors::WrongPass(),
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(errors::NoPasswordSet(),
            "-ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?\r\n");
  EXPECT_EQ(errors::InvalidCursor(), "-ERR invalid cursor\r\n");
  EXPECT_EQ(errors::MaxClients(), "-ERR max number of clients reached\r\n");
  EXPECT_EQ(errors::NoSuchClient(), "-ERR No such client\r\n");
}

TEST(ErrorsTest, NamesTheShardAndTheReason) {
  EXPECT_EQ(errors::NotApplied("b", "it is down"), "-NOTAPPLIED shard b: it is down\r\n");
  EXPECT_EQ(errors::Uncertain("b", "no reply in 5 s"), "-UNCERTAIN shard b: no reply in 5 s\r\n");
}

TEST(ErrorsTest, SaysWhatToDoAboutKeysOnManyShards) {
  EXPECT_NE(errors::ManyShards("smove").find("SMOVE"), std::string::npos);
  EXPECT_NE(errors::ManyShards("smove").find("{user1}"), std::string::npos);
}

TEST(ErrorsTest, NamesARefusedCommandAsAUserTypesIt) {
  EXPECT_EQ(errors::Refused("config|rewrite", "is not served"),
            "-ERR CONFIG REWRITE is not served\r\n");
}

TEST(ErrorsTest, NamesTheLimitThatWasReached) {
  EXPECT_NE(errors::ReplyTooLarge(67108864).find("limits.reply_buffer (67108864 bytes)"),
            std::string::npos);
  EXPECT_NE(errors::RequestTooLarge(67108864).find("limits.query_buffer (67108864 bytes)"),
            std::string::npos);
  EXPECT_NE(errors::OutOfMemory().find("limits.memory"), std::string::npos);
}

}  // namespace
}  // namespace ringmaster
