// The promise: a command on a key of a moving range runs when the key is where it is sent, in the
// order in which commands on that key came; reads run as soon as there is a copy.
#include "move/moving_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmaster {
namespace {

using Access = MovingKeys::Access;
using Copy = MovingKeys::Copy;
using Verdict = MovingKeys::Verdict;

class MovingKeysTest : public testing::Test {
 protected:
  void SetUp() override {
    keys_.Freeze();
    keys_.Switch(actions_);
  }
  MovingKeys::Verdict Ask(MovingKeys::Token token, const std::vector<std::string>& names,
                          Access access) {
    std::vector<MovingKeys::Key> keys;
    for (const std::string& name : names) keys.push_back({0, name});
    return keys_.Touch(token, keys, access, actions_);
  }
  // Whether it runs at once.
  bool Touch(MovingKeys::Token token, const std::vector<std::string>& names, Access access) {
    return Ask(token, names, access) == MovingKeys::Verdict::kRuns;
  }
  // What is to be done since the last call: "pull a run 1 2 fail 3".
  std::string Told() {
    std::string text;
    for (const MovingKeys::Pull& pull : actions_.pulls) text += "pull " + pull.key + " ";
    for (const MovingKeys::Token token : actions_.run) text += "run " + std::to_string(token) + " ";
    for (const MovingKeys::Token token : actions_.read_old) {
      text += "read " + std::to_string(token) + " ";
    }
    for (const MovingKeys::Token token : actions_.fail) {
      text += "fail " + std::to_string(token) + " ";
    }
    actions_.Clear();
    return text;
  }

