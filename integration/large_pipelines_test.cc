// The promise: replies of any size, from any number of shards, in any order, to a reader of any
// speed arrive whole and in their order; memory stays bounded, nobody else waits, and who leaves
// leaves nothing behind.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/random.h"
#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

constexpr size_t kMiB = 1 << 20;

std::string Patterned(size_t size, size_t seed) {
  std::string value(size, '\0');
  for (size_t i = 0; i < size; ++i) value[i] = static_cast<char>('a' + (i / 101 + seed + i) % 26);
  return value;
}

std::string Bulk(const std::string& value) {
  return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

// Requests and the replies that they have to get.
struct Script {
  std::string requests;
  std::string replies;
  size_t count = 0;
  void Add(const std::vector<std::string>& words, const std::string& reply) {
    requests += Encode(words);
    replies += reply;
    ++count;
  }
};

// Reads `expected` from the socket, `most` bytes at a time; how far it was right.
size_t ReadAtPace(Client& client, const std::string& expected, size_t most, Duration pause) {
  std::string bytes(std::min(most, size_t{1} << 20), '\0');
  size_t got = 0;
  TimePoint deadline = MonotonicNow() + kPatience;
  while (got < expected.size() && MonotonicNow() < deadline) {
    const ssize_t read = recv(client.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (read < 0 && errno == EAGAIN) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      continue;
    }
    if (read <= 0 || expected.compare(got, static_cast<size_t>(read), bytes, 0,
                                      static_cast<size_t>(read)) != 0) {
      break;
    }
    got += static_cast<size_t>(read);
    deadline = MonotonicNow() + kPatience;
    if (pause > Duration(0)) std::this_thread::sleep_for(pause);
  }
  return got;
}

class LargePipelinesTest : public testing::Test {
 protected:
  LargePipelinesTest() { client_.set_patience(std::chrono::seconds(20)); }

  // Sets a value of that size on that shard, and notes the GET.
  void Want(Script& script, size_t shard, size_t size) {
    const std::string key = cluster_.KeyOn(shard, used_[shard]++);
    const std::string value = Patterned(size, script.count);
    ASSERT_EQ(client_.Command({"SET", key, value}), "OK");
    script.Add({"GET", key}, Bulk(value));
  }
  std::string Ask(const Script& script) {
    client_.Send(script.requests);
    return client_.ReadRaw(script.count);
  }
  // A new client's commands on every shard.
  Duration TimeOfBystander() {
    const TimePoint begin = MonotonicNow();
    Client client = cluster_.Connect();
    for (size_t shard = 0; shard < 3; ++shard) {
      const std::string key = "{" + cluster_.KeyOn(shard) + "}:bystander";
      EXPECT_EQ(client.Command({"SET", key, "x"}), "OK");
      EXPECT_EQ(client.Command({"GET", key}), "\"x\"");
    }
    EXPECT_TRUE(client.Command({"DBSIZE"}).starts_with("(integer)"));
    return MonotonicNow() - begin;
  }
  bool OnlyWeAreLeft() {
    return Eventually([this] {
      return client_.Command({"INFO", "clients"}).find("connected_clients:1\\x0d") !=
             std::string::npos;
    });
  }

  Cluster cluster_{ClusterOptions{.shards = 3}};
  Client client_ = cluster_.Connect();
  size_t used_[3] = {};
};

TEST_F(LargePipelinesTest, GetsOfAMebibyteOverThreeShardsInOnePacket) {
  Script script;
  for (size_t i = 0; i < 6; ++i) Want(script, i % 3, kMiB);
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(Ask(script) == script.replies) << "round " << round << client_.failure();
  }
}

TEST_F(LargePipelinesTest, SixtyOfThemCostBoundedMemory) {
  Script script;
  for (size_t i = 0; i < 12; ++i) Want(script, (i / 2) % 3, kMiB);
  Script all;
  for (int i = 0; i < 5; ++i) {
    all.requests += script.requests;
    all.replies += script.replies;
    all.count += script.count;
  }
  ResetPeakMemory(cluster_.proxy().pid());
  const int64_t before = cluster_.proxy().PeakKib();
  ASSERT_TRUE(Ask(all) == all.replies) << client_.failure();
  if (MemoryIsItsOwn()) {
    EXPECT_LT(cluster_.proxy().PeakKib() - before, 24 * 1024);
  }
}

