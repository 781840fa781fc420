// The promise: a client cannot tell the proxy from one Redis. The same commands go to one real
// redis-server and through the proxy to 1 and to 4 shards, in RESP2 and RESP3, and every reply has
// the same bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

using Words = std::vector<std::string>;

struct Setup {
  int shards;
  int protocol;
};

class SameRepliesTest : public testing::TestWithParam<Setup> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(reference_.connected() && tested_.connected());
    if (GetParam().protocol != 3) return;
    reference_.Command({"HELLO", "3"});
    tested_.Command({"HELLO", "3"});
  }

  void ExpectSameReply(const Words& words) {
    const std::string expected = reference_.CommandRaw(words);
    const std::string actual = tested_.CommandRaw(words);
    if (expected == actual) return;
    EXPECT_EQ(Render(expected), Render(actual)) << "after " << Line(words);
    EXPECT_EQ(Quoted(expected), Quoted(actual)) << "after " << Line(words);
  }
  void ExpectSame(const std::vector<Words>& script) {
    for (const Words& words : script) ExpectSameReply(words);
  }
  // All at once: the order of the replies shows as well.
  void ExpectSamePipelined(const std::vector<Words>& script) {
    const std::string bytes = EncodeAll(script);
    reference_.Send(bytes);
    tested_.Send(bytes);
    for (const Words& words : script) {
      const std::string expected = reference_.ReadRaw(1);
      const std::string actual = tested_.ReadRaw(1);
      ASSERT_EQ(Quoted(expected), Quoted(actual)) << "after " << Line(words);
    }
  }
  // For replies whose order Redis leaves open.
  static std::vector<std::string> SortedItems(Client& client, const Words& words) {
    client.Send(Encode(words));
    std::string raw = client.ReadRaw();
    std::vector<std::string> items;
    for (size_t at = raw.find("\r\n") + 2; at < raw.size();) {
      const size_t size = ReplyLength(Bytes(raw).substr(at));
      if (size == 0 || size == std::string::npos) break;
      items.push_back(Render(Bytes(raw).substr(at, size)));
      at += size;
    }
    std::sort(items.begin(), items.end());
    return items;
  }
  void ExpectSameSet(const Words& words) {
    EXPECT_EQ(SortedItems(reference_, words), SortedItems(tested_, words)) << Line(words);
  }
  static std::string Line(const Words& words) {
    std::string line;
    for (const std::string& word : words) line += Quoted(word, 80) + " ";
    return line;
  }

  RedisServer one_;
  Cluster cluster_{ClusterOptions{.shards = GetParam().shards}};
  Client reference_ = one_.Connect();
  Client tested_ = cluster_.Connect();
};

INSTANTIATE_TEST_SUITE_P(, SameRepliesTest,
                         testing::Values(Setup{1, 2}, Setup{1, 3}, Setup{4, 2}, Setup{4, 3}),
                         [](const auto& info) {
                           return std::to_string(info.param.shards) + "ShardsResp" +
                                  std::to_string(info.param.protocol);
                         });

TEST_P(SameRepliesTest, Strings) {
  ExpectSame({{"SET", "s", "value"},
              {"GET", "s"},
              {"GET", "missing"},
              {"SET", "s", "other", "NX"},
              {"SET", "s", "other", "XX", "GET"},
              {"SET", "s", "x", "EX", "0"},
              {"SET", "s", "x", "EX", "abc"},
              {"SET", "s", "x", "BOGUS"},
              {"SET", "s", "timed", "PX", "100000"},
              {"SET", "s", "kept", "KEEPTTL"},
              {"PERSIST", "s"},
              {"APPEND", "s", "+more"},
              {"STRLEN", "s"},
              {"GETRANGE", "s", "0", "3"},
              {"SETRANGE", "s", "4", "####"},
              {"SETRANGE", "s", "-1", "x"},
              {"GETSET", "s", "new"},
              {"GETDEL", "s"},
              {"GETEX", "s"},
              {"SETEX", "t", "100", "v"},
              {"PSETEX", "t", "100000", "v"},
              {"SETNX", "t", "w"},
              {"INCR", "n"},
              {"INCRBY", "n", "41"},
              {"DECR", "n"},
              {"DECRBY", "n", "1"},
              {"INCRBYFLOAT", "n", "0.5"},
              {"INCR", "n"},
              {"INCRBY", "big", "9223372036854775807"},
              {"INCR", "big"},
              {"SUBSTR", "t", "0", "-1"},
              {"LCS", "{t}1", "{t}2"}});
}