  MovingKeys keys_;
  MovingKeys::Actions actions_;
};

TEST_F(MovingKeysTest, CommandsWaitUntilTheKeyIsHereAndKeepTheirOrder) {
  EXPECT_FALSE(Touch(1, {"a"}, Access::kWrite));
  EXPECT_FALSE(Touch(2, {"a"}, Access::kRead));
  EXPECT_FALSE(Touch(3, {"a"}, Access::kWrite));
  EXPECT_EQ(Told(), "pull a ") << "once";
  keys_.OnHere(0, "a", actions_);
  EXPECT_EQ(Told(), "run 1 run 2 run 3 ");
  EXPECT_TRUE(Touch(4, {"a"}, Access::kWrite));
}

TEST_F(MovingKeysTest, ReadsRunWhenThereIsACopyAndWritesWhenItIsTheOnlyOne) {
  EXPECT_FALSE(Touch(1, {"a"}, Access::kRead));
  EXPECT_FALSE(Touch(2, {"a"}, Access::kRead));
  EXPECT_FALSE(Touch(3, {"a"}, Access::kWrite));
  EXPECT_FALSE(Touch(4, {"a"}, Access::kRead));
  Told();
  keys_.OnReadable(0, "a", Copy::kNew, actions_);
  EXPECT_EQ(Told(), "run 1 run 2 ") << "no read passes a write";
  EXPECT_FALSE(Touch(5, {"a"}, Access::kRead));
  keys_.OnHere(0, "a", actions_);
  EXPECT_EQ(Told(), "run 3 run 4 run 5 ");
}

TEST_F(MovingKeysTest, KeyThatMayBeReadIsNotAskedForAgain) {
  EXPECT_FALSE(Touch(1, {"a"}, Access::kRead));
  keys_.OnReadable(0, "a", Copy::kNew, actions_);
  EXPECT_EQ(Told(), "pull a run 1 ");
  EXPECT_TRUE(Touch(2, {"a"}, Access::kRead)) << "nobody waits before it";
  EXPECT_FALSE(keys_.IsAwaited(0, "a"));
  EXPECT_FALSE(keys_.IsFree(0, "a")) << "for it may not be written";
  EXPECT_FALSE(Touch(3, {"a"}, Access::kWrite));
  EXPECT_TRUE(keys_.IsAwaited(0, "a"));
  EXPECT_EQ(Told(), "") << "it is on its way";
  keys_.OnHere(0, "a", actions_);
  EXPECT_EQ(Told(), "run 3 ");
  EXPECT_TRUE(keys_.IsFree(0, "a"));
}

TEST_F(MovingKeysTest, KeyThatAllHaveReadIsHereWithoutAnybodyWaiting) {
  EXPECT_FALSE(Touch(1, {"a"}, Access::kRead));
  keys_.OnReadable(0, "a", Copy::kNew, actions_);
  keys_.OnHere(0, "a", actions_);
  EXPECT_EQ(Told(), "pull a run 1 ");
  EXPECT_TRUE(keys_.IsFree(0, "a"));
  EXPECT_TRUE(Touch(2, {"a"}, Access::kWrite));
}

TEST_F(MovingKeysTest, FailureAfterItCouldBeReadIsAskedAgain) {
  EXPECT_FALSE(Touch(1, {"a"}, Access::kRead));
  keys_.OnReadable(0, "a", Copy::kNew, actions_);
  EXPECT_FALSE(Touch(2, {"a"}, Access::kWrite));
  keys_.OnFailed(0, "a", actions_);
  EXPECT_EQ(Told(), "pull a run 1 fail 2 ");
  EXPECT_FALSE(Touch(3, {"a"}, Access::kRead)) << "who knows where it is now";
  EXPECT_EQ(Told(), "pull a ");
  keys_.OnReadable(0, "a", Copy::kNew, actions_);
  keys_.OnFailed(0, "a", actions_);
  EXPECT_EQ(Told(), "run 3 ");
  EXPECT_FALSE(Touch(4, {"a"}, Access::kRead));
  EXPECT_EQ(Told(), "pull a ");
}

TEST_F(MovingKeysTest, CommandOnSeveralKeysWaitsForAllOfThem) {
  EXPECT_FALSE(Touch(1, {"b", "a"}, Access::kWrite));
  EXPECT_FALSE(Touch(2, {"a"}, Access::kRead));
  EXPECT_EQ(Told(), "pull a pull b ");
  keys_.OnReadable(0, "a", Copy::kNew, actions_);
  keys_.OnHere(0, "a", actions_);
  EXPECT_EQ(Told(), "") << "the read is behind it";
  keys_.OnHere(0, "b", actions_);
  EXPECT_EQ(Told(), "run 1 run 2 ");
}

TEST_F(MovingKeysTest, ReadsGoToTheOldOwnerWhileALargeKeyIsCopied) {
  EXPECT_FALSE(Touch(1, {"a"}, Access::kRead));
  EXPECT_FALSE(Touch(2, {"a", "b"}, Access::kRead));
  EXPECT_EQ(Told(), "pull a pull b ");
  keys_.OnReadable(0, "a", Copy::kOld, actions_);
  EXPECT_EQ(Told(), "read 1 ") << "what needs more than one key waits for all of it";
  keys_.OnHere(0, "b", actions_);
  EXPECT_EQ(Told(), "");
  EXPECT_EQ(Ask(3, {"a"}, Access::kRead), Verdict::kWaits) << "behind that";
  keys_.OnReadable(0, "a", Copy::kNone, actions_);
  EXPECT_EQ(Told(), "");
  keys_.OnHere(0, "a", actions_);
  EXPECT_EQ(Told(), "run 2 run 3 ");

  EXPECT_EQ(Ask(4, {"c"}, Access::kRead), Verdict::kWaits);
  keys_.OnReadable(0, "c", Copy::kOld, actions_);
  EXPECT_EQ(Told(), "pull c read 4 ");
  EXPECT_EQ(Ask(5, {"c"}, Access::kRead), Verdict::kReadsOld);
  keys_.OnReadable(0, "c", Copy::kNone, actions_);
  EXPECT_EQ(Ask(6, {"c"}, Access::kRead), Verdict::kWaits) << "the copy takes its place";
  EXPECT_EQ(Told(), "");
  keys_.OnHere(0, "c", actions_);
  EXPECT_EQ(Told(), "run 6 ");
}

TEST_F(MovingKeysTest, FreezeHoldsBackReadsToo) {
  EXPECT_FALSE(Touch(1, {"a"}, Access::kRead));
  EXPECT_EQ(Told(), "pull a ");
  keys_.Freeze();
  keys_.OnReadable(0, "a", Copy::kNew, actions_);
  EXPECT_EQ(Told(), "");
  EXPECT_FALSE(Touch(2, {"a"}, Access::kRead));
  keys_.OnHere(0, "a", actions_);
  EXPECT_EQ(Told(), "");
  keys_.Thaw(actions_);
  EXPECT_EQ(Told(), "run 1 run 2 ");
}

}  // namespace
}  // namespace ringmaster