TEST_F(LargePipelinesTest, ThreeHundredOfMixedSizesArriveInTheirOrder) {
  Random random(5);
  std::vector<Script> gets(60);
  for (Script& get : gets) Want(get, random.Below(3), size_t{1} << random.Below(22));
  Script script;
  for (int i = 0; i < 300; ++i) {
    const Script& get = gets[random.Below(gets.size())];
    script.requests += get.requests;
    script.replies += get.replies;
    ++script.count;
  }
  ASSERT_TRUE(Ask(script) == script.replies) << client_.failure();
  EXPECT_LT(Milliseconds(TimeOfBystander()), 1000);
}

TEST_F(LargePipelinesTest, TenClientsAtOnceAndThenABystanderIsAnsweredWithinASecond) {
  Script script;
  for (size_t i = 0; i < 20; ++i) Want(script, i % 3, 256 * 1024);
  for (int round = 0; round < 3; ++round) {
    std::vector<Client> clients;
    for (int i = 0; i < 10; ++i) {
      clients.push_back(cluster_.Connect());
      clients.back().SendUnread(script.requests, std::chrono::seconds(1));
    }
    EXPECT_LT(Milliseconds(TimeOfBystander()), 1000);
    for (Client& client : clients) {
      ASSERT_TRUE(client.ReadRaw(script.count) == script.replies) << client.failure();
    }
    EXPECT_LT(Milliseconds(TimeOfBystander()), 1000);
  }
}

TEST_F(LargePipelinesTest, EveryKindOfReply) {
  Script script;
  const std::string value = Patterned(kMiB, 1);
  for (size_t i = 0; i < 6; ++i) {
    const std::string tag = "{" + cluster_.KeyOn(i % 3, i) + "}";
    ASSERT_EQ(client_.Command({"HSET", tag + "h", "f", value}), "(integer) 1");
    ASSERT_EQ(client_.Command({"RPUSH", tag + "l", value, "x"}), "(integer) 2");
    ASSERT_EQ(client_.Command({"SET", tag + "s", value}), "OK");
    script.Add({"HGET", tag + "h", "f"}, Bulk(value));
    script.Add({"HGETALL", tag + "h"}, "*2\r\n$1\r\nf\r\n" + Bulk(value));
    script.Add({"GETRANGE", tag + "s", "1", "-1"}, Bulk(value.substr(1)));
    script.Add({"LRANGE", tag + "l", "0", "-1"}, "*2\r\n" + Bulk(value) + "$1\r\nx\r\n");
    script.Add({"EVAL", "return redis.call('get', KEYS[1])", "1", tag + "s"}, Bulk(value));
  }
  EXPECT_TRUE(Ask(script) == script.replies) << client_.failure();
  EXPECT_TRUE(Ask(script) == script.replies) << client_.failure();
}

TEST_F(LargePipelinesTest, MergedRepliesBetweenThem) {
  Script script;
  std::vector<std::string> keys;
  std::vector<std::string> bulks;
  for (size_t i = 0; i < 6; ++i) {
    keys.push_back(cluster_.KeyOn(i % 3, i));
    const std::string value = Patterned(700000, i);
    bulks.push_back(Bulk(value));
    ASSERT_EQ(client_.Command({"SET", keys.back(), value}), "OK");
  }
  for (size_t i = 0; i < 40; ++i) {
    const size_t a = i % 6, b = (i + 1) % 6, c = (i + 5) % 6;
    script.Add({"GET", keys[a]}, bulks[a]);
    script.Add({"MGET", keys[a], keys[b], keys[c]}, "*3\r\n" + bulks[a] + bulks[b] + bulks[c]);
  }
  ResetPeakMemory(cluster_.proxy().pid());
  const int64_t before = cluster_.proxy().PeakKib();
  EXPECT_TRUE(Ask(script) == script.replies) << client_.failure();
  if (MemoryIsItsOwn()) {
    EXPECT_LT(cluster_.proxy().PeakKib() - before, 64 * 1024);
  }
}