TEST_P(SameRepliesTest, EmptyAndBinaryKeysAndValues) {
  const std::string binary("\0\r\n$-1\r\n\xff*1\r\n", 15);
  const std::string all = [] {
    std::string bytes;
    for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
    return bytes;
  }();
  ExpectSame({{"SET", "", "empty key"},
              {"GET", ""},
              {"SET", "empty value", ""},
              {"GET", "empty value"},
              {"SET", binary, all},
              {"GET", binary},
              {"SET", all, binary},
              {"GET", all},
              {"STRLEN", all},
              {"HSET", binary, "f", "v"},
              {"SETRANGE", "holes", "100", "x"},
              {"GET", "holes"},
              {"MGET", "", binary, all, "empty value", "no"},
              {"DEL", "", binary, all},
              {"", "x"},
              {"GET", "{"},
              {"GET", "{}"},
              {"SET", "{}a", "1"},
              {"SET", "a{b}{c}", "1"},
              {"EXISTS", "{}a", "a{b}{c}"}});
}

TEST_P(SameRepliesTest, KeysOverShards) {
  std::vector<Words> script;
  Words mset = {"MSET"}, mget = {"MGET"}, exists = {"EXISTS"}, touch = {"TOUCH"};
  Words unlink = {"UNLINK"}, del = {"DEL"};
  for (int i = 0; i < 100; ++i) {
    const std::string key = "k" + std::to_string(i);
    mset.insert(mset.end(), {key, "v" + std::to_string(i)});
    mget.insert(mget.end(), {key, "missing" + key});
    exists.insert(exists.end(), {key, key, "missing" + key});
    touch.push_back(key);
    (i < 40 ? unlink : del).push_back(key);
  }
  ExpectSame({mset, mget, exists, touch, {"LPUSH", "list", "a"}, {"MGET", "k1", "list", "k2"}});
  ExpectSameReply({"DBSIZE"});
  ExpectSame({unlink, unlink, mget, {"DBSIZE"}, del, del, exists, {"DBSIZE"}});
  ExpectSame({{"MSET", "a", "1", "a", "2", "b", "3", "a", "4"},
              {"MGET", "a", "b", "a", "a"},
              {"DEL", "a", "a", "b"},
              {"EXISTS", "a", "b"},
              {"MSET", "a"},
              {"MSET", "a", "1", "b"},
              {"MGET"},
              {"DEL"},
              {"MSETNX", "{x}1", "1", "{x}2", "2"},
              {"MSETNX", "{x}2", "1", "{x}3", "2"}});
}

TEST_P(SameRepliesTest, Lists) {
  ExpectSame({{"RPUSH", "l", "a", "b", "c", "b", "d"},
              {"LPUSH", "l", "z"},
              {"LPUSHX", "no", "z"},
              {"RPUSHX", "l", "e"},
              {"LRANGE", "l", "0", "-1"},
              {"LLEN", "l"},
              {"LINDEX", "l", "1"},
              {"LINDEX", "l", "99"},
              {"LSET", "l", "1", "A"},
              {"LSET", "l", "99", "A"},
              {"LSET", "no", "0", "A"},
              {"LINSERT", "l", "BEFORE", "c", "bc"},
              {"LREM", "l", "0", "b"},
              {"LPOS", "l", "c"},
              {"LPOS", "l", "c", "COUNT", "0"},
              {"LTRIM", "l", "0", "2"},
              {"LPOP", "l"},
              {"LPOP", "l", "2"},
              {"LPOP", "l"},
              {"LPOP", "l", "2"},
              {"RPOP", "l", "-1"},
              {"RPUSH", "{q}1", "a", "b"},
              {"LMOVE", "{q}1", "{q}2", "LEFT", "RIGHT"},
              {"RPOPLPUSH", "{q}1", "{q}2"},
              {"LMPOP", "2", "{q}1", "{q}2", "LEFT", "COUNT", "5"},
              {"LMPOP", "2", "{q}1", "{q}2", "LEFT"},
              {"SET", "str", "x"},
              {"LPUSH", "str", "y"},
              {"LRANGE", "str", "a", "b"}});
}

