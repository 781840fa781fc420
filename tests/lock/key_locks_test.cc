#include "lock/key_locks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace ringmaster {
namespace {

using Kind = LockAction::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

LockKey Key(const std::string& key) { return {0, key, false}; }
LockKey Shared(const std::string& key) { return {0, key, true}; }

class KeyLocksTest : public testing::Test {
 protected:
  LockTicket Request(std::vector<LockKey> keys) { return locks_.Request(std::move(keys), out_); }
  void Ack(LockTicket ticket) {
    for (size_t worker = 0; worker < 2; ++worker) locks_.OnAck(ticket, worker, out_);
  }
  LockTicket Granted(std::vector<LockKey> keys) {
    const LockTicket ticket = Request(std::move(keys));
    Ack(ticket);
    EXPECT_TRUE(locks_.granted(ticket));
    out_.clear();
    return ticket;
  }
  // What was to be done since the last call: "lock 1", "granted 1", "unlock 1 a b".
  std::vector<std::string> Said() {
    std::vector<std::string> words;
    for (const LockAction& action : out_) {
      static const char* const kNames[] = {"lock ", "granted ", "unlock "};
      std::string text = kNames[static_cast<size_t>(action.kind)] + std::to_string(action.ticket);
      if (action.kind == Kind::kUnlockWorkers) {
        for (const LockKey& key : *action.keys) text += " " + key.key;
      }
      words.push_back(text);
    }
    out_.clear();
    return words;
  }

