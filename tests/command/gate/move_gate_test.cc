#include "command/gate/move_gate.h"

#include "command/fixture.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

// From shards a and b to a, b and c, which fail at once: what is let through is answered with that.
class MoveGateTest : public CommandTest {
 protected:
  MoveGateTest() {
    context().moves = &gate_;
    FailShards();
    TopologySpec to = router().topology().spec();
    TopologySpec from = to;
    from.shards.pop_back();
    move_ = RingMove::Plan(from, to, 2).value();
    int n = 0;
    while (!move_->Locate(moving_).moves()) moving_ = "m" + std::to_string(++n);
    while (move_->Locate(staying_).moves()) staying_ = "s" + std::to_string(++n);
  }
  ~MoveGateTest() override { context().moves = nullptr; }

  std::unique_ptr<Sent> Send(const std::vector<std::string>& words) {
    return std::make_unique<Sent>(context(), words, client());
  }
  static bool Passed(const Sent& sent) { return sent.told.find("it is down") != std::string::npos; }
  void Freeze() {
    gate_.Freeze(move_, proxy_.now, [this] { drained_ = true; });
  }

  MoveGate gate_{context(), ServingByDispatch()};
  std::shared_ptr<const RingMove> move_;
  std::string moving_ = "m";
  std::string staying_ = "s";
  bool drained_ = false;
};

TEST_F(MoveGateTest, FreezeHoldsCommandsOnMovingKeysUntilItThaws) {
  Freeze();
  EXPECT_TRUE(drained_);
  const auto get = Send({"GET", moving_});
  const auto set = Send({"SET", moving_, "v"});
  EXPECT_TRUE(get->waits() && set->waits());
  EXPECT_TRUE(Passed(*Send({"GET", staying_})));
  EXPECT_EQ(gate_.waiting_bytes(), std::string("GETSETv").size() + 2 * moving_.size());
  gate_.Thaw();
  EXPECT_TRUE(Passed(*get) && Passed(*set));
  EXPECT_EQ(gate_.waiting_bytes(), 0U);
}

TEST_F(MoveGateTest, KeyIsBroughtBeforeItsFirstCommand) {
  Freeze();
  const auto held = Send({"SET", moving_, "v"});
  gate_.Switch(move_);  // the proxy at hand brings it at once
  EXPECT_TRUE(Passed(*held));
  EXPECT_TRUE(Passed(*Send({"GET", moving_})));
  EXPECT_EQ(gate_.waiting_bytes(), 0U);
}

TEST_F(MoveGateTest, BeyondItsBytesItRefusesAndIsAsBeforeAfterwards) {
  const std::string value(size_t{9} << 20, 'v');
  for (int round = 0; round < 2; ++round) {
    Freeze();
    std::vector<std::unique_ptr<Sent>> waiting;
    for (int i = 0; i < 7; ++i) waiting.push_back(Send({"SET", moving_, value}));
    for (const auto& sent : waiting) ASSERT_TRUE(sent->waits()) << round << " " << sent->told;
    const auto refused = Send({"SET", moving_, value});
    EXPECT_NE(refused->told.find("too many commands wait"), std::string::npos);
    gate_.Thaw();
    for (const auto& sent : waiting) EXPECT_TRUE(Passed(*sent));
    EXPECT_EQ(gate_.waiting_bytes(), 0U);
  }
}

// The recipe that asked waits for the answer still: a command of an EXEC.
TEST_F(MoveGateTest, CommandOfARecipeIsServedThoughItsClientLeft) {
  Freeze();
  auto leaving = std::make_unique<ClientState>();
  leaving->in_exec = true;
  Sent get(context(), {"GET", moving_}, *leaving);
  Sent pop(context(), {"LPOP", moving_}, *leaving);
  ASSERT_TRUE(get.waits() && pop.waits());
  leaving.reset();
  gate_.Thaw();
  EXPECT_TRUE(Passed(get) && Passed(pop));
}

TEST_F(MoveGateTest, FlushWaitsForTheEndOfAFreeze) {
  Freeze();
  const auto flush = Send({"FLUSHALL"});
  EXPECT_TRUE(flush->waits());
  gate_.Thaw();
  EXPECT_FALSE(flush->waits());
  EXPECT_EQ(gate_.waiting_bytes(), 0U);
}

}  // namespace
}  // namespace ringmaster