TEST_P(SameRepliesTest, Hashes) {
  ExpectSame({{"HSET", "h", "f1", "v1", "f2", "v2", "n", "10"},
              {"HSET", "h", "f1"},
              {"HGET", "h", "f1"},
              {"HGET", "h", "no"},
              {"HMGET", "h", "f1", "no", "f2"},
              {"HMSET", "h", "f3", "v3"},
              {"HGETALL", "h"},
              {"HGETALL", "no"},
              {"HKEYS", "h"},
              {"HVALS", "h"},
              {"HLEN", "h"},
              {"HEXISTS", "h", "f1"},
              {"HSTRLEN", "h", "f1"},
              {"HINCRBY", "h", "n", "5"},
              {"HINCRBY", "h", "f1", "5"},
              {"HINCRBYFLOAT", "h", "n", "1.5"},
              {"HSETNX", "h", "f1", "x"},
              {"HDEL", "h", "f1", "f2", "no"},
              {"HSCAN", "h", "0"},
              {"HRANDFIELD", "no"},
              {"HRANDFIELD", "no", "2", "WITHVALUES"},
              {"HGET", "h"},
              {"HGETALL", "h", "x"}});
}

TEST_P(SameRepliesTest, Sets) {
  ExpectSame({{"SADD", "i", "3", "1", "2"},
              {"SADD", "i", "2"},
              {"SMEMBERS", "i"},
              {"SMEMBERS", "no"},
              {"SCARD", "i"},
              {"SISMEMBER", "i", "2"},
              {"SMISMEMBER", "i", "2", "9"},
              {"SREM", "i", "2", "9"},
              {"SPOP", "no"},
              {"SPOP", "i", "0"},
              {"SSCAN", "i", "0"},
              {"SADD", "{s}1", "1", "2", "3"},
              {"SADD", "{s}2", "2", "3", "4"},
              {"SINTER", "{s}1", "{s}2"},
              {"SUNION", "{s}1", "{s}2"},
              {"SDIFF", "{s}1", "{s}2"},
              {"SINTERCARD", "2", "{s}1", "{s}2"},
              {"SINTERSTORE", "{s}3", "{s}1", "{s}2"},
              {"SUNIONSTORE", "{s}3", "{s}1", "{s}2"},
              {"SMOVE", "{s}1", "{s}2", "1"},
              {"SINTERCARD", "0", "x"},
              {"SADD", "i"}});
}

