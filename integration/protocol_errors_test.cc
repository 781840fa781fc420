// The promise: a client that sends garbage hears what Redis would say, and is hung up on when Redis
// would; limits hold, and nobody else notices.
#include <gtest/gtest.h>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

// What a server says to `bytes`, until it closes or, when it goes on, until the answer to a last
// ECHO.
std::string Conversation(const Address& address, const std::string& bytes) {
  Client client(address);
  client.Send(bytes + Encode({"ECHO", "still here"}));
  std::string said;
  for (;;) {
    const std::string reply = client.ReadRaw();
    if (reply.empty()) {
      // A close with unread input behind it is a reset on Redis's side as well as on ours.
      return said + (client.failure() == "<reset>" ? "<closed>" : client.failure());
    }
    said += reply;
    if (reply.find("still here") != std::string::npos) return said;
  }
}

TEST(ProtocolErrorsTest, GarbageHearsWhatRedisSays) {
  const RedisServer redis;
  Cluster cluster;
  const std::string good = Encode({"SET", "key", "value"});
  const std::string corpus[] = {
      "*1\r\n$a\r\n",
      "*1\r\n$-1\r\n",
      "*1\r\n$-5\r\nPING\r\n",
      "*1\r\n$536870913\r\n",
      "*1\r\n$99999999999999999999\r\n",
      "*1\r\n$ 4\r\nPING\r\n",
      "*1\r\n$+4\r\nPING\r\n",
      "*1\r\n$04\r\nPING\r\n",
      "*1\r\n$\r\nPING\r\n",
      "*1\r\n+PING\r\n",
      "*1\r\n:1\r\n",
      "*1\r\n\r\n$4\r\nPING\r\n",
      "*1\r\n*1\r\n$4\r\nPING\r\n",
      "*1\r\n\x01\r\n",
      "*abc\r\n",
      "*\r\n",
      "*+1\r\n$4\r\nPING\r\n",
      "*01\r\n$4\r\nPING\r\n",
      "* 1\r\n",
      "*2147483648\r\n",
      "*99999999999999999999\r\n",
      "*0\r\n",
      "*-1\r\n",
      "*-99\r\n",
      "*1\n$4\nPING\n",
      "*1\r\n$4\r\nPINGxx",
      "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
      "$5\r\nworld\r\n",
      "+OK\r\n",
      "GET \"unbalanced\r\n",
      "GET 'unbalanced\r\n",
      "GET \"a\"b\r\n",
      "GET 'a'b\r\n",
      "\r\n",
      "\n\n\n",
      " \r\n",
      "SET a \"\\x00\\xff\\t\"\r\n",
      std::string(2000000, 'a'),
      "*" + std::string(2000000, '1'),
      "*1\r\n$" + std::string(2000000, '1'),
      good + "*1\r\n!\r\n",
      good + good + "*x\r\n" + good,
      good + "GET \"x\r\n" + good,
      "\x16\x03\x01\x02\r\n",
      "GET / HTTP/1.1\r\n",
      "*1\r\n$4\r\n\r\n\r\n\r\n",
  };
  for (const std::string& bytes : corpus) {
    EXPECT_EQ(Quoted(Conversation(redis.address(), bytes)),
              Quoted(Conversation(cluster.proxy().address(), bytes)))
        << "to " << Quoted(bytes, 100);
  }
}

// What a web page can make a browser send to a port.
TEST(ProtocolErrorsTest, HangsUpOnHttpPostAsRedisDoes) {
  const RedisServer redis;
  Cluster cluster{ClusterOptions{.shards = 1}};
  for (const std::string& bytes : {std::string("POST / HTTP/1.1\r\nHost: x\r\n\r\nFLUSHALL\r\n"),
                                   std::string("Host: x\r\nFLUSHALL\r\n")}) {
    EXPECT_EQ(Quoted(Conversation(redis.address(), bytes)),
              Quoted(Conversation(cluster.proxy().address(), bytes)))
        << Quoted(bytes);
  }
}

