// The promise: clients are spread evenly over the workers, and stay even when many leave.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

// The clients of each worker as PROXY WORKERS tells; the asker itself is one of them.
std::vector<int> ClientsByWorker(Client& client) {
  const std::string text = client.Command({"PROXY", "WORKERS"});
  std::vector<int> clients;
  for (size_t at = text.find("clients="); at != std::string::npos;
       at = text.find("clients=", at + 1)) {
    clients.push_back(std::stoi(text.substr(at + 8)));
  }
  return clients;
}

TEST(WorkersTest, ClientsAreSpreadEvenlyOverFour) {
  Cluster cluster{
      ClusterOptions{.shards = 1, .workers = 4, .more = "balance: {push: false, pull: false}\n"}};
  Client asker = cluster.Connect();
  std::vector<Client> clients;
  for (int i = 0; i < 99; ++i) {
    clients.push_back(cluster.Connect());
    ASSERT_EQ(clients.back().Command({"SET", "key", "value"}), "OK");
  }
  const auto even = [&] {
    const std::vector<int> counts = ClientsByWorker(asker);
    return counts == std::vector<int>{25, 25, 25, 25};
  };
  EXPECT_TRUE(Eventually(even)) << testing::PrintToString(ClientsByWorker(asker));
  // Every second one leaves, whichever worker had it; newcomers fill the gaps.
  for (size_t i = 0; i < clients.size(); i += 2) clients[i].Close();
  const auto half = [&] {
    int sum = 0;
    for (const int count : ClientsByWorker(asker)) sum += count;
    return sum == 50;
  };
  ASSERT_TRUE(Eventually(half));
  for (size_t i = 0; i < clients.size(); i += 2) {
    clients[i] = cluster.Connect();
    ASSERT_EQ(clients[i].Command({"PING"}), "PONG");
  }
  EXPECT_TRUE(Eventually(even)) << testing::PrintToString(ClientsByWorker(asker));
}

TEST(WorkersTest, FewQuietClientsShareOneWorkerAndManyDoNot) {
  Cluster cluster{ClusterOptions{.shards = 1, .workers = 3, .more = "balance: {gather: 4}\n"}};
  Client asker = cluster.Connect();
  std::vector<Client> clients;
  const auto connect = [&](size_t until) {
    while (clients.size() < until) {
      clients.push_back(cluster.Connect());
      ASSERT_EQ(clients.back().Command({"PING"}), "PONG");
    }
  };
  connect(3);
  EXPECT_EQ(ClientsByWorker(asker), (std::vector<int>{4, 0, 0}));
  connect(11);
  EXPECT_EQ(ClientsByWorker(asker), (std::vector<int>{4, 4, 4}));
  // Those that are left come together again, wherever they were.
  for (size_t i = 0; i < 8; ++i) clients[i].Close();
  const auto together = [&] { return ClientsByWorker(asker) == std::vector<int>{4, 0, 0}; };
  EXPECT_TRUE(Eventually(together)) << testing::PrintToString(ClientsByWorker(asker));
}

TEST(WorkersTest, FewClientsPartWhenTheirWorkerIsBusy) {
  Cluster cluster{ClusterOptions{.shards = 1, .workers = 2, .more = "balance: {gather: 8}\n"}};
  Client asker = cluster.Connect();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Client client = cluster.Connect();
      // Work for the worker alone: beside others on the machine it gets what processor time there
      // is.
      const std::vector<std::vector<std::string>> pipeline(
          50, {"COMMAND", "LIST", "FILTERBY", "PATTERN", "nothing*"});
      while (!stop) client.Pipeline(pipeline);
    });
  }
  // Where others have the processors the worker is not busy, and nobody is to part: what counts is
  // the time in which it had most of one.
  constexpr double kBusy = 0.75;
  constexpr Duration kEnough = std::chrono::seconds(3);
  const pid_t pid = cluster.proxy().pid();
  Duration busy{};
  const TimePoint end = MonotonicNow() + std::chrono::seconds(20);
  TimePoint since = MonotonicNow();
  double before = CpuSeconds(pid);
  const auto apart = [&] {
    const TimePoint now = MonotonicNow();
    const std::chrono::duration<double> took = now - since;
    if (took.count() > 0.2) {
      const double used = CpuSeconds(pid);
      if ((used - before) / took.count() > kBusy) busy += now - since;
      since = now;
      before = used;
    }
    return ClientsByWorker(asker)[1] > 0;
  };
  bool parted = false;
  while (!parted && busy < kEnough && MonotonicNow() < end) {
    parted = Eventually(apart, std::chrono::milliseconds(300));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  if (!parted && busy < kEnough) GTEST_SKIP() << "others have the processors: nobody is busy here";
  EXPECT_TRUE(parted);
}

TEST(WorkersTest, ThereAreAsManyThreadsAsConfigured) {
  Cluster one{ClusterOptions{.shards = 1, .workers = 1}};
  Cluster six{ClusterOptions{.shards = 1, .workers = 6}};
  EXPECT_EQ(six.proxy().Threads() - one.proxy().Threads(), 5);
}

}  // namespace
}  // namespace ringmaster::integration