TEST_P(SameRepliesTest, SortedSets) {
  ExpectSame({{"ZADD", "z", "1", "a", "2.5", "b", "3", "c"},
              {"ZADD", "z", "XX", "CH", "4", "a"},
              {"ZADD", "z", "NX", "XX", "4", "a"},
              {"ZADD", "z", "INCR", "1", "a"},
              {"ZADD", "z", "x", "a"},
              {"ZSCORE", "z", "a"},
              {"ZSCORE", "z", "no"},
              {"ZMSCORE", "z", "a", "no"},
              {"ZINCRBY", "z", "0.25", "b"},
              {"ZRANK", "z", "a"},
              {"ZREVRANK", "z", "no"},
              {"ZCARD", "z"},
              {"ZCOUNT", "z", "-inf", "(3"},
              {"ZRANGE", "z", "0", "-1"},
              {"ZRANGE", "z", "0", "-1", "WITHSCORES"},
              {"ZRANGE", "z", "-inf", "+inf", "BYSCORE", "LIMIT", "1", "1"},
              {"ZREVRANGE", "z", "0", "-1", "WITHSCORES"},
              {"ZRANGEBYSCORE", "z", "1", "5", "WITHSCORES"},
              {"ZRANGEBYLEX", "z", "-", "+"},
              {"ZLEXCOUNT", "z", "-", "+"},
              {"ZPOPMIN", "z"},
              {"ZPOPMAX", "z", "2"},
              {"ZPOPMIN", "z"},
              {"ZADD", "inf", "inf", "a", "-inf", "b"},
              {"ZRANGE", "inf", "0", "-1", "WITHSCORES"},
              {"ZADD", "{z}1", "1", "a", "2", "b"},
              {"ZADD", "{z}2", "1", "b", "2", "c"},
              {"ZUNION", "2", "{z}1", "{z}2", "WITHSCORES"},
              {"ZINTER", "2", "{z}1", "{z}2", "WITHSCORES"},
              {"ZDIFF", "2", "{z}1", "{z}2", "WITHSCORES"},
              {"ZUNIONSTORE", "{z}3", "2", "{z}1", "{z}2", "WEIGHTS", "2", "3"},
              {"ZRANGESTORE", "{z}4", "{z}3", "0", "1"},
              {"ZMPOP", "2", "{z}1", "{z}2", "MIN"},
              {"ZUNION", "0", "{z}1"},
              {"ZRANDMEMBER", "no"},
              {"ZSCAN", "{z}3", "0"},
              {"ZREMRANGEBYRANK", "{z}3", "0", "0"},
              {"ZREM", "{z}3", "c", "no"}});
}