TEST_F(LargePipelinesTest, ReadersOfAnySpeedGetAllOfIt) {
  Script script;
  for (size_t i = 0; i < 30; ++i) Want(script, i % 3, kMiB);
  ResetPeakMemory(cluster_.proxy().pid());
  const int64_t before = cluster_.proxy().PeakKib();
  // One reads late, one 1 KiB at a time, one has closed its sending side.
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(cluster_.Connect());
    clients.back().SendUnread(script.requests, std::chrono::seconds(1));
  }
  clients[2].HalfClose();
  EXPECT_LT(Milliseconds(TimeOfBystander()), 1000);
  std::vector<size_t> got(3);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      if (i == 0) std::this_thread::sleep_for(std::chrono::seconds(2));
      got[i] = ReadAtPace(clients[i], script.replies, i == 1 ? 1024 : 1 << 20, Duration(0));
    });
  }
  const Duration meanwhile = TimeOfBystander();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, std::vector<size_t>(3, script.replies.size()));
  EXPECT_LT(Milliseconds(meanwhile), 1000);
  if (MemoryIsItsOwn()) {
    EXPECT_LT(cluster_.proxy().PeakKib() - before, 48 * 1024);
  }
}

TEST_F(LargePipelinesTest, WhoStopsReadingIsBoundedAndWhoHangsUpLeavesNothing) {
  Script script;
  for (size_t i = 0; i < 30; ++i) Want(script, i % 3, kMiB);
  ResetPeakMemory(cluster_.proxy().pid());
  const int64_t before = cluster_.proxy().PeakKib();
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(cluster_.Connect());
    clients.back().SendUnread(script.requests, std::chrono::seconds(1));
    char byte = 0;
    ASSERT_TRUE(Eventually(
        [&] { return recv(clients.back().fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1; }));
    EXPECT_LT(Milliseconds(TimeOfBystander()), 1000);
  }
  if (MemoryIsItsOwn()) {
    EXPECT_LT(cluster_.proxy().PeakKib() - before, 64 * 1024);
  }
  for (size_t i = 0; i < clients.size(); ++i) i % 2 == 0 ? clients[i].Close() : clients[i].Reset();
  EXPECT_TRUE(OnlyWeAreLeft());
  EXPECT_LT(Milliseconds(TimeOfBystander()), 1000);
}

// The first request waits at a frozen shard, large replies of the others behind it.
TEST_F(LargePipelinesTest, AFrozenShardInFrontHoldsUpNobodyElseAndIsToldOf) {
  Script script;
  Want(script, 0, 10);
  for (size_t i = 0; i < 40; ++i) Want(script, 1 + i % 2, kMiB);
  cluster_.server(0).Pause();
  Client client = cluster_.Connect();
  client.SendUnread(script.requests, std::chrono::seconds(1));
  Client other = cluster_.Connect();
  const TimePoint begin = MonotonicNow();
  for (size_t shard = 1; shard < 3; ++shard) {
    EXPECT_EQ(other.Command({"EXISTS", cluster_.KeyOn(shard)}), "(integer) 1");
  }
  EXPECT_LT(Milliseconds(MonotonicNow() - begin), 1000);
  EXPECT_TRUE(cluster_.proxy().LogSays("whose earlier request is not answered"));
  cluster_.server(0).Resume();
  EXPECT_TRUE(client.ReadRaw(script.count) == script.replies) << client.failure();
}

// Sizes, orders and speeds by chance; each seed is one history.
TEST_F(LargePipelinesTest, ByChance) {
  std::vector<Script> gets(90);
  Random sizes(1);
  for (size_t i = 0; i < gets.size(); ++i) Want(gets[i], i % 3, size_t{1} << sizes.Below(23));
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    Random random(seed);
    Script script;
    while (script.replies.size() < 40 * kMiB) {
      const Script& get = gets[random.Below(gets.size())];
      script.requests += get.requests;
      script.replies += get.replies;
      ++script.count;
    }
    const size_t pace = size_t{4096} << random.Below(9);
    std::vector<Client> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(cluster_.Connect());
    std::vector<size_t> got(clients.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < clients.size(); ++i) {
      clients[i].SendUnread(script.requests, std::chrono::seconds(1));
      threads.emplace_back([&, i] {
        const Duration pause = i == 0 ? std::chrono::microseconds(50) : Duration(0);
        got[i] = ReadAtPace(clients[i], script.replies, i < 2 ? pace : kMiB, pause);
      });
    }
    EXPECT_LT(Milliseconds(TimeOfBystander()), 1000) << "seed " << seed;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(got, std::vector<size_t>(clients.size(), script.replies.size())) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ringmaster::integration
