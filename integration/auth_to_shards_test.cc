// The promise: the proxy logs in to shards that ask for it, by password or as an ACL user, and says
// clearly when it may not.
#include <gtest/gtest.h>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

TEST(AuthToShardsTest, ByPasswordAndAsAnAclUser) {
  const RedisServer a({.config = {"requirepass secret"}, .password = "secret"});
  const RedisServer b({.config =
                           {
                               "user default off",
                               "user proxy on >pass ~* &* +@all",
                           },
                       .username = "proxy",
                       .password = "pass"});
  ConfigText config;
  config.pool().Shard("a", a.address(), "password: secret");
  config.pool().Shard("b", b.address(), "username: proxy, password: pass");
  ProxyProcess proxy(config);
  for (const char* protocol : {"2", "3"}) {
    Client client = proxy.Connect();
    ASSERT_TRUE(client.Command({"HELLO", protocol}).find("redis") != std::string::npos);
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(client.Command({"SET", "key" + std::to_string(i), "v"}), "OK");
    }
    ASSERT_EQ(client.Command({"SELECT", "5"}), "OK");
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(client.Command({"SET", "key" + std::to_string(i), "v"}), "OK");
    }
  }
}

TEST(AuthToShardsTest, WrongPasswordIsNamedInTheErrorAndNothingIsApplied) {
  const RedisServer shard({.config = {"requirepass secret"}, .password = "secret"});
  for (const char* password : {"password: wrong", ""}) {
    ConfigText config;
    config.timeouts = "connect: 500ms, command: 1s";
    config.pool().Shard("a", shard.address(), password);
    ProxyProcess proxy(config);
    const std::string reply = proxy.Command({"SET", "key", "v"});
    EXPECT_TRUE(reply.starts_with("(error) NOTAPPLIED shard a: ")) << reply;
    EXPECT_TRUE(reply.find("WRONGPASS") != std::string::npos ||
                reply.find("NOAUTH") != std::string::npos)
        << reply;
    // The password of the shards is nobody else's business.
    EXPECT_EQ(proxy.Log().find("wrong\n"), std::string::npos);
  }
  EXPECT_EQ(shard.Command({"EXISTS", "key"}), "(integer) 0");
}

TEST(AuthToShardsTest, PasswordChangesByReload) {
  RedisServer shard({.config = {"requirepass first"}, .password = "first"});
  ConfigText config;
  config.pool().Shard("a", shard.address(), "password: first");
  ProxyProcess proxy(config);
  Client client = proxy.Connect();
  ASSERT_EQ(client.Command({"SET", "key", "v"}), "OK");
  ASSERT_EQ(shard.Command({"CONFIG", "SET", "requirepass", "second"}), "OK");
  ConfigText next = proxy.config();
  next.pool().shards.clear();
  next.pool().Shard("a", shard.address(), "password: second");
  ASSERT_NE(proxy.Reload(next).find("read again"), std::string::npos);
  ASSERT_EQ(client.Command({"GET", "key"}), "\"v\"");
  // New connections log in with the new one.
  Client admin = shard.Connect();
  ASSERT_EQ(admin.Command({"AUTH", "second"}), "OK");
  ASSERT_NE(admin.Command({"CLIENT", "KILL", "SKIPME", "yes"}), "(integer) 0");
  EXPECT_TRUE(Eventually([&] { return client.Command({"GET", "key"}) == "\"v\""; }));
}

}  // namespace
}  // namespace ringmaster::integration
