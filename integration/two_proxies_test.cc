// The promise: two proxies in front of the same shards, each with its own database, whose clients
// use different keys do nothing to each other.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/random.h"
#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

class TwoProxiesTest : public testing::Test {
 protected:
  static constexpr int kAccounts = 12;
  static constexpr int kStart = 1000;
  static constexpr int kTransfers = 1500;

  // Moves money between accounts over shards, and elements between two lists; says how many
  // replies were errors.
  static int Transfer(const ProxyProcess& proxy, const std::string& prefix) {
    Client client = proxy.Connect();
    const auto account = [&](uint64_t i) { return prefix + ":account:" + std::to_string(i); };
    for (uint64_t i = 0; i < kAccounts; ++i) {
      client.Command({"SET", account(i), std::to_string(kStart)});
    }
    for (int i = 0; i < 100; ++i) client.Command({"RPUSH", prefix + ":one", std::to_string(i)});
    Random random(17);
    int errors = 0;
    for (int i = 0; i < kTransfers; ++i) {
      const std::string amount = std::to_string(random.Below(20));
      const std::string from = account(random.Below(kAccounts));
      const std::string to = account(random.Below(kAccounts));
      const std::string done =
          client.Pipeline({{"MULTI"}, {"DECRBY", from, amount}, {"INCRBY", to, amount}, {"EXEC"}})
              .back();
      if (done.find("error") != std::string::npos) ++errors;
      const bool there = i % 2 == 0;
      const std::string moved =
          client.Command({"LMOVE", prefix + (there ? ":one" : ":two"),
                          prefix + (there ? ":two" : ":one"), "LEFT", "RIGHT"});
      if (moved.find("error") != std::string::npos) ++errors;
    }
    return errors;
  }
  static int Sum(const ProxyProcess& proxy, const std::string& prefix) {
    Client client = proxy.Connect();
    int sum = 0;
    for (int i = 0; i < kAccounts; ++i) {
      sum += std::stoi(client.Command({"GET", prefix + ":account:" + std::to_string(i)}).substr(1));
    }
    return sum;
  }
  static int Elements(const ProxyProcess& proxy, const std::string& prefix) {
    Client client = proxy.Connect();
    int count = 0;
    for (const char* list : {":one", ":two"}) {
      count += std::stoi(client.Command({"LLEN", prefix + list}).substr(10));
    }
    return count;
  }
};

TEST_F(TwoProxiesTest, OfClientsWithKeysOfTheirOwnDoNothingToEachOther) {
  Cluster cluster({.shards = 3});
  ProxyProcess& one = cluster.proxy();
  const ProxyProcess two(cluster.Shards());
  std::atomic<int> errors{0};
  std::thread beside([&] { errors += Transfer(two, "two"); });
  errors += Transfer(one, "one");
  beside.join();
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(Sum(one, "one"), kAccounts * kStart);
  EXPECT_EQ(Sum(two, "two"), kAccounts * kStart);
  EXPECT_EQ(Elements(one, "one"), 100);
  EXPECT_EQ(Elements(two, "two"), 100);
}

}  // namespace
}  // namespace ringmaster::integration
