#include "schedule/bulk_limiter.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

struct Client : TurnTaker {};

class TransferGateTest : public ::testing::Test {
 protected:
  ~TransferGateTest() override {
    for (const auto& client : clients) {
      gate.Leave(*client);
      line.Leave(*client);
    }
  }
  Client& Make() { return *clients.emplace_back(std::make_unique<Client>()); }

  BulkLimiter<Client> gate;
  RoundRobin<Client> line;
  std::vector<std::unique_ptr<Client>> clients;
  TimePoint now = TimePoint(std::chrono::seconds(5));
};

TEST_F(TransferGateTest, WithoutInteractiveClientsEverybodyPasses) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(gate.Enter(Make(), false, now));
}

TEST_F(TransferGateTest, BesideThemOneAtATimePassesInOrderOfArrival) {
  Client& first = Make();
  Client& second = Make();
  Client& third = Make();
  EXPECT_TRUE(gate.Enter(first, true, now));
  EXPECT_TRUE(gate.Enter(first, true, now)) << "it is inside already";
  EXPECT_FALSE(gate.Enter(second, true, now));
  EXPECT_FALSE(gate.Enter(third, true, now));
  EXPECT_EQ(gate.Next(now), nullptr);
  gate.Leave(first);
  EXPECT_EQ(gate.Next(now), &second);
  EXPECT_EQ(gate.Next(now), nullptr);
  gate.Leave(second);
  EXPECT_EQ(gate.Next(now), &third);
}

TEST_F(TransferGateTest, OneThatTakesItsTimeHoldsUpTheOthersForTheirPatienceOnly) {
  Client& slow = Make();
  gate.Enter(slow, true, now);
  Client& first = Make();
  Client& second = Make();
  gate.Enter(first, true, now);
  gate.Enter(second, true, now);
  now += milliseconds(5);
  EXPECT_EQ(gate.Next(now), &first);
  EXPECT_EQ(gate.Next(now), nullptr);
  now += milliseconds(5);
  EXPECT_EQ(gate.Next(now), &second);
}

TEST_F(TransferGateTest, WhoWaitsJoinsNoLineAndLeavesNone) {
  Client& inside = Make();
  Client& waits = Make();
  gate.Enter(inside, true, now);
  gate.Enter(waits, true, now);
  line.Wake(waits);
  line.Leave(waits);
  EXPECT_TRUE(gate.Waits(waits));
  EXPECT_TRUE(line.empty());
  gate.Leave(inside);
  EXPECT_EQ(gate.Next(now), &waits);
  line.Wake(waits);
  EXPECT_FALSE(line.empty());
}

TEST_F(TransferGateTest, WhoIsInLineAndMayNotPassLeavesTheLine) {
  Client& inside = Make();
  Client& waits = Make();
  gate.Enter(inside, true, now);
  line.Wake(waits);
  EXPECT_FALSE(gate.Enter(waits, true, now));
  line.NewTurn();
  EXPECT_EQ(line.Next(), nullptr);
  EXPECT_TRUE(gate.Waits(waits));
}

TEST_F(TransferGateTest, NobodyWaitsForeverWhateverTheOthersDo) {
  std::mt19937 random(2);
  for (int i = 0; i < 20; ++i) Make();
  std::vector<TimePoint> since(20, now);
  for (int i = 0; i < 50'000; ++i) {
    now += std::chrono::microseconds(random() % 1000);
    const size_t at = random() % 20;
    Client& client = *clients[at];
    if (gate.Inside(client)) {
      if (random() % 2 == 0) gate.Leave(client);
    } else if (!gate.Waits(client)) {
      since[at] = now;
      gate.Enter(client, true, now);
    }
    while (Client* next = gate.Next(now)) {
      for (size_t k = 0; k < 20; ++k) {
        if (clients[k].get() != next) continue;
        ASSERT_LE(now - since[k], milliseconds(20 * 6));
      }
    }
  }
}

}  // namespace
}  // namespace ringmaster
