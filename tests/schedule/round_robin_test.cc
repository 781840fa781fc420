#include "schedule/round_robin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

namespace ringmaster {
namespace {

// A client of the model: what waits in its socket, and what it was given.
struct Client : TurnTaker {
  uint64_t waiting = 0;  // commands
  uint64_t size = 32;    // bytes of each
  uint64_t commands = 0;
  uint64_t bytes = 0;
  uint64_t turns = 0;
};

class World {
 public:
  explicit World(size_t clients, const RoundRobinRule& rule = {}) : line(rule) {
    for (size_t i = 0; i < clients; ++i) all.push_back(std::make_unique<Client>());
  }
  ~World() {
    for (const auto& client : all) line.Leave(*client);
  }
  Client& operator[](size_t index) { return *all[index]; }

  // As a session does when its turn has begun.
  void Serve(Client& client) {
    ++client.turns;
    while (client.waiting > 0) {
      --client.waiting;
      ++client.commands;
      client.bytes += client.size;
      ++served;
      if (!line.Charge(client, client.size)) break;
    }
    if (client.waiting > 0) line.Yield(client);
  }
  void Readable(Client& client) {
    if (line.Enter(client)) Serve(client);
  }
  // A turn of the loop: the sockets, then the line.
  void Turn() {
    for (const auto& client : all) {
      if (client->waiting > 0 && !client->waits_for_turn()) Readable(*client);
    }
    line.NewTurn();
    while (Client* client = line.Next()) Serve(*client);
  }