TEST(ProtocolErrorsTest, GarbageOfOneClientHarmsNoOther) {
  Cluster cluster;
  Client steady = cluster.Connect();
  for (int i = 0; i < 200; ++i) {
    Client noisy = cluster.Connect();
    noisy.Send(i % 2 == 0 ? "*1\r\n!garbage\r\n" : "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10\r\nhalf");
    const std::string key = "key" + std::to_string(i);
    ASSERT_EQ(steady.Command({"SET", key, key}), "OK");
    ASSERT_EQ(steady.Command({"GET", key}), Quoted(key));
  }
}

TEST(ProtocolErrorsTest, MoreClientsThanAllowedAreToldSo) {
  Cluster cluster{ClusterOptions{.shards = 1, .limits = "clients: 3"}};
  // The client that found the proxy serving may still be on its way out.
  ASSERT_TRUE(Eventually([&] {
    return cluster.Connect().Command({"INFO", "clients"}).find("connected_clients:1\\x0d") !=
           std::string::npos;
  }));
  std::vector<Client> clients;
  ASSERT_TRUE(Eventually([&] {
    clients.clear();
    for (int i = 0; i < 3; ++i) clients.push_back(cluster.Connect());
    for (Client& client : clients) {
      if (client.Command({"PING"}) != "PONG") return false;
    }
    return true;
  }));
  EXPECT_EQ(cluster.Connect().ReadToEnd(), "-ERR max number of clients reached\r\n<closed>");
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] { return cluster.Connect().Command({"PING"}) == "PONG"; }));
  EXPECT_EQ(clients[0].Command({"PING"}), "PONG");
}

TEST(ProtocolErrorsTest, LargerRequestsThanAllowedAreRefused) {
  Cluster cluster{
      ClusterOptions{.shards = 2, .limits = "max_args: 100, max_bulk: 300kb, query_buffer: 1mb"}};
  const Address& address = cluster.proxy().address();
  EXPECT_EQ(Conversation(address, "*101\r\n"),
            "-ERR Protocol error: invalid multibulk length\r\n<closed>");
  EXPECT_EQ(Conversation(address, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$307201\r\n"),
            "-ERR Protocol error: invalid bulk length\r\n<closed>");
  Client client = cluster.Connect();
  EXPECT_EQ(client.Command({"SET", "a", std::string(307200, 'x')}), "OK");
  EXPECT_EQ(client.Command({"STRLEN", "a"}), "(integer) 307200");
  // Several keys: this one cannot be streamed, it must be collected.
  std::vector<std::string> mset = {"MSET"};
  for (int i = 0; i < 20; ++i)
    mset.insert(mset.end(), {"k" + std::to_string(i), std::string(100000, 'x')});
  const std::string reply = Conversation(address, Encode(mset));
  EXPECT_TRUE(reply.starts_with("-ERR Protocol error: ") && reply.ends_with("<closed>")) << reply;
  EXPECT_EQ(client.Command({"PING"}), "PONG");
}

// A line with a NUL in it has no end as Redis sees it: it waits for more, and so do we.
TEST(ProtocolErrorsTest, LineWithANulIsNotTakenForACommand) {
  const RedisServer redis;
  Cluster cluster{ClusterOptions{.shards = 1}};
  for (const Address& address : {redis.address(), cluster.proxy().address()}) {
    Client client(address);
    client.Send(Bytes("PI\0NG\r\n", 7));
    EXPECT_TRUE(client.Silent(std::chrono::milliseconds(150))) << address.ToString();
  }
}

// Deeper than any command of Redis nests; a script can do it.
TEST(ProtocolErrorsTest, DeeplyNestedReplyPassesUntouched) {
  const RedisServer redis;
  Cluster cluster{ClusterOptions{.shards = 1}};
  for (const char* depth : {"10", "33", "200"}) {
    const std::vector<std::string> words = {
        "EVAL", "local t = {} for i = 2, tonumber(ARGV[1]) do t = {t} end return t", "1", "k",
        depth};
    EXPECT_EQ(Quoted(redis.Connect().CommandRaw(words)),
              Quoted(cluster.Connect().CommandRaw(words)));
  }
}

}  // namespace
}  // namespace ringmaster::integration
