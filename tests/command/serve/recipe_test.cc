#include "command/serve/recipe.h"

#include "command/fixture.h"

namespace ringmaster {
namespace {

// Asks a shard so often, whatever it says.
constexpr int kQuestions = 1000;

Task<std::string> AskAgainAndAgain(RecipeCall& call) {
  for (int i = 0; i < kQuestions; ++i) {
    std::string request = "*1\r\n$4\r\nPING\r\n";
    const Answer answer = co_await call.Ask(0, std::move(request), true);
    if (!answer.is_error()) co_return answer.reply;
  }
  co_return "+done\r\n";
}

class Replies final : public Sink {
 public:
  void OnReply(Exchange&, const Slice& reply) override { told += OneLine(reply.bytes); }
  void OnReplyPart(Exchange&, const Slice& part) override { told += OneLine(part.bytes); }
  std::string told;
};

class RecipeTest : public CommandTest {
 protected:
  // Started by a client, which may leave.
  void Start(ClientState& client, RecipeFunction recipe) {
    exchange_.sink = &replies_;
    const std::vector<Bytes> args = {"GET", "k"};
    Call call{args, Slice(), *context().table.FindByName("get"), client, context(), exchange_};
    context().recipes.Start(call, recipe);
  }

  Request exchange_;
  Replies replies_;
};

TEST_F(RecipeTest, WhatIsAnsweredAtOnceAgainAndAgainGoesOnInLaterTurns) {
  FailShards();
  Start(client(), AskAgainAndAgain);
  int turns = 0;
  for (; replies_.told.empty() && turns < kQuestions; ++turns) {
    ASSERT_EQ(proxy_.timers.size(), 1U);
    proxy_.Advance(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(replies_.told, "+done|");
  EXPECT_GE(turns, 10);
}

RecipeCall* at_work = nullptr;

Task<std::string> SleepForASecond(RecipeCall& call) {
  at_work = &call;
  co_await call.Sleep(std::chrono::seconds(1));
  co_return call.client_gone() ? "+gone\r\n" : "+here\r\n";
}

TEST_F(RecipeTest, ClientThatLeavesIsNotKnownAnyMore) {
  auto leaving = std::make_unique<ClientState>();
  Start(*leaving, SleepForASecond);
  EXPECT_EQ(at_work->client(), leaving.get());
  leaving.reset();
  EXPECT_TRUE(at_work->client_gone());
  proxy_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(replies_.told, "+gone|");
  replies_.told.clear();
  Start(client(), SleepForASecond);
  proxy_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(replies_.told, "+here|");
}

// Whatever a recipe that nobody asked for holds goes with it, done or given up.
std::shared_ptr<int> held;

Task<std::string> HoldForASecond(RecipeCall& call) {
  const std::shared_ptr<int> mine = held;
  co_await call.Sleep(std::chrono::seconds(1));
  co_return call.client_gone() ? "+gone\r\n" : "+here\r\n";
}

TEST_F(RecipeTest, OneThatNobodyAskedForIsOwnedByTheSet) {
  held = std::make_shared<int>(1);
  const Command& command = *context().table.FindByName("fcall");
  RecipeSet& recipes = context().recipes;
  recipes.StartUnasked(context(), command, HoldForASecond);
  EXPECT_EQ(recipes.running(), 1U);
  EXPECT_EQ(held.use_count(), 2);
  proxy_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(recipes.running(), 0U);
  EXPECT_EQ(held.use_count(), 1);
  recipes.StartUnasked(context(), command, HoldForASecond);
  EXPECT_EQ(held.use_count(), 2);
  recipes.Clear();
  EXPECT_EQ(held.use_count(), 1);
  held.reset();
}

Task<std::string> NameLastShard(RecipeCall& call) {
  const uint32_t last = call.routes().shard_count() - 1;
  co_await call.Sleep(std::chrono::seconds(1));
  std::string request = "*1\r\n$4\r\nPING\r\n";
  const Answer answer = co_await call.Ask(last, std::move(request), true);
  co_return "+" + call.routes().shard_name(last) + (call.routes_changed() ? " changed" : "") +
      (answer.is_error() ? " down" : " up") + "\r\n";
}

// A shard that left meanwhile still has its number.
TEST_F(RecipeTest, NumbersOfShardsAreThoseOfItsBeginning) {
  FailShards();
  Start(client(), NameLastShard);
  UseShards(1);
  router().Tick(proxy_.now);
  proxy_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(replies_.told, "+c changed down|");
}

}  // namespace
}  // namespace ringmaster
