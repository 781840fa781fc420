// The promise: a failover that an operator orders loses no write that was acknowledged, and clients
// see no error of it but a short wait.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

#include "support/groups.h"

namespace ringmaster::integration {
namespace {

constexpr int kClients = 8;

// Each client counts on a key of its own, as fast as it is answered.
class Counters {
 public:
  explicit Counters(Groups& groups) {
    for (int i = 0; i < kClients; ++i) {
      threads_.emplace_back([this, i, client = groups.Connect()]() mutable { Count(i, client); });
    }
  }
  ~Counters() { Stop(); }
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  uint64_t total() const {
    uint64_t sum = 0;
    for (const auto& count : counts_) sum += count;
    return sum;
  }
  uint64_t of(int i) const { return counts_[static_cast<size_t>(i)]; }
  Duration longest() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(longest_, Duration(0));
  }
  std::vector<std::string> errors() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return errors_;
  }

 private:
  void Count(int number, Client& client) {
    const std::string key = "counter:" + std::to_string(number);
    while (!stop_ && client.connected()) {
      const TimePoint asked = MonotonicNow();
      const std::string reply = client.Command({"INCR", key});
      const Duration took = MonotonicNow() - asked;
      std::atomic<uint64_t>& count = counts_[static_cast<size_t>(number)];
      const bool counted = reply == "(integer) " + std::to_string(count + 1);
      if (counted) ++count;
      const std::lock_guard<std::mutex> lock(mutex_);
      longest_ = std::max(longest_, took);
      if (counted) continue;
      errors_.push_back(std::to_string(count + 1) + ": " + reply);
      return;
    }
  }

  std::atomic<bool> stop_{false};
  std::array<std::atomic<uint64_t>, kClients> counts_{};
  std::mutex mutex_;
  Duration longest_{};
  std::vector<std::string> errors_;
  std::vector<std::thread> threads_;
};

// Behind `name`; -1: it is not there.
int64_t Number(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  return at == std::string::npos ? -1 : std::atoll(text.c_str() + at + name.size());
}

TEST(FailoverOrderedTest, NothingIsLostAndNobodySeesAnError) {
  constexpr int kRounds = 5;
  Groups groups({.groups = 1, .replicas = 1});
  Counters counters(groups);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t done = counters.total();
    ASSERT_TRUE(Eventually([&] { return counters.total() > done + 2000; }))
        << testing::PrintToString(counters.errors());
    RedisServer* old = groups.Primary(0);
    ASSERT_NE(old, nullptr);
    const std::string before = groups.ShardAddress(0);
    counters.longest();
    ASSERT_TRUE(Eventually(
        [&] {
          return groups.sentinels().Command(0, {"SENTINEL", "FAILOVER", "s0"}) == "OK";
        },
        kPatience * 3));
    ASSERT_TRUE(groups.Follows(0, before)) << groups.sentinels().Log(0);
    const uint64_t switched = counters.total();
    ASSERT_TRUE(Eventually([&] { return counters.total() > switched + 1000; }))
        << testing::PrintToString(counters.errors());
    const Duration longest = counters.longest();
    std::cout << "round " << round << ": longest wait " << Milliseconds(longest) << " ms\n";
    EXPECT_LT(Milliseconds(longest), 3000 * Slowness());
    ASSERT_THAT(counters.errors(), testing::IsEmpty());
    // Sentinel does it, too, eight seconds later; the next round needs a replica that has it all.
    const std::string promoted = groups.ShardAddress(0);
    old->Command({"REPLICAOF", "127.0.0.1", promoted.substr(promoted.rfind(':') + 1)});
    ASSERT_TRUE(Eventually([&] { return groups.Primary(0) != nullptr; }));
    const RedisServer& now = *groups.Primary(0);
    ASSERT_EQ(now.Command({"SET", "seen", "1"}), "OK");
    const int64_t written = Number(now.Command({"INFO", "replication"}), "master_repl_offset:");
    ASSERT_TRUE(Eventually(
        [&] {
          const std::string info = now.Command({"INFO", "replication"});
          return info.find("state=online") != std::string::npos &&
                 Number(info, "state=online,offset=") >= written;
        },
        kPatience * 3))
        << now.Command({"INFO", "replication"});
  }
  counters.Stop();
  EXPECT_THAT(counters.errors(), testing::IsEmpty());
  Client client = groups.Connect();
  for (int i = 0; i < kClients; ++i) {
    EXPECT_EQ(client.Command({"GET", "counter:" + std::to_string(i)}),
              "\"" + std::to_string(counters.of(i)) + "\"");
  }
}

}  // namespace
}  // namespace ringmaster::integration