  KeyLocks locks_{2, 4};
  std::vector<LockAction> out_;
};

TEST_F(KeyLocksTest, GrantFollowsTheLastWorkersAcknowledgement) {
  const LockTicket ticket = Request({Key("a"), Key("b")});
  EXPECT_THAT(Said(), ElementsAre("lock 1"));
  locks_.OnAck(ticket, 1, out_);
  locks_.OnAck(ticket, 1, out_);
  EXPECT_THAT(Said(), IsEmpty()) << "one worker said so twice, the other never";
  locks_.OnAck(ticket, 0, out_);
  EXPECT_THAT(Said(), ElementsAre("granted 1"));
  locks_.OnAck(ticket, 0, out_);
  locks_.OnAck(99, 0, out_);
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(KeyLocksTest, SecondOneWaitsUntilTheFirstHasGivenTheKeyBack) {
  const LockTicket first = Granted({Key("a"), Key("b")});
  Request({Key("b"), Key("c")});
  EXPECT_THAT(Said(), IsEmpty());
  locks_.Release(first, out_);
  EXPECT_THAT(Said(), ElementsAre("unlock 1 a b", "lock 2"));
}

TEST_F(KeyLocksTest, KeysOfDifferentDatabasesAreDifferentKeys) {
  Granted({{0, "a", false}});
  Request({{1, "a", false}});
  EXPECT_THAT(Said(), ElementsAre("lock 2"));
}

TEST_F(KeyLocksTest, ReadersShareAndAWriterWaitsForAllOfThem) {
  const LockTicket one = Granted({Shared("a")});
  const LockTicket two = Granted({Shared("a")});
  Request({Key("a")});
  Request({Shared("a")});
  EXPECT_THAT(Said(), IsEmpty()) << "a reader may not overtake the writer before it";
  locks_.Release(one, out_);
  EXPECT_THAT(Said(), ElementsAre("unlock 1 a"));
  locks_.Release(two, out_);
  EXPECT_THAT(Said(), ElementsAre("unlock 2 a", "lock 3"));
  locks_.Release(3, out_);
  EXPECT_THAT(Said(), ElementsAre("unlock 3 a", "lock 4"));
}

TEST_F(KeyLocksTest, OneThatGivesUpLetsThoseBehindItGo) {
  Granted({Shared("a")});
  const LockTicket writer = Request({Key("a"), Key("b")});
  Request({Shared("a")});
  Request({Key("b")});
  EXPECT_THAT(Said(), IsEmpty());
  locks_.Release(writer, out_);
  EXPECT_THAT(Said(), ElementsAre("lock 3", "lock 4")) << "it never had the workers lock anything";
}

TEST_F(KeyLocksTest, OneThatGivesUpWhileWorkersDrainUnlocksThem) {
  const LockTicket ticket = Request({Key("a")});
  Said();
  locks_.Release(ticket, out_);
  EXPECT_THAT(Said(), ElementsAre("unlock 1 a"));
  Ack(ticket);
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(KeyLocksTest, KeyNamedTwiceIsTakenOnceAndExclusively) {
  const LockTicket ticket = Granted({Shared("a"), Key("a"), Shared("a")});
  Request({Shared("a")});
  EXPECT_THAT(Said(), IsEmpty());
  locks_.Release(ticket, out_);
  EXPECT_THAT(Said(), ElementsAre("unlock 1 a", "lock 2"));
}

TEST_F(KeyLocksTest, SomeKeysCanBeGivenBackBeforeTheOthers) {
  const LockTicket ticket = Granted({Key("a"), Key("dead")});
  Request({Key("a")});
  Request({Key("dead")});
  locks_.ReleaseOthers(ticket, {Key("dead"), Key("never held")}, out_);
  EXPECT_THAT(Said(), ElementsAre("unlock 1 a", "lock 2"));
  locks_.ReleaseOthers(ticket, {Key("dead")}, out_);
  EXPECT_THAT(Said(), IsEmpty());
  locks_.ReleaseOthers(ticket, {}, out_);
  EXPECT_THAT(Said(), ElementsAre("unlock 1 dead", "lock 3"));
  locks_.Release(ticket, out_);
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(KeyLocksTest, SaysWhetherItIsAnybodysKeysThatAreWaitedForOrWhatWasUnderWayOnThem) {
  const LockTicket first = Request({Key("a"), Shared("s")});
  const LockTicket behind = Request({Key("a"), Key("b")});
  const LockTicket reader = Request({Shared("s")});
  const LockTicket last = Request({Shared("b")});
  EXPECT_TRUE(locks_.Drains(first) && locks_.WaitsForDrain(first) && locks_.AnyDrains());
  EXPECT_TRUE(locks_.WaitsForDrain(behind) && locks_.WaitsForDrain(reader));
  EXPECT_FALSE(locks_.WaitsForDrain(last)) << "who is before it waits as well";
  locks_.SetStuck(first);
  EXPECT_FALSE(locks_.Drains(first) || locks_.WaitsForDrain(behind));
  EXPECT_TRUE(locks_.WaitsForDrain(reader)) << "its own workers are at it";
  Ack(first);
  Ack(reader);
  EXPECT_FALSE(locks_.WaitsForDrain(behind) || locks_.AnyDrains()) << "somebody has it";
  locks_.SetStuck(first);
  locks_.Release(first, out_);
  EXPECT_TRUE(locks_.Drains(behind));
}

TEST_F(KeyLocksTest, LineForOneKeyIsBounded) {
  for (int i = 0; i < 4; ++i) EXPECT_NE(Request({Key("a")}), 0u);
  Said();
  EXPECT_EQ(Request({Key("b"), Key("a")}), 0u);
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_FALSE(locks_.InUse(0, "b")) << "a refused request left something behind";
}

TEST_F(KeyLocksTest, NothingIsLeftWhenAllIsGivenBack) {
  const LockTicket one = Granted({Key("a"), Shared("b")});
  const LockTicket two = Request({Key("b")});
  EXPECT_TRUE(locks_.InUse(0, "b"));
  locks_.Release(one, out_);
  locks_.Release(two, out_);
  locks_.Release(two, out_);
  EXPECT_EQ(locks_.tickets(), 0u);
  EXPECT_EQ(locks_.locked_keys(), 0u);
}

// Whatever is asked for and in whatever order it is given back: nobody ever shares a key that he
// may not share, everybody gets his turn, and nothing is left.
TEST(KeyLocksRandomTest, NobodyStarvesAndNobodySharesAWrittenKey) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    KeyLocks locks(2, 1000);
    std::vector<LockAction> out;
    std::map<LockTicket, std::vector<LockKey>> wants, has;
    std::vector<std::pair<LockTicket, size_t>> acks;
    size_t asked = 0, granted = 0;
    while (asked < 40 || !wants.empty() || !has.empty()) {
      const uint64_t dice = random.Below(4);
      if (dice == 0 && asked < 40) {
        std::vector<LockKey> keys;
        for (uint64_t i = 0; i <= random.Below(3); ++i) {
          keys.push_back({0, std::to_string(random.Below(6)), random.Below(3) == 0});
        }
        const LockTicket ticket = locks.Request(keys, out);
        ASSERT_NE(ticket, 0u);
        wants[ticket] = keys;
        ++asked;
      } else if (dice <= 2 && !acks.empty()) {
        const size_t at = random.Below(acks.size());
        const auto [ticket, worker] = acks[at];
        acks.erase(acks.begin() + static_cast<ptrdiff_t>(at));
        locks.OnAck(ticket, worker, out);
      } else if (!has.empty()) {
        auto at = has.begin();
        std::advance(at, random.Below(has.size()));
        const LockTicket ticket = at->first;
        has.erase(at);
        locks.Release(ticket, out);
      } else {
        ASSERT_TRUE(asked < 40 || !acks.empty() || wants.empty())
            << "seed " << seed << ": deadlock";
      }
      for (const LockAction& action : std::exchange(out, {})) {
        if (action.kind == Kind::kLockWorkers) {
          acks.emplace_back(action.ticket, 0);
          acks.emplace_back(action.ticket, 1);
        } else if (action.kind == Kind::kGranted) {
          ++granted;
          for (const LockKey& mine : wants.at(action.ticket)) {
            for (const auto& [other, keys] : has) {
              for (const LockKey& theirs : keys) {
                ASSERT_FALSE(mine.key == theirs.key && !(mine.shared && theirs.shared))
                    << "seed " << seed << ": tickets " << action.ticket << " and " << other;
              }
            }
          }
          has[action.ticket] = wants.at(action.ticket);
          wants.erase(action.ticket);
        }
      }
    }
    EXPECT_EQ(granted, 40u);
    EXPECT_EQ(locks.locked_keys(), 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ringmaster
