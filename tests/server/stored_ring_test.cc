#include "server/stored_ring.h"

#include <gtest/gtest.h>

#include "config/config.h"

namespace ringmaster {
namespace {

PoolConfig Pool(const std::string& shards, const std::string& ring = "") {
  const Result<Config> config = ParseConfig("pools:\n  - listen: [127.0.0.1:1]\n    ring: {" +
                                                ring + "}\n    shards: [" + shards +
                                                "]\n"
                                                "admin: {listen: ''}\n",
                                            "f");
  EXPECT_TRUE(config.ok()) << (config.ok() ? "" : config.error().text);
  return config.ok() ? config->pools.front() : PoolConfig();
}

PoolConfig Read(const std::string& text, const PoolConfig& wanted) {
  const Result<PoolConfig> read = ReadStoredRing(text, wanted);
  EXPECT_TRUE(read.ok()) << (read.ok() ? "" : read.error().text);
  return read.ok() ? *read : PoolConfig();
}

const std::string kTls = std::string("tls: {ca: ") + RM_SOURCE_DIR "/CMakeLists.txt}";

TEST(StoredRingTest, WhatIsWrittenIsRead) {
  const PoolConfig pool =
      Pool("{name: a, address: '127.0.0.1:7001', weight: 3, username: u, password: p, " + kTls +
               "}, {name: \"\\xe9\\u00e9\\\"\", address: '[::1]:2'}, '/run/a.sock'",
           "hash: crc16, distribution: modula, virtual_nodes: 7, hash_tag: '$$'");
  const PoolConfig read = Read(WriteStoredRing(pool, pool), pool);
  EXPECT_EQ(read.ring, pool.ring);
  EXPECT_EQ(read.shards, pool.shards);
}

// An older version refuses them by the format.
TEST(StoredRingTest, RulesAreKept) {
  const PoolConfig pool =
      Pool("{name: a, address: 'h:1'}", "together: ['bull:{queue}:*', \"\\xe9{x}\\u00e9\"]");
  const std::string text = WriteStoredRing(pool, pool);
  EXPECT_NE(text.find("\"format\":2"), std::string::npos) << text;
  EXPECT_EQ(Read(text, pool).ring, pool.ring);
  const PoolConfig without = Pool("{name: a, address: 'h:1'}");
  EXPECT_NE(WriteStoredRing(without, without).find("\"format\":1"), std::string::npos);
}

// A shard at an address that a default listener has, a CA file that was renamed, a key that another
// version has: none of them is looked at.
TEST(StoredRingTest, NothingOfAConfigurationIsCheckedAgain) {
  const PoolConfig wanted = Pool("{name: a, address: 'h:1'}");
  const PoolConfig read = Read(
      R"({"format":1,"hash":"xxh3","distribution":"ring","virtual_nodes":1024,"hash_tag":"{}",
          "later":{"key":1},"shards":[{"name":"x","address":"127.0.0.1:6380","weight":1,"tls":{
          "ca":"/gone.pem","cert":"","key":"","server_name":"s","verify":true},"more":[],
          "login":{"username":"","password":"p"}},
          {"name":"y","address":"127.0.0.1:9180"}]})",
      wanted);
  ASSERT_EQ(read.shards.size(), 2U);
  EXPECT_EQ(read.shards[0].address.port, 6380);
  EXPECT_EQ(read.shards[0].tls.authorities, "/gone.pem");
  EXPECT_EQ(read.shards[0].password, "p");
  EXPECT_EQ(read.shards[1].address.port, 9180);
}

TEST(StoredRingTest, LoginsAreKeptOnlyOfShardsThatLeft) {
  const PoolConfig both = Pool(
      "{name: a, address: 'h:1', password: first}, {name: b, address: 'h:2', password: second}");
  EXPECT_EQ(WriteStoredRing(both, both).find("first"), std::string::npos);
  const PoolConfig one = Pool("{name: a, address: 'h:3', password: first}");
  const std::string text = WriteStoredRing(both, one);
  EXPECT_EQ(text.find("first"), std::string::npos) << text;
  const PoolConfig read = Read(text, one);
  EXPECT_EQ(read.shards[0], one.shards[0]);
  EXPECT_EQ(read.shards[1], both.shards[1]);
  // It left while nobody wrote: what the others have in common is tried.
  EXPECT_EQ(Read(WriteStoredRing(both, both), one).shards[1].password, "first");
}

TEST(StoredRingTest, DatabasesOfBeforeAreRead) {
  const PoolConfig wanted = Pool("{name: a, address: 'h:1', password: now}");
  const PoolConfig read = Read(R"(pools:
  - name: main
    listen:
      - address: 127.0.0.1:6380
    ring: {hash: murmur, distribution: ketama, virtual_nodes: 9, hash_tag: ""}
    shards:
      - name: a
        address: 127.0.0.1:6380
        weight: 4
        password: then
      - name: b
        address: 127.0.0.1:9180
        weight: 1
        username: u
        password: "p: {"
        tls: {verify: false, ca: /gone.pem}
    databases: 16
workers: 0
no_such_key: 1
)",
                               wanted);
  EXPECT_EQ(read.ring.hash + read.ring.distribution + read.ring.hash_tag, "murmurketama");
  EXPECT_EQ(read.ring.virtual_nodes, 9U);
  ASSERT_EQ(read.shards.size(), 2U);
  EXPECT_EQ(read.shards[0].weight, 4U);
  EXPECT_EQ(read.shards[0].password, "now");
  EXPECT_EQ(read.shards[0].address, wanted.shards[0].address);
  EXPECT_EQ(read.shards[1].password, "p: {");
  EXPECT_TRUE(read.shards[1].tls.enabled);
  EXPECT_FALSE(read.shards[1].tls.verify);
}

TEST(StoredRingTest, WhatCannotBeReadIsSaidAndNeverGuessed) {
  const PoolConfig wanted = Pool("'h:1'");
  for (const char* text :
       {"", "{", "{}", "[]", "nonsense", "pools: []", R"({"format":1})",
        R"({"format":1,"shards":[]})", R"({"format":1,"shards":[{"name":"a"}]})",
        R"({"format":1,"shards":[{"name":"a","address":"nowhere"}]})",
        R"({"format":1,"hash":"newer","shards":[{"name":"a","address":"h:1"}]})",
        R"({"format":2,"together":["a"],"shards":[{"name":"a","address":"h:1"}]})",
        R"({"format":2,"together":[1],"shards":[{"name":"a","address":"h:1"}]})",
        R"({"format":-1,"shards":[{"name":"a","address":"h:1"}]})"}) {
    const Result<PoolConfig> read = ReadStoredRing(text, wanted);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_NE(read.error().text.find("cannot be read"), std::string::npos) << read.error().text;
  }
  const auto later =
      ReadStoredRing(R"({"format":3,"shards":[{"name":"a","address":"h:1"}]})", wanted);
  ASSERT_FALSE(later.ok());
  EXPECT_NE(later.error().text.find("later version"), std::string::npos) << later.error().text;
}

}  // namespace
}  // namespace ringmaster