TEST_P(SameRepliesTest, StreamsGeoBitmapsAndCounters) {
  ExpectSame(
      {{"XADD", "x", "1-1", "f", "v"},
       {"XADD", "x", "1-1", "f", "v"},
       {"XADD", "x", "2-0", "f", "v", "g", "w"},
       {"XADD", "x", "MAXLEN", "10", "3-*", "f", "v"},
       {"XLEN", "x"},
       {"XRANGE", "x", "-", "+"},
       {"XREVRANGE", "x", "+", "-", "COUNT", "1"},
       {"XREAD", "COUNT", "1", "STREAMS", "x", "0"},
       {"XREAD", "STREAMS", "x", "9"},
       {"XGROUP", "CREATE", "x", "g", "0"},
       {"XGROUP", "CREATE", "x", "g", "0"},
       {"XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", "x", ">"},
       {"XPENDING", "x", "g"},
       {"XACK", "x", "g", "1-1"},
       {"XINFO", "GROUPS", "x"},
       {"XINFO", "STREAM", "no"},
       {"XDEL", "x", "1-1"},
       {"XTRIM", "x", "MAXLEN", "0"},
       {"GEOADD", "g", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"},
       {"GEODIST", "g", "Palermo", "Catania", "km"},
       {"GEOPOS", "g", "Palermo", "no"},
       {"GEOHASH", "g", "Palermo"},
       {"GEOSEARCH", "g", "FROMLONLAT", "15", "37", "BYRADIUS", "200", "km", "ASC", "WITHDIST"},
       {"SETBIT", "b", "7", "1"},
       {"GETBIT", "b", "7"},
       {"BITCOUNT", "b"},
       {"BITPOS", "b", "1"},
       {"BITFIELD", "b", "INCRBY", "u8", "0", "10", "GET", "u4", "0"},
       {"BITFIELD", "b", "OVERFLOW", "FAIL", "INCRBY", "u2", "0", "3", "INCRBY", "u2", "0", "3"},
       {"BITOP", "NOT", "{b}2", "{b}1"},
       {"SETBIT", "b", "-1", "1"},
       {"PFADD", "p", "a", "b", "c"},
       {"PFCOUNT", "p"},
       {"PFADD", "p", "a"},
       {"PFCOUNT", "b"}});
}

TEST_P(SameRepliesTest, KeysAndTheirLives) {
  ExpectSame({{"SET", "k", "v"},
              {"TYPE", "k"},
              {"TYPE", "no"},
              {"TTL", "k"},
              {"PTTL", "no"},
              {"EXPIRE", "k", "100"},
              {"TTL", "k"},
              {"EXPIRE", "k", "50", "GT"},
              {"EXPIRE", "k", "200", "NX"},
              {"EXPIRE", "k", "x"},
              {"EXPIREAT", "k", "33177117420"},
              {"EXPIRETIME", "k"},
              {"PEXPIRETIME", "k"},
              {"PERSIST", "k"},
              {"PEXPIREAT", "k", "1"},
              {"EXISTS", "k"},
              {"SET", "k", "v"},
              {"OBJECT", "ENCODING", "k"},
              {"OBJECT", "REFCOUNT", "k"},
              {"OBJECT", "ENCODING", "no"},
              {"OBJECT", "BOGUS", "k"},
              {"OBJECT", "ENCODING"},
              {"DUMP", "no"},
              {"DUMP", "k"},
              {"RESTORE", "k", "0", "garbage"},
              {"COPY", "{k}1", "{k}2"},
              {"SET", "{k}1", "v"},
              {"COPY", "{k}1", "{k}2"},
              {"COPY", "{k}1", "{k}2"},
              {"RENAME", "{k}1", "{k}3"},
              {"RENAME", "{k}1", "{k}3"},
              {"RENAMENX", "{k}2", "{k}3"},
              {"MEMORY", "USAGE", "no"},
              {"RPUSH", "sorted", "3", "1", "2"},
              {"SORT", "sorted"},
              {"SORT", "sorted", "DESC", "LIMIT", "0", "2"},
              {"SORT_RO", "sorted", "ALPHA"},
              {"RANDOMKEY", "x"}});
}

TEST_P(SameRepliesTest, ErrorsOfCommands) {
  const std::string longest(300, 'n');
  ExpectSame({{"NOSUCHCOMMAND"},
              {"NOSUCHCOMMAND", "a", "b"},
              {"nosuch\r\ncommand", "a\r\nb"},
              {longest, longest, longest},
              {"NOSUCH", longest, longest, longest},
              {"get"},
              {"GeT", "a", "b"},
              {"SET", "a"},
              {"CONFIG"},
              {"CONFIG", "BOGUS"},
              {"CONFIG", "GET"},
              {"CLIENT"},
              {"CLIENT", "BOGUS"},
              {"CLIENT", "SETNAME"},
              {"CLIENT", "SETNAME", "with space"},
              {"OBJECT"},
              {"XGROUP"},
              {"SCRIPT", "BOGUS"},
              {"PING", "a", "b"},
              {"ECHO"},
              {"SELECT"},
              {"SELECT", "x"},
              {"SELECT", "16"},
              {"SELECT", "-1"},
              {"AUTH"},
              {"AUTH", "password"},
              {"AUTH", "nobody", "password"},
              {"AUTH", "default", "password"},
              {"HELLO", "4"},
              {"HELLO", "x"},
              {"HELLO", "2", "BOGUS"},
              {"SCAN", "x"},
              {"SCAN"},
              {"SCAN", "0", "COUNT", "0"},
              {"SCAN", "0", "COUNT"},
              {"KEYS"},
              {"FLUSHALL", "BOGUS"},
              {"DBSIZE", "x"},
              {"LPUSH", "a"},
              {"EVAL", "return 1"},
              {"EVAL", "return 1", "x"},
              {"EVAL", "return 1", "-1"},
              {"EVAL", "return 1", "3", "a"},
              {"EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0"}});
}

TEST_P(SameRepliesTest, ConnectionCommands) {
  ExpectSame({{"PING"},
              {"PING", "hello"},
              {"ping", ""},
              {"ECHO", "hello"},
              {"ECHO", ""},
              {"CLIENT", "GETNAME"},
              {"CLIENT", "SETNAME", "me"},
              {"CLIENT", "GETNAME"},
              {"CLIENT", "SETNAME", ""},
              {"CLIENT", "GETNAME"},
              {"CLIENT", "NO-EVICT", "on"},
              {"CLIENT", "NO-EVICT", "off"},
              {"CLIENT", "REPLY", "ON"},
              {"CLIENT", "GETREDIR"},
              {"CLIENT", "TRACKINGINFO"},
              {"SELECT", "3"},
              {"SET", "in three", "3"},
              {"DBSIZE"},
              {"SELECT", "0"},
              {"GET", "in three"},
              {"SELECT", "15"},
              {"DBSIZE"},
              {"SELECT", "3"},
              {"GET", "in three"},
              {"FLUSHDB"},
              {"DBSIZE"},
              {"RESET"},
              {"GET", "in three"},
              {"CLIENT", "ID", "x"},
              {"QUIT"}});
  EXPECT_TRUE(tested_.PeerCloses());
}

TEST_P(SameRepliesTest, HelloDescribesTheServerAlike) {
  const std::string version = std::to_string(GetParam().protocol);
  const auto normalized = [&version](Client& client) {
    std::string reply = client.Command({"HELLO", version});
    const size_t id = reply.find("\"id\"");
    const size_t number = reply.find("(integer) ", id);
    if (number == std::string::npos) return reply;
    return reply.erase(number, reply.find_first_of(",}", number) - number);
  };
  EXPECT_EQ(normalized(reference_), normalized(tested_));
}

TEST_P(SameRepliesTest, RepliesOffAndSkipped) {
  const std::vector<Words> script = {{"CLIENT", "REPLY", "OFF"},
                                     {"SET", "a", "1"},
                                     {"GET", "a"},
                                     {"CLIENT", "REPLY", "ON"},
                                     {"GET", "a"},
                                     {"CLIENT", "REPLY", "SKIP"},
                                     {"GET", "a"},
                                     {"GET", "b"},
                                     {"CLIENT", "REPLY", "SKIP"},
                                     {"MGET", "a", "b", "c"},
                                     {"MSET", "a", "2", "b", "3"}};
  for (Client* client : {&reference_, &tested_}) client->Send(EncodeAll(script));
  EXPECT_EQ(Quoted(reference_.ReadRaw(4)), Quoted(tested_.ReadRaw(4)));
}

TEST_P(SameRepliesTest, InlineCommands) {
  for (const std::string line :
       {"PING\r\n", "PING\n", "\r\n\r\nPING\r\n", "SET a b\r\n", "GET a\r\n", "  GET   a  \r\n",
        "SET q \"x y\\n\\x41\"\r\n", "GET q\r\n", "SET q 'single \\' quote'\r\n", "GET q\r\n",
        "ECHO \"\"\r\n", "NOSUCH a b\r\n", "GET\r\n", "MGET a q no\r\n", "DBSIZE\r\n"}) {
    reference_.Send(line);
    tested_.Send(line);
    EXPECT_EQ(Quoted(reference_.ReadRaw(1)), Quoted(tested_.ReadRaw(1))) << Quoted(line);
  }
}

TEST_P(SameRepliesTest, DeepPipelinesInOrder) {
  std::vector<Words> script;
  for (int i = 0; i < 20000; ++i) {
    const std::string key = "key" + std::to_string(i % 997);
    switch (i % 7) {
      case 0:
        script.push_back({"SET", key, std::string(static_cast<size_t>(i % 300), 'v')});
        break;
      case 1:
        script.push_back({"PING", std::to_string(i)});
        break;
      case 2:
        script.push_back({"MGET", key, "key" + std::to_string((i * 7) % 997), "no"});
        break;
      case 3:
        script.push_back({"INCR", "n" + key});
        break;
      case 4:
        script.push_back({"BOGUS", std::to_string(i)});
        break;
      case 5:
        script.push_back({"RPUSH", "l" + key, std::to_string(i)});
        break;
      default:
        script.push_back({"STRLEN", key});
    }
  }
  ExpectSamePipelined(script);
}

TEST_P(SameRepliesTest, PipelinesThatChangeTheDatabase) {
  std::vector<Words> script;
  for (int i = 0; i < 500; ++i) {
    script.push_back({"SELECT", std::to_string(i % 16)});
    script.push_back({"INCR", "counter"});
    script.push_back({"MSET", "a", std::to_string(i), "b", "x", "c", "y"});
    script.push_back({"MGET", "a", "b", "c", "counter"});
    if (i % 50 == 0) script.push_back({"HELLO", "9"});
  }
  ExpectSamePipelined(script);
}

TEST_P(SameRepliesTest, WholeKeyspaceCommands) {
  std::vector<Words> writes;
  for (int i = 0; i < 3000; ++i) writes.push_back({"SET", "key:" + std::to_string(i), "v"});
  for (int i = 0; i < 100; ++i) writes.push_back({"RPUSH", "list:" + std::to_string(i), "v"});
  ExpectSamePipelined(writes);
  ExpectSameReply({"DBSIZE"});
  ExpectSameSet({"KEYS", "*"});
  ExpectSameSet({"KEYS", "key:1?"});
  ExpectSameSet({"KEYS", "nothing*"});
  ExpectSameReply({"KEYS", "nothing*"});
  const std::string random = tested_.Command({"RANDOMKEY"});
  EXPECT_TRUE(random.starts_with("\"key:") || random.starts_with("\"list:")) << random;
  ExpectSame({{"FLUSHALL"}, {"DBSIZE"}, {"KEYS", "*"}, {"RANDOMKEY"}, {"SCAN", "0"}});
}

TEST_P(SameRepliesTest, ScanFindsEveryKeyOnce) {
  std::vector<Words> writes;
  std::multiset<std::string> expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "key:" + std::to_string(i);
    writes.push_back({"SET", key, "v"});
    if (key.find('7') != std::string::npos) expected.insert("\"" + key + "\"");
  }
  for (int i = 0; i < 50; ++i) writes.push_back({"RPUSH", "7list:" + std::to_string(i), "v"});
  ExpectSamePipelined(writes);
  std::set<std::string> found;
  std::string cursor = "0";
  int pages = 0;
  do {
    const std::string page =
        tested_.Command({"SCAN", cursor, "MATCH", "*7*", "COUNT", "100", "TYPE", "string"});
    ASSERT_TRUE(page.starts_with("[\"")) << page;
    cursor = page.substr(2, page.find('"', 2) - 2);
    for (size_t at = page.find("\"key"); at != std::string::npos; at = page.find("\"key", at + 1)) {
      found.insert(page.substr(at, page.find('"', at + 1) + 1 - at));
    }
    EXPECT_EQ(page.find("list"), std::string::npos) << page;
  } while (cursor != "0" && ++pages < 1000);
  EXPECT_EQ(std::multiset<std::string>(found.begin(), found.end()), expected);
}

