#include "command/gate/lock_gate.h"

#include "command/fixture.h"

namespace ringmaster {
namespace {

constexpr size_t kMebibyte = 1U << 20;

class Replies final : public Sink {
 public:
  void OnReply(Exchange&, const Slice& reply) override { told += OneLine(reply.bytes); }
  void OnReplyPart(Exchange&, const Slice&) override {}
  std::string told;
};

// Shards fail at once: what is let through is answered with that.
class LockGateTest : public CommandTest {
 protected:
  LockGateTest() {
    context().locks = &gate_;
    FailShards();
  }
  ~LockGateTest() override { context().locks = nullptr; }

  LockTicket Lock(const std::vector<std::string>& keys, bool shared = false) {
    std::vector<LockKey> wanted;
    wanted.reserve(keys.size());
    for (const std::string& key : keys) wanted.push_back({0, key, shared});
    LockTicket granted = 0;
    gate_.Acquire(std::move(wanted), [&granted](LockTicket ticket) { granted = ticket; });
    return granted;
  }
  std::unique_ptr<Sent> Send(const std::vector<std::string>& words) {
    return std::make_unique<Sent>(context(), words, client());
  }
  static bool Passed(const Sent& sent) { return sent.told.find("it is down") != std::string::npos; }

  LockService service_{1, [this](size_t, const auto& message) { message(gate_); }};
  LockGate gate_{context(), ServingByDispatch(), service_, 0};
};

TEST_F(LockGateTest, CommandsOnLockedKeysWaitAndGoInTheirOrder) {
  const LockTicket ticket = Lock({"k"});
  ASSERT_NE(ticket, 0U);
  const auto other = Send({"GET", "other"});
  EXPECT_TRUE(Passed(*other));
  const auto first = Send({"SET", "k", "v"});
  const auto second = Send({"MGET", "other", "k"});
  EXPECT_TRUE(first->waits() && second->waits());
  EXPECT_EQ(gate_.waiting(), 2U);
  EXPECT_EQ(gate_.waiting_bytes(), std::string("SETkvMGETotherk").size());
  service_.Release(ticket);
  EXPECT_TRUE(Passed(*first) && Passed(*second));
  EXPECT_EQ(gate_.waiting(), 0U);
  EXPECT_EQ(gate_.waiting_bytes(), 0U);
}

TEST_F(LockGateTest, ReadersPassSharedLocks) {
  const LockTicket ticket = Lock({"k"}, true);
  EXPECT_TRUE(Passed(*Send({"GET", "k"})));
  const auto write = Send({"SET", "k", "v"});
  EXPECT_TRUE(write->waits());
  service_.Release(ticket);
  EXPECT_TRUE(Passed(*write));
}

TEST_F(LockGateTest, WhoWaitsTooLongIsRefusedAndNamesItsShard) {
  const LockTicket ticket = Lock({"k"});
  const auto late = Send({"GET", "k"});
  const auto flush = Send({"FLUSHALL"});
  proxy_.now += LockGate::kLockWait + std::chrono::milliseconds(1);
  const auto fresh = Send({"GET", "k"});
  gate_.Tick(proxy_.now);
  const std::string shard = "shard " + router().shard_name(router().ShardOf("k")) + ":";
  EXPECT_EQ(late->told.find("-NOTAPPLIED"), 0U);
  EXPECT_NE(late->told.find(shard), std::string::npos) << late->told;
  EXPECT_NE(late->told.find("locked"), std::string::npos);
  EXPECT_NE(flush->told.find("locked"), std::string::npos);
  EXPECT_TRUE(fresh->waits());
  service_.Release(ticket);
  EXPECT_TRUE(Passed(*fresh));
  EXPECT_EQ(gate_.waiting_bytes(), 0U);
}

// At two ticks, for a machine that stood still; what gets on is waited for longer
// (LargeRepliesInFrontTest).
TEST_F(LockGateTest, WhereALockIsNotHadForWhatDoesNotGetOnWhoWaitsForItIsRefused) {
  gate_.OnRecipeBegan();
  LockTicket got = 1;
  bool told = false;
  gate_.Acquire({{0, "k", false}}, [&](LockTicket ticket) { told = true, got = ticket; });
  const auto held = Send({"GET", "k"});
  const auto flush = Send({"FLUSHALL"});
  proxy_.now += LockGate::kLockWait + std::chrono::milliseconds(1);
  gate_.Tick(proxy_.now);
  EXPECT_FALSE(told);
  EXPECT_TRUE(held->waits() && flush->waits());
  gate_.Tick(proxy_.now);
  EXPECT_TRUE(told);
  EXPECT_EQ(got, 0U);
  gate_.Tick(proxy_.now);
  EXPECT_FALSE(held->waits());
  gate_.EndTurn();
  EXPECT_FALSE(flush->waits());
}

TEST_F(LockGateTest, WhoHasPatienceOfItsOwnWaitsNoLonger) {
  gate_.OnRecipeBegan();
  LockTicket got = 1;
  gate_.Acquire(
      {{0, "k", false}}, [&](LockTicket ticket) { got = ticket; }, std::chrono::milliseconds(100));
  proxy_.now += std::chrono::milliseconds(100);
  gate_.Tick(proxy_.now);
  EXPECT_EQ(got, 1U);
  proxy_.now += std::chrono::milliseconds(1);
  gate_.Tick(proxy_.now);
  EXPECT_EQ(got, 0U);
}

TEST_F(LockGateTest, WhatWasInTheWayAndEndsLetsAllGo) {
  const uint64_t recipe = gate_.OnRecipeBegan();
  LockTicket got = 0;
  gate_.Acquire({{0, "k", false}}, [&](LockTicket ticket) { got = ticket; });
  const auto held = Send({"GET", "k"});
  proxy_.now += LockGate::kLockWait + std::chrono::milliseconds(1);
  gate_.Tick(proxy_.now);
  gate_.OnRecipeEnded(recipe);
  gate_.EndTurn();
  EXPECT_NE(got, 0U);
  service_.Release(got);
  EXPECT_TRUE(Passed(*held));
}

// FLUSHALL names no key, and comes when there is no room. All that waited is given back.
TEST_F(LockGateTest, BeyondItsBytesItRefusesAndIsAsBeforeAfterwards) {
  const std::string value(9 * kMebibyte, 'v');
  for (int round = 0; round < 3; ++round) {
    const LockTicket ticket = Lock({"k"});
    std::vector<std::unique_ptr<Sent>> waiting;
    for (int i = 0; i < 7; ++i) {
      waiting.push_back(Send({"SET", "k", value}));
      ASSERT_TRUE(waiting.back()->waits()) << round << " " << waiting.back()->told;
    }
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"SET", "k", value}, {"FLUSHALL", value}, {"FLUSHDB", value}}) {
      const auto refused = Send(words);
      EXPECT_NE(refused->told.find("too many commands wait"), std::string::npos) << words[0];
    }
    // What is not locked is none of its business.
    EXPECT_TRUE(Passed(*Send({"SET", "other", value})));
    service_.Release(ticket);
    for (const auto& sent : waiting) EXPECT_TRUE(Passed(*sent));
    EXPECT_EQ(gate_.waiting_bytes(), 0U);
  }
}

