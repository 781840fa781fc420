#include "backend/server_facts.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(ServerFactsTest, AreReadFromWhatRedisAndValkeySay) {
  EXPECT_EQ(ReadServerFacts("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n"),
            (ServerFacts{.run_id = "abc", .redis_version = "7.0.15", .valkey_version = ""}));
  const ServerFacts valkey = ReadServerFacts(
      "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n");
  EXPECT_EQ(valkey.valkey_version, "8.1.1");
  EXPECT_EQ(valkey.program(), "Valkey 8.1.1");
  EXPECT_EQ(ReadServerFacts("nonsense"), ServerFacts());
}

TEST(ServerFactsTest, VersionsAreComparedByTheirNumbers) {
  EXPECT_TRUE(IsEarlier("7.0.15", "7.2.0"));
  EXPECT_TRUE(IsEarlier("7.0.9", "7.0.15"));
  EXPECT_TRUE(IsEarlier("9.9", "10"));
  EXPECT_FALSE(IsEarlier("7.2.4", "7.2.4"));
  EXPECT_FALSE(IsEarlier("8", "8.0.0"));
  EXPECT_TRUE(IsEarlier("", "1"));
  EXPECT_FALSE(IsEarlier("99999999999999999999999", "7"));
}

}  // namespace
}  // namespace ringmaster
