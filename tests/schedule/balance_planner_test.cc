#include "schedule/balance_planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Workers whose load is the sum of their connections' loads.
struct World {
  explicit World(size_t count) : workers(count) {}

  void Connect(size_t worker, double load, bool stays = false) {
    workers[worker].connections.push_back({++last, load, stays});
    workers[worker].busy += load;
  }
  void Make(const Move& move) {
    std::vector<ConnectionLoad>& from = workers[move.from].connections;
    const auto found = std::find_if(from.begin(), from.end(), [&](const ConnectionLoad& each) {
      return each.id == move.connection;
    });
    ASSERT_NE(found, from.end());
    const ConnectionLoad connection = *found;
    from.erase(found);
    workers[move.from].busy -= connection.load;
    workers[move.to].connections.push_back(connection);
    workers[move.to].busy += connection.load;
  }
  void Push(BalancePlanner& planner) {
    for (const Move& move : planner.Plan(workers, now)) {
      Make(move);
      ++moves;
    }
  }
  double imbalance() const {
    std::vector<double> busy;
    for (const WorkerLoad& worker : workers) busy.push_back(worker.busy);
    return Imbalance(busy);
  }

  std::vector<WorkerLoad> workers;
  uint64_t last = 0;
  TimePoint now = TimePoint(seconds(10));
  size_t moves = 0;
};

TEST(BalancePlannerTest, BusyClientsThatAllArrivedOnOneWorkerAreSpread) {
  World world(4);
  for (int i = 0; i < 16; ++i) world.Connect(0, 0.06);
  for (size_t worker = 1; worker < 4; ++worker) {
    for (int i = 0; i < 16; ++i) world.Connect(worker, 0.001);
  }
  BalancePlanner planner;
  world.Push(planner);
  EXPECT_LE(world.imbalance(), 1.15);
  EXPECT_LE(world.moves, 12U);
}

TEST(BalancePlannerTest, RandomSkewIsEvenAfterOnePlan) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    World world(2 + random() % 7);
    for (int i = 0; i < 300; ++i) {
      const size_t worker =
          std::min<size_t>(random() % world.workers.size(), random() % world.workers.size());
      world.Connect(worker, static_cast<double>(random() % 100) / 10'000);
    }
    BalancePlanner planner;
    world.Push(planner);
    ASSERT_LE(world.imbalance(), 1.15) << "round " << round;
  }
}

TEST(BalancePlannerTest, WhatIsEvenEnoughIsLeftAlone) {
  World world(2);
  for (int i = 0; i < 10; ++i) world.Connect(0, 0.055);
  for (int i = 0; i < 10; ++i) world.Connect(1, 0.045);
  BalancePlanner planner;
  world.Push(planner);
  EXPECT_EQ(world.moves, 0U);
}

TEST(BalancePlannerTest, IdleWorkersAreLeftAloneHoweverUnevenTheyAre) {
  World world(2);
  for (int i = 0; i < 10; ++i) world.Connect(0, 0.004);
  BalancePlanner planner;
  EXPECT_FALSE(planner.Uneven(std::vector<double>{0.04, 0}, world.now));
  world.Push(planner);
  EXPECT_EQ(world.moves, 0U);
}

TEST(BalancePlannerTest, OneHeavyConnectionIsNotMovedToAndFro) {
  World world(2);
  world.Connect(0, 0.9);
  BalancePlanner planner;
  for (int i = 0; i < 50; ++i) {
    world.Push(planner);
    world.now += milliseconds(100);
  }
  EXPECT_EQ(world.moves, 0U);
}

TEST(BalancePlannerTest, NoConnectionMovesTwiceWithinASecond) {
  std::mt19937 random(9);
  World world(3);
  for (size_t i = 0; i < 60; ++i) world.Connect(i % 3, 0.01);
  BalancePlanner planner;
  std::map<uint64_t, TimePoint> moved;
  for (int i = 0; i < 300; ++i) {
    // Whoever is busy changes all the time.
    for (WorkerLoad& worker : world.workers) {
      worker.busy = 0;
      for (ConnectionLoad& connection : worker.connections) {
        connection.load = random() % 5 == 0 ? 0.04 : 0.002;
        worker.busy += connection.load;
      }
    }
    for (const Move& move : planner.Plan(world.workers, world.now)) {
      if (moved.contains(move.connection)) {
        ASSERT_GE(world.now - moved[move.connection], seconds(1));
      }
      moved[move.connection] = world.now;
      world.Make(move);
    }
    world.now += milliseconds(100);
  }
  EXPECT_GT(moved.size(), 5U);
}

TEST(BalancePlannerTest, NothingMovesForLessThanTwoPercent) {
  World world(2);
  world.Connect(0, 0.5, true);
  world.Connect(0, 0.005);
  BalancePlanner planner;
  world.Push(planner);
  EXPECT_EQ(world.moves, 0U);
}

TEST(BalancePlannerTest, ClientsInAStatefulModeStay) {
  World world(2);
  for (int i = 0; i < 8; ++i) world.Connect(0, 0.1, true);
  BalancePlanner planner;
  world.Push(planner);
  EXPECT_EQ(world.moves, 0U);
  EXPECT_FALSE(planner.Pull(world.workers, 1, world.now).has_value());
}

TEST(BalancePlannerTest, AnIdleWorkerTakesTheConnectionThatEvensOutBest) {
  World world(3);
  for (const double load : {0.1, 0.35, 0.25, 0.2}) world.Connect(0, load);
  world.Connect(1, 0.3);
  BalancePlanner planner;
  const auto move = planner.Pull(world.workers, 2, world.now);
  ASSERT_TRUE(move.has_value());
  EXPECT_EQ(*move, (Move{2, 0, 2}));
}

TEST(BalancePlannerTest, NobodyIsPulledFromAWorkerThatCopes) {
  World world(2);
  for (int i = 0; i < 4; ++i) world.Connect(0, 0.1);
  BalancePlanner planner;
  EXPECT_FALSE(planner.Pull(world.workers, 1, world.now).has_value());
}

TEST(BalancePlannerTest, AMoveThatCouldNotBeMadeMayBeTriedAgain) {
  World world(2);
  for (int i = 0; i < 4; ++i) world.Connect(0, 0.2);
  BalancePlanner planner;
  const auto move = planner.Pull(world.workers, 1, world.now);
  ASSERT_TRUE(move.has_value());
  const auto other = planner.Pull(world.workers, 1, world.now);
  ASSERT_TRUE(other.has_value());
  EXPECT_NE(other->connection, move->connection);
  planner.Undo(*move);
  EXPECT_EQ(planner.Pull(world.workers, 1, world.now)->connection, move->connection);
}

}  // namespace
}  // namespace ringmaster
