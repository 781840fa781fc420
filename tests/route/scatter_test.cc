#include "route/scatter.h"

#include <gtest/gtest.h>

#include "support/shard_side.h"

namespace ringmaster {
namespace {

struct ScatterTest : testing::Test, RouterSide {
  ScatterTest() : RouterSide(3) {}
  // Whatever is not answered yet is answered while its asker is there.
  void TearDown() override { router.Close("the test is over"); }

  std::string KeyOn(uint32_t shard, int skip = 0) {
    for (int i = 0;; ++i) {
      std::string key = "k" + std::to_string(i);
      if (router.ShardOf(key) == shard && skip-- == 0) return key;
    }
  }
  void ToAll(Merge merge, bool read_only = true, MergeFunction special = nullptr) {
    Scatter::ToAll(scatters, router, "*1\r\n$6\r\nDBSIZE\r\n", {merge, special, read_only}, 0, 2,
                   asker);
    Turns();
  }
  void Send(Bytes a, Bytes b, Bytes c) {
    if (!a.empty()) shards[0]->Send(a);
    if (!b.empty()) shards[1]->Send(b);
    if (!c.empty()) shards[2]->Send(c);
    Turns();
  }
  std::string Merged(Merge merge, Bytes a, Bytes b, Bytes c, bool read_only = true) {
    ToAll(merge, read_only);
    Send(a, b, c);
    return asker.told();
  }
  void ByKeys(const std::vector<Bytes>& args, size_t step, Merge merge, bool read_only) {
    wire = std::string();
    AppendRequest(wire, args);
    Scatter::ByKeys(scatters, router, args, 1, step, Slice{wire, {}}, {merge, nullptr, read_only},
                    0, 2, asker);
    Turns();
  }