TEST_F(LockGateTest, OneThatIsLargerThanAllRoomWaitsAlone) {
  const LockTicket ticket = Lock({"k"});
  const auto large = Send({"SET", "k", std::string(70 * kMebibyte, 'v')});
  EXPECT_TRUE(large->waits());
  EXPECT_FALSE(Send({"GET", "k"})->waits());
  service_.Release(ticket);
  EXPECT_TRUE(Passed(*large));
  EXPECT_EQ(gate_.waiting_bytes(), 0U);
}

// The recipe that asked waits for the answer still: a command of an EXEC.
TEST_F(LockGateTest, CommandOfARecipeIsServedThoughItsClientLeft) {
  auto leaving = std::make_unique<ClientState>();
  leaving->in_exec = true;
  const LockTicket ticket = Lock({"k"});
  Sent get(context(), {"GET", "k"}, *leaving);
  Sent keys(context(), {"SORT", "k", "BY", "w_*"}, *leaving);
  ASSERT_TRUE(get.waits() && keys.waits());
  leaving.reset();
  service_.Release(ticket);
  EXPECT_TRUE(Passed(get)) << get.told;
  EXPECT_FALSE(keys.waits());
}

TEST_F(LockGateTest, CommandOfAClientThatLeftDoesNothing) {
  auto leaving = std::make_unique<ClientState>();
  const LockTicket ticket = Lock({"k"});
  Sent get(context(), {"GET", "k"}, *leaving);
  Replies reaper;
  get.Forsake(reaper);
  leaving.reset();
  service_.Release(ticket);
  EXPECT_EQ(reaper.told.find("-NOTAPPLIED"), 0U) << reaper.told;
  EXPECT_EQ(reaper.told.find("it is down"), std::string::npos);
}

TEST_F(LockGateTest, FlushWaitsUntilNothingIsLocked) {
  const LockTicket ticket = Lock({"k"});
  const auto flush = Send({"FLUSHALL"});
  gate_.EndTurn();
  EXPECT_TRUE(flush->waits());
  service_.Release(ticket);
  gate_.EndTurn();
  EXPECT_FALSE(flush->waits());
  EXPECT_EQ(gate_.waiting_bytes(), 0U);
}

}  // namespace
}  // namespace ringmaster