  RoundRobin<Client> line;
  std::vector<std::unique_ptr<Client>> all;
  uint64_t served = 0;
};

// R. Jain's fairness index: 1 when all got the same, 1/n when one got everything.
template <typename Got>
double Fairness(const World& world, Got got) {
  double sum = 0;
  double squares = 0;
  for (const auto& client : world.all) {
    const auto each = static_cast<double>(got(*client));
    sum += each;
    squares += each * each;
  }
  return sum * sum / (squares * static_cast<double>(world.all.size()));
}

TEST(RoundRobinTest, WhoIsAloneIsServedAtOnceAndWithoutEnd) {
  World world(1);
  world[0].waiting = 1000;
  world.Readable(world[0]);
  EXPECT_EQ(world[0].commands, 32U);
  for (int i = 0; i < 10; ++i) world.Turn();
  EXPECT_EQ(world[0].commands, 1000U);
  EXPECT_TRUE(world.line.empty());
}

TEST(RoundRobinTest, ATurnEndsWithItsCommandsOrItsBytes) {
  World world(2, {.commands = 8, .bytes = 1000});
  world[0].waiting = world[1].waiting = 100;
  world[1].size = 400;
  world.Readable(world[0]);
  world.Readable(world[1]);
  EXPECT_EQ(world[0].commands, 8U);
  EXPECT_EQ(world[1].commands, 3U);
}

TEST(RoundRobinTest, BusyClientsGetTheSameBytesOverRandomArrivals) {
  std::mt19937 random(7);
  World world(20, {.bytes = 4096});
  for (int turn = 0; turn < 3000; ++turn) {
    for (const auto& client : world.all) {
      if (client->waiting > 200) continue;
      client->waiting += random() % 500;
    }
    for (size_t i = 0; i < 20; ++i) world[i].size = 100 + random() % (200 * (i + 1));
    world.Turn();
  }
  EXPECT_GT(Fairness(world, [](const Client& client) { return client.bytes; }), 0.98);
}

TEST(RoundRobinTest, ClientsOfSmallCommandsGetTheSameNumberOfThem) {
  std::mt19937 random(11);
  World world(50);
  for (int turn = 0; turn < 2000; ++turn) {
    for (const auto& client : world.all) {
      if (client->waiting < 64) client->waiting += random() % 1000;
    }
    world.Turn();
  }
  EXPECT_GT(Fairness(world, [](const Client& client) { return client.commands; }), 0.99);
}

TEST(RoundRobinTest, ALoneCommandWaitsForNoHeavyClientHoweverManyThereAre) {
  for (const size_t heavy : {1U, 10U, 100U, 1000U}) {
    World world(heavy + 1);
    for (size_t i = 0; i < heavy; ++i) world[i].waiting = 1U << 30;
    for (int turn = 0; turn < 5; ++turn) world.Turn();
    Client& lone = world[heavy];
    const uint64_t before = world.served;
    lone.waiting = 1;
    world.Readable(lone);
    EXPECT_EQ(lone.commands, 1U) << heavy << " heavy clients";
    EXPECT_EQ(world.served - before, 1U);
  }
}

TEST(RoundRobinTest, ALoneCommandThatCannotBeServedAtOnceIsTheNext) {
  World world(11);
  for (size_t i = 0; i < 10; ++i) world[i].waiting = 1U << 20;
  world.Turn();
  world[10].waiting = 1;
  world.line.Wake(world[10]);
  world.line.NewTurn();
  EXPECT_EQ(world.line.Next(), &world[10]);
}

TEST(RoundRobinTest, ASecondCommandInOneRoundWaitsAtMostThatRound) {
  World world(11);
  for (size_t i = 0; i < 10; ++i) world[i].waiting = 1U << 20;
  world.Turn();
  Client& quick = world[10];
  for (int i = 0; i < 200; ++i) {
    quick.waiting = 1;
    const uint64_t before = world.served;
    world.Readable(quick);
    for (int turn = 0; quick.waiting > 0 && turn < 10; ++turn) world.Turn();
    ASSERT_EQ(quick.waiting, 0U);
    // One round of ten quanta, and the turn of the loop in which it falls.
    ASSERT_LE(world.served - before, 10U * 32 + 512 + 1);
  }
}

TEST(RoundRobinTest, ManyLightClientsDoNotStarveAHeavyOne) {
  World world(201);
  Client& heavy = world[200];
  heavy.waiting = 1U << 30;
  world.Turn();
  const uint64_t before = world.served;
  const uint64_t had = heavy.commands;
  for (int turn = 0; turn < 1000; ++turn) {
    for (size_t i = 0; i < 200; ++i) world[i].waiting = 1;
    world.Turn();
  }
  const auto share =
      static_cast<double>(heavy.commands - had) / static_cast<double>(world.served - before);
  EXPECT_GT(share, 1.0 / 201);
}

TEST(RoundRobinTest, AHugeCommandIsPaidForInLaterTurns) {
  World world(2, {.commands = 32, .bytes = 1000, .debt = 64});
  world[0].waiting = world[1].waiting = 1U << 20;
  world[0].size = 10'000;
  world[1].size = 100;
  while (world.served < 100'000) world.Turn();
  const auto ratio = static_cast<double>(world[0].bytes) / static_cast<double>(world[1].bytes);
  EXPECT_NEAR(ratio, 1, 0.1);
}

TEST(RoundRobinTest, ADebtIsBounded) {
  World world(2, {.commands = 32, .bytes = 1000, .debt = 4});
  world[0].waiting = world[1].waiting = 1U << 20;
  world[0].size = 1'000'000'000;
  for (int turn = 0; turn < 100; ++turn) world.Turn();
  EXPECT_GT(world[0].turns, 10U);
}

TEST(RoundRobinTest, WhatIsOwedIsForgivenWhenNobodyElseWaits) {
  World world(1, {.bytes = 1000});
  world[0].size = 1'000'000;
  world[0].waiting = 1;
  world.Readable(world[0]);
  world[0].waiting = 1;
  world.Readable(world[0]);
  EXPECT_EQ(world[0].commands, 2U);
}

TEST(RoundRobinTest, TheLineEndsAfterALoopTurnSoThatSocketsAreLookedAt) {
  World world(100, {.commands = 32, .loop_turn = 128});
  for (const auto& client : world.all) client->waiting = 1U << 20;
  world.Turn();
  const uint64_t before = world.served;
  world.line.NewTurn();
  while (Client* client = world.line.Next()) world.Serve(*client);
  EXPECT_EQ(world.served - before, 128U);
}

TEST(RoundRobinTest, TurnsAreLongerWhileNobodyIsInteractive) {
  for (const bool unhurried : {false, true}) {
    World world(2);
    for (const auto& client : world.all) {
      client->waiting = 10'000;
      world.line.Wake(*client);
    }
    world.line.NewTurn(unhurried);
    world.Serve(*world.line.Next());
    EXPECT_EQ(world.served, unhurried ? 512U : 32U);
    while (Client* client = world.line.Next()) world.Serve(*client);
    EXPECT_EQ(world.served, unhurried ? 2048U : 512U);
  }
}

TEST(RoundRobinTest, WhoLeavesIsNotServedAndComesBackWithItsDebt) {
  World world(3);
  for (size_t i = 0; i < 3; ++i) world[i].waiting = 100;
  for (size_t i = 0; i < 3; ++i) world.Readable(world[i]);
  world.line.Leave(world[0]);
  world.line.Leave(world[0]);
  world.line.NewTurn();
  EXPECT_EQ(world.line.Next(), &world[1]);
  EXPECT_FALSE(world.line.Enter(world[0]));
  EXPECT_TRUE(world[0].waits_for_turn());
}

}  // namespace
}  // namespace ringmaster