TEST_P(SameRepliesTest, ScriptsAndFunctions) {
  const std::string types = "return {1, 'two', false, {3}, redis.status_reply('OK')}";
  ExpectSame(
      {{"EVAL", types, "0"},
       {"EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", "k", "v"},
       {"EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "k"},
       {"EVAL", "return redis.error_reply('MINE is wrong')", "0"},
       {"EVAL", "return {KEYS[1], KEYS[2], ARGV[1]}", "2", "{a}1", "{a}2", "x"},
       {"EVAL", "redis.setresp(3); return {map={a=1}}", "0"},
       {"EVAL", "redis.setresp(3); return {double=1.5}", "1", "k"},
       {"EVAL", "redis.setresp(3); return true", "1", "k"},
       {"EVAL", "redis.setresp(3); return {big_number='123456789012345678901'}", "1", "k"},
       {"EVAL", "redis.setresp(3); return {verbatim_string={format='txt',string='x'}}", "1", "k"},
       {"EVAL", "redis.setresp(3); return {set={a=true}}", "1", "k"},
       {"SCRIPT", "EXISTS", "ffffffffffffffffffffffffffffffffffffffff"},
       {"SCRIPT", "LOAD", "return 5"},
       {"SCRIPT", "FLUSH"},
       {"FUNCTION", "LOAD",
        "#!lua name=lib\nredis.register_function('f', function(k, a) return a[1] end)"},
       {"FCALL", "f", "1", "k", "answer"},
       {"FCALL", "f", "0", "answer"},
       {"FCALL", "g", "0"},
       {"FUNCTION", "DELETE", "lib"}});
}

}  // namespace
}  // namespace ringmaster::integration
