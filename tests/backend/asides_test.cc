#include "backend/asides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "backend/backend.h"
#include "support/shard_side.h"

namespace ringmaster {
namespace {

using testing::StartsWith;

struct AsidesTest : testing::Test, ShardSide {
  AsidesTest() {
    ShardAddress address;
    address.name = "a";
    address.address = shard().address();
    link = std::make_shared<ShardLink>(address, BackendLimits(), 1);
    backend = std::make_unique<Backend>(backends, link, metrics, 16);
  }
  ~AsidesTest() override {
    Stop();
    backend.reset();
    loop.OnPrepare(nullptr);
  }
  // As a worker does.
  void Stop() {
    backends.stopping = true;
    backend->Close("it stops");
  }
  Connection& connection() { return backend->Shared(0, 2); }
  FakeShard& shard() { return *shards[0]; }
  // Asks, and notes what is told.
  void Ask(const std::string& request) {
    backends.asides.Send(connection(), Slice{request, {}}, {},
                         [this](Outcome outcome, const std::string& reply) {
                           ++answers;
                           told = reply;
                           came = outcome;
                         });
  }

  std::shared_ptr<ShardLink> link;
  ShardMetrics metrics;
  std::unique_ptr<Backend> backend;
  int answers = 0;
  std::string told;
  Outcome came = Outcome::kReplied;
};

std::string Ping() { return MakeRequest({"ECHO", "x"}); }

TEST_F(AsidesTest, TheReplyComesOnceAndThePlaceIsFree) {
  Ask(Ping());
  EXPECT_EQ(backends.asides.under_way(), 1U);
  Turns();
  shard().Send("$1\r\nx\r\n");
  Turns();
  EXPECT_EQ(OnOneLine(told), "$1|x|");
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(backends.asides.under_way(), 0U);
}

TEST_F(AsidesTest, ALargeReplyIsCollected) {
  Ask(Ping());
  Turns();
  const std::string large = "$300000\r\n" + std::string(300'000, 'x') + "\r\n";
  for (size_t sent = 0; sent < large.size(); Turn()) sent += shard().SendSome(large.substr(sent));
  Turns();
  EXPECT_TRUE(told == large) << told.size();
}

TEST_F(AsidesTest, OfAReplyThatIsCutShortOnlyTheErrorIsTold) {
  Ask(Ping());
  Turns();
  const std::string part = "$300000\r\n" + std::string(100'000, 'x');
  for (size_t sent = 0; sent < part.size(); Turn()) sent += shard().SendSome(part.substr(sent));
  EXPECT_EQ(answers, 0);
  shard().Drop();
  Turns();
  EXPECT_EQ(came, Outcome::kUncertain);
  EXPECT_THAT(told, StartsWith("-UNCERTAIN shard a: "));
}

TEST_F(AsidesTest, NobodyNeedsToWantTheReply) {
  backends.asides.Send(connection(), Slice{Ping(), {}}, {.nobody_waits = true}, {});
  Turns();
  shard().Send("$1\r\nx\r\n");
  Turns();
  EXPECT_EQ(shard().Requests(), "ECHO x");
  EXPECT_EQ(backends.asides.under_way(), 0U);
}

TEST_F(AsidesTest, OnesThatNobodyWaitsForLetAReaderHoldUpTheConnection) {
  Asker asker(Ping());
  connection().Send(asker);
  backends.asides.Send(connection(), Slice{Ping(), {}}, {.nobody_waits = true}, {});
  Connection& kept = connection();
  EXPECT_TRUE(kept.KeptFor(asker));
  Ask(Ping());
  EXPECT_FALSE(connection().KeptFor(asker) && &connection() == &kept);
  Stop();
}

TEST_F(AsidesTest, WhatIsUnderWayIsAnsweredWhenTheWorkerStops) {
  Ask(Ping());
  Turns();
  Ask(Ping());
  Stop();
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(backends.asides.under_way(), 0U);
  Ask(Ping());
  EXPECT_EQ(told, "-NOTAPPLIED shard a: the proxy is shutting down\r\n");
  EXPECT_EQ(backends.asides.under_way(), 0U);
}

// Also over one that was given back to be closed in the next turn.
TEST_F(AsidesTest, WhatIsUnderWayOnADiscardedConnectionIsAnsweredToo) {
  Connection* lent = backend->Borrow(0, 2);
  backends.asides.Send(*lent, Slice{Ping(), {}}, {},
                       [this](Outcome, const std::string&) { ++answers; });
  backend->Discard(lent);
  Stop();
  EXPECT_EQ(answers, 1);
}

// It is no part of whoever asked: that may end from inside the reply, and ask on before.
TEST_F(AsidesTest, TheReplyMayEndWhoAsked) {
  struct WhoAsks {
    std::string name = std::string(100, 'n');
  };
  auto asks = std::make_unique<WhoAsks>();
  std::string said;
  backends.asides.Send(connection(), Slice{Ping(), {}}, {},
                       [this, &asks, &said, who = asks.get()](Outcome, const std::string&) {
                         Ask(Ping());
                         said = who->name;
                         asks.reset();
                       });
  Turns();
  shard().Send("$1\r\nx\r\n");
  Turns();
  EXPECT_EQ(said.size(), 100U);
  EXPECT_EQ(asks, nullptr);
  EXPECT_EQ(shard().Requests(), "ECHO x, ECHO x");
  EXPECT_EQ(backends.asides.under_way(), 1U);
}

}  // namespace
}  // namespace ringmaster
