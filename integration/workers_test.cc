// The promise: clients are spread evenly over the workers, and stay even when many leave.
#include <gtest/gtest.h>

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

TEST(WorkersTest, ThereAreAsManyThreadsAsConfigured) {
  Cluster one{ClusterOptions{.shards = 1, .workers = 1}};
  Cluster six{ClusterOptions{.shards = 1, .workers = 6}};
  EXPECT_EQ(six.proxy().Threads() - one.proxy().Threads(), 5);
}

}  // namespace
}  // namespace ringmaster::integration
