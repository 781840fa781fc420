#include "lock/locked_keys.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace ringmaster {
namespace {

using Tokens = std::vector<LockedKeys::Token>;
using Tickets = std::vector<LockTicket>;

class LockedKeysTest : public ::testing::Test {
 protected:
  bool Touch(uint64_t token, const std::vector<std::string>& keys, bool reads = false) {
    std::vector<LockedKeys::Key> all;
    for (const std::string& key : keys) all.push_back({0, key});
    return locked_.Touch(token, all, reads);
  }
  LockedKeys::Actions Lock(LockTicket ticket, const std::vector<std::string>& keys,
                           bool shared = false) {
    LockedKeys::Actions out;
    locked_.Lock(ticket, Keys(keys, shared), out);
    return out;
  }
  LockedKeys::Actions Unlock(LockTicket ticket, const std::vector<std::string>& keys) {
    LockedKeys::Actions out;
    locked_.Unlock(ticket, Keys(keys, false), out);
    return out;
  }
  static std::vector<LockKey> Keys(const std::vector<std::string>& keys, bool shared) {
    std::vector<LockKey> all;
    for (const std::string& key : keys) all.push_back({0, key, shared});
    return all;
  }

  LockedKeys locked_;
};

TEST_F(LockedKeysTest, CommandsOnLockedKeysWaitAndOthersDoNot) {
  EXPECT_EQ(Lock(1, {"a", "b"}).first, Tickets{1});
  EXPECT_FALSE(Touch(10, {"a"}));
  EXPECT_TRUE(Touch(11, {"c"}));
  EXPECT_EQ(Unlock(1, {"a", "b"}).run, Tokens{10});
  EXPECT_TRUE(locked_.empty());
}

TEST_F(LockedKeysTest, ADatabaseHasItsOwnKeys) {
  Lock(1, {"a"});
  EXPECT_TRUE(locked_.Touch(10, {{1, "a"}}, false));
  EXPECT_FALSE(locked_.Touch(11, {{0, "a"}}, false));
}

TEST_F(LockedKeysTest, ReadersPassSharedLocksAndWritersWait) {
  Lock(1, {"a"}, true);
  EXPECT_EQ(Lock(2, {"a"}, true).first, Tickets{2});
  EXPECT_TRUE(Touch(10, {"a"}, true));
  EXPECT_FALSE(Touch(11, {"a"}, false));
  EXPECT_FALSE(Touch(12, {"a"}, true)) << "behind a writer";
  EXPECT_TRUE(Unlock(1, {"a"}).run.empty());
  EXPECT_EQ(Unlock(2, {"a"}).run, (Tokens{11, 12}));
}

TEST_F(LockedKeysTest, ALaterLockWaitsForCommandsBeforeItAndHoldsThoseBehindIt) {
  Lock(1, {"a"});
  EXPECT_FALSE(Touch(10, {"a", "b"}));
  EXPECT_TRUE(Lock(2, {"b"}).first.empty()) << "10 came before it";
  EXPECT_FALSE(Touch(11, {"b"}));
  const LockedKeys::Actions freed = Unlock(1, {"a"});
  EXPECT_EQ(freed.run, Tokens{10});
  EXPECT_EQ(freed.first, Tickets{2});
  EXPECT_EQ(Unlock(2, {"b"}).run, Tokens{11});
}

TEST_F(LockedKeysTest, PartOfALockIsGivenBack) {
  Lock(1, {"a", "b"});
  EXPECT_FALSE(Touch(10, {"a"}));
  EXPECT_FALSE(Touch(11, {"b"}));
  EXPECT_EQ(Unlock(1, {"b"}).run, Tokens{11});
  EXPECT_EQ(Unlock(1, {"a"}).run, Tokens{10});
}

TEST_F(LockedKeysTest, AMillionWaitersNeedNoDeepStack) {
  Lock(1, {"a"});
  for (uint64_t token = 1; token <= 1'000'000; ++token) ASSERT_FALSE(Touch(token, {"a"}));
  EXPECT_EQ(Unlock(1, {"a"}).run.size(), 1'000'000U);
  EXPECT_TRUE(locked_.empty());
}

// Random locks and commands: nothing runs on a key that is locked against it, the commands on a key
// run in their order, and all of them run in the end.
TEST_F(LockedKeysTest, OrderAndExclusionHoldForRandomLocksAndCommands) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    LockedKeys locked;
    std::map<LockTicket, std::vector<LockKey>> held;
    std::map<uint64_t, std::set<std::string>> waiting;
    std::map<std::string, uint64_t> last_run;
    const auto ran = [&](uint64_t token, const std::set<std::string>& keys) {
      for (const std::string& key : keys) {
        EXPECT_GT(token, last_run[key]) << "seed " << seed;
        last_run[key] = token;
      }
    };
    const auto take = [&](const LockedKeys::Actions& out) {
      for (const uint64_t token : out.run) {
        ran(token, waiting.at(token));
        waiting.erase(token);
      }
    };
    uint64_t next = 1;
    for (int i = 0; i < 200 || !held.empty(); ++i) {
      std::set<std::string> keys;
      while (keys.empty() || random() % 3 == 0) keys.insert(std::string(1, 'a' + random() % 5));
      const uint64_t what = i < 200 ? random() % 3 : 2;
      if (what == 0) {
        // As KeyLocks would: only what nobody else holds.
        std::vector<LockKey> wanted;
        for (const std::string& key : keys) wanted.push_back({0, key, false});
        bool free = true;
        for (const auto& [ticket, has] : held) {
          for (const LockKey& key : has) free = free && !keys.contains(key.key);
        }
        if (!free) continue;
        LockedKeys::Actions out;
        locked.Lock(next, wanted, out);
        held[next++] = wanted;
        take(out);
      } else if (what == 1) {
        std::vector<LockedKeys::Key> touched;
        for (const std::string& key : keys) touched.push_back({0, key});
        const uint64_t token = next++;
        if (locked.Touch(token, touched, false)) {
          for (const auto& [ticket, has] : held) {
            for (const LockKey& key : has) EXPECT_FALSE(keys.contains(key.key)) << "seed " << seed;
          }
          ran(token, keys);
        } else {
          waiting[token] = keys;
        }
      } else if (!held.empty()) {
        auto at = held.begin();
        std::advance(at, random() % held.size());
        LockedKeys::Actions out;
        locked.Unlock(at->first, at->second, out);
        held.erase(at);
        take(out);
      }
    }
    EXPECT_TRUE(waiting.empty()) << "seed " << seed;
    EXPECT_TRUE(locked.empty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ringmaster