  Asker asker{""};
  std::string wire;
};

TEST_F(ScatterTest, Sums) { EXPECT_EQ(Merged(Merge::kSum, ":1\r\n", ":2\r\n", ":4\r\n"), ":7|"); }
TEST_F(ScatterTest, TakesTheLeast) {
  EXPECT_EQ(Merged(Merge::kMin, ":3\r\n", ":-2\r\n", ":4\r\n"), ":-2|");
}
TEST_F(ScatterTest, TakesTheMost) {
  EXPECT_EQ(Merged(Merge::kMax, ":3\r\n", ":9\r\n", ":4\r\n"), ":9|");
}
TEST_F(ScatterTest, AndsElementByElement) {
  EXPECT_EQ(Merged(Merge::kAnd, "*2\r\n:1\r\n:1\r\n", "*2\r\n:1\r\n:0\r\n", "*2\r\n:1\r\n:1\r\n"),
            "*2|:1|:0|");
}
TEST_F(ScatterTest, OrsElementByElement) {
  EXPECT_EQ(Merged(Merge::kOr, "*2\r\n:0\r\n:0\r\n", "*2\r\n:1\r\n:0\r\n", "*2\r\n:0\r\n:0\r\n"),
            "*2|:1|:0|");
}
TEST_F(ScatterTest, ConcatenatesInShardOrder) {
  EXPECT_EQ(Merged(Merge::kConcat, "*1\r\n$1\r\na\r\n", "*0\r\n", "*2\r\n:1\r\n*1\r\n:2\r\n"),
            "*3|$1|a|:1|*1|:2|");
}
TEST_F(ScatterTest, AllSucceededIsTheFirstReply) {
  EXPECT_EQ(Merged(Merge::kAllSucceeded, "+a\r\n", "+b\r\n", "+c\r\n"), "+a|");
}
TEST_F(ScatterTest, AllSucceededOfReadsIsTheFirstError) {
  EXPECT_EQ(Merged(Merge::kAllSucceeded, "+a\r\n", "-ERR b\r\n", "-ERR c\r\n"), "-ERR b|");
}
TEST_F(ScatterTest, OneSucceededIsTheFirstThatIsNoError) {
  EXPECT_EQ(Merged(Merge::kOneSucceeded, "-ERR a\r\n", "+b\r\n", "+c\r\n"), "+b|");
}
TEST_F(ScatterTest, OneSucceededOfNoneIsAnError) {
  EXPECT_EQ(Merged(Merge::kOneSucceeded, "-ERR a\r\n", "-ERR b\r\n", "-ERR c\r\n"), "-ERR a|");
}
TEST_F(ScatterTest, AWriteThatFailedEverywhereIsThatError) {
  EXPECT_EQ(Merged(Merge::kAllSucceeded, "-NOPERM x\r\n", "-NOPERM y\r\n", "-NOPERM z\r\n", false),
            "-NOPERM x|");
}
TEST_F(ScatterTest, AWriteThatFailedOnOneShardIsUncertainAndNamesIt) {
  const std::string told = Merged(Merge::kAllSucceeded, "+OK\r\n", "-OOM b\r\n", "+OK\r\n", false);
  EXPECT_THAT(told, testing::StartsWith("-UNCERTAIN shard b: "));
  EXPECT_THAT(told, testing::HasSubstr("OOM b"));
}
TEST_F(ScatterTest, RepliesThatDoNotFitAreAnError) {
  EXPECT_THAT(Merged(Merge::kSum, ":1\r\n", "+two\r\n", ":3\r\n"), testing::StartsWith("-"));
}

TEST_F(ScatterTest, SpecialGetsTheRepliesInShardOrder) {
  ToAll(Merge::kSpecial, true, [](std::span<const Bytes> replies, int resp, std::string& out) {
    out = "+" + std::to_string(resp);
    for (const Bytes reply : replies) out += reply.substr(1, 1);
    out += "\r\n";
  });
  Send("", "", "+c\r\n");
  Send("+a\r\n", "+b\r\n", "");
  EXPECT_EQ(asker.told(), "+2abc|");
}

TEST_F(ScatterTest, KeysComeBackInTheirOrder) {
  const std::string a = KeyOn(0), b = KeyOn(1), a2 = KeyOn(0, 1);
  ByKeys({"MGET", a, b, a2}, 1, Merge::kKeyOrder, true);
  EXPECT_EQ(shards[0]->Requests(), "MGET " + a + " " + a2);
  Send("*2\r\n$1\r\n1\r\n$-1\r\n", "*1\r\n$1\r\n2\r\n", "");
  EXPECT_EQ(asker.told(), "*3|$1|1|$1|2|$-1|");
}

TEST_F(ScatterTest, TooFewElementsAreAnErrorNotAWrongAnswer) {
  ByKeys({"MGET", KeyOn(0), KeyOn(1)}, 1, Merge::kKeyOrder, true);
  Send("*1\r\n$1\r\n1\r\n", "*0\r\n", "");
  EXPECT_THAT(asker.told(), testing::StartsWith("-"));
}

TEST_F(ScatterTest, ValuesGoWithTheirKeys) {
  const std::string a = KeyOn(0), b = KeyOn(1);
  ByKeys({"MSET", a, "1", b, "2"}, 2, Merge::kAllSucceeded, false);
  EXPECT_EQ(shards[0]->Requests() + "; " + shards[1]->Requests(),
            "MSET " + a + " 1; MSET " + b + " 2");
}

TEST_F(ScatterTest, KeysOfOneShardAreForwardedAsTheyCame) {
  const std::string a = KeyOn(0), a2 = KeyOn(0, 1);
  ByKeys({"mget", a, a2}, 1, Merge::kKeyOrder, true);
  shards[0]->Send("*2\r\n+untouched\r\n:1\r\n");
  Turns();
  EXPECT_EQ(asker.told(), "*2|+untouched|:1|");
}

TEST_F(ScatterTest, LargeElementsCutAnywhereComeWhole) {
  const std::string large = "$100000\r\n" + std::string(100000, 'x') + "\r\n";
  ByKeys({"MGET", KeyOn(0), KeyOn(1)}, 1, Merge::kKeyOrder, true);
  shards[0]->Send("*1\r\n" + large.substr(0, 70000));
  Turns();
  Send(Bytes(large).substr(70000), "*1\r\n" + large, "");
  EXPECT_EQ(asker.reply, "*2\r\n" + large + large);
}

TEST_F(ScatterTest, AReplyPastTheLimitIsRefused) {
  const std::string large = "*1\r\n$700000\r\n" + std::string(700000, 'x') + "\r\n";
  ByKeys({"MGET", KeyOn(0), KeyOn(1)}, 1, Merge::kKeyOrder, true);
  for (const size_t shard : {0, 1}) {
    for (Bytes rest = large; !rest.empty(); Turn()) {
      rest.remove_prefix(shards[shard]->SendSome(rest));
    }
  }
  Turns();
  EXPECT_THAT(asker.told(), testing::StartsWith("-"));
}

TEST_F(ScatterTest, AllShardsFailingAtOnceAnswersOnce) {
  for (const auto& link : links) {
    for (int i = 0; i < 5; ++i) link->OnFailure(loop.Now(), "gone");
  }
  Scatter::ToAll(scatters, router, "*1\r\n$6\r\nDBSIZE\r\n", {Merge::kSum, nullptr, true}, 0, 2,
                 asker);
  EXPECT_EQ(asker.told(), "-NOTAPPLIED shard a: gone|");
}

TEST_F(ScatterTest, TheAnswerMayStartTheNextScatter) {
  Asker next("");
  asker.then = [&] {
    Scatter::ToAll(scatters, router, "*1\r\n$6\r\nDBSIZE\r\n", {Merge::kSum, nullptr, true}, 0, 2,
                   next);
  };
  ToAll(Merge::kSum);
  Send(":1\r\n", ":1\r\n", ":1\r\n");
  Send(":2\r\n", ":2\r\n", ":2\r\n");
  EXPECT_EQ(asker.told() + next.told(), ":3|:6|");
}

TEST_F(ScatterTest, AShardThatLeftTheRingMeanwhileIsStillNamed) {
  ToAll(Merge::kAllSucceeded, false);
  router.Use(Snapshot(1));
  Send("+OK\r\n", "+OK\r\n", "-OOM full\r\n");
  EXPECT_THAT(asker.told(), testing::StartsWith("-UNCERTAIN shard c: "));
}

}  // namespace
}  // namespace ringmaster
