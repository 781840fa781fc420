// The promise: memory taken by a burst is given back (FIELD.md B3), and an idle client costs next
// to nothing.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

constexpr size_t kMiB = 1 << 20;

TEST(MemoryReturnedTest, AfterBurstsOfLargeRepliesAndDeepPipelines) {
  if (!MemoryIsItsOwn()) GTEST_SKIP() << "a sanitizer has memory of its own";
  Cluster cluster{ClusterOptions{.shards = 2}};
  Client first = cluster.Connect();
  ASSERT_EQ(first.Command({"SET", "large", std::string(kMiB, 'v')}), "OK");
  std::string asks, sets;
  for (int i = 0; i < 40; ++i) asks += Encode({"GET", "large"});
  for (int i = 0; i < 20000; ++i) {
    sets += Encode({"SET", "key" + std::to_string(i % 100), std::string(100, 'x')});
  }
  int64_t after_first = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<Client> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(cluster.Connect());
    for (Client& client : clients) client.SendUnread(asks, std::chrono::milliseconds(100));
    for (Client& client : clients) {
      for (int i = 0; i < 40; ++i) ASSERT_EQ(client.ReadRaw().size(), kMiB + 12);
    }
    clients[0].Send(sets);
    ASSERT_EQ(clients[0].ReadRaw(20000).size(), size_t{20000} * 5);
    // The clients stay: what they needed in the burst must go all the same.
    if (round == 0) {
      ASSERT_TRUE(
          Eventually([&] { return cluster.proxy().ResidentKib() < cluster.proxy().PeakKib(); }));
      Eventually([&] { return cluster.proxy().ResidentKib() < 24 * 1024; });
      after_first = cluster.proxy().ResidentKib();
    } else {
      EXPECT_TRUE(Eventually([&] {
        return cluster.proxy().ResidentKib() < after_first + 4 * 1024;
      })) << "round "
          << round << ": " << cluster.proxy().ResidentKib() << " KiB, after the first "
          << after_first;
    }
  }
  EXPECT_LT(after_first, 40 * 1024);
}

TEST(MemoryReturnedTest, IdleClientThatDidOneGetCostsAtMostOneKib) {
  if (!MemoryIsItsOwn()) GTEST_SKIP() << "a sanitizer has memory of its own";
  constexpr int kClients = 9000;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 2 * kClients) GTEST_SKIP() << "too few descriptors: " << limit.rlim_cur;
  Cluster cluster{ClusterOptions{.shards = 1}};
  Client first = cluster.Connect();
  ASSERT_EQ(first.Command({"SET", "key", "value"}), "OK");
  const auto connect = [&](std::vector<Client>& clients, int count) {
    for (int i = 0; i < count; ++i) {
      clients.push_back(cluster.Connect());
      ASSERT_EQ(clients.back().Command({"GET", "key"}), "\"value\"");
    }
  };
  std::vector<Client> clients;
  clients.reserve(kClients);
  connect(clients, 100);
  const int64_t before = cluster.proxy().ResidentKib();
  connect(clients, kClients - 100);
  const int64_t grown = cluster.proxy().ResidentKib() - before;
  RecordProperty("bytes_per_idle_client", static_cast<int>(grown * 1024 / (kClients - 100)));
  EXPECT_LE(grown * 1024 / (kClients - 100), 1024);
}

}  // namespace
}  // namespace ringmaster::integration
