// Commands that wait for data: at one shard, over several, and how a wait ends.
#include <gmock/gmock.h>

#include <deque>

#include "command/call/blocked_client.h"
#include "command/fixture.h"
#include "support/shard_side.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// Lists of one server, as far as BLPOP and XREAD in and out of a transaction need them.
struct Lists {
  explicit Lists(FakeShard& shard) {
    shard.answer = [this](const std::string& request) { return Answer(request); };
  }
  std::string Answer(const std::string& request) {
    if (request == "MULTI") return queues = true, queued.clear(), "+OK\r\n";
    if (request == "EXEC") {
      queues = false;
      asked.push_back(queued);
      return "*1\r\n" + Now(queued);
    }
    if (queues) return queued = request, "+QUEUED\r\n";
    if (request == "CLIENT ID") return ":77\r\n";
    if (request.starts_with("CLIENT UNBLOCK")) return unblocks.push_back(request), ":1\r\n";
    asked.push_back(request);
    return stays_silent ? "" : Now(request);
  }
  std::string Now(const std::string& request) {
    const auto scripted = replies.find(request);
    if (scripted != replies.end()) return scripted->second;
    const size_t at = request.find(' ') + 1;
    const std::string key = request.substr(at, request.find(' ', at) - at);
    std::deque<std::string>& list = data[key];
    if (list.empty()) return "*-1\r\n";
    const std::string first = list.front();
    list.pop_front();
    return "*2\r\n" + Bulk(key) + Bulk(first);
  }

  std::map<std::string, std::deque<std::string>> data;
  std::map<std::string, std::string> replies;
  std::vector<std::string> asked;  // by BLPOP and its kin
  std::vector<std::string> unblocks;
  bool queues = false;
  bool stays_silent = false;  // whoever asks without a transaction waits
  std::string queued;
};

class BlockingTest : public testing::Test, protected RouterSide {
 protected:
  BlockingTest() : RouterSide(3) {
    for (const auto& shard : shards) lists_.push_back(std::make_unique<Lists>(*shard));
    context_.push = &push_;
  }
  // As a worker ends: whatever is under way is answered first.
  ~BlockingTest() override {
    router.Close("the test is over");
    recipes_.Clear();
  }
  // The n-th key of that shard.
  std::string Key(uint32_t shard, int n = 0) {
    for (int i = 0;; ++i) {
      std::string key = "k" + std::to_string(i);
      if (router.ShardOf(key) == shard && n-- == 0) return key;
    }
  }
  Sent* Send(const std::vector<std::string>& words) { return Send(words, me_.state()); }
  Sent* Send(const std::vector<std::string>& words, ClientState& client) {
    sent_.push_back(std::make_unique<Sent>(context_, words, client));
    Turns();
    return sent_.back().get();
  }
  void Pass(milliseconds time) {
    proxy_.Advance(time);
    Turns();
  }
  // Until the next round of asking.
  milliseconds NextPause() {
    EXPECT_EQ(proxy_.timers.size(), 1U);
    const auto pause = proxy_.timers.begin()->first - proxy_.now;
    const auto rounded = std::chrono::duration_cast<milliseconds>(pause);
    Pass(rounded);
    return rounded;
  }

  std::vector<std::unique_ptr<Sent>> sent_;
  FakeProxy proxy_;
  const CommandTable table_{AllCommands()};
  WorkerMetrics metrics_{table_.size()};
  RecipeSet recipes_;
  CommandContext context_{table_, router, scatters, blocks, recipes_, metrics_, proxy_};
  PushHub push_{context_, std::make_shared<PushCounts>()};
  FakeClient me_{5};
  std::vector<std::unique_ptr<Lists>> lists_;
};

TEST_F(BlockingTest, OneShardWaitsItself) {
  lists_[0]->stays_silent = true;
  const std::string key = Key(0);
  const Sent* sent = Send({"BLPOP", key, "0"});
  EXPECT_TRUE(sent->waits());
  const std::string asked = "BLPOP " + key + " 0";
  EXPECT_THAT(lists_[0]->asked, ElementsAre(asked, asked)) << "without waiting, and then with it";
  EXPECT_THAT(shards[0]->peers.back()->requests, ElementsAre("CLIENT ID", asked));
  EXPECT_NE(me_.state().blocked, nullptr);
  EXPECT_EQ(metrics_.blocked.value(), 1U);
  shards[0]->Send("*2\r\n" + Bulk(key) + Bulk("v"), shards[0]->peers.size() - 1);
  Turns();
  EXPECT_EQ(sent->told, "*2|$2|" + key + "|$1|v|");
  EXPECT_EQ(me_.state().blocked, nullptr);
  EXPECT_EQ(metrics_.blocked.value(), 0U);
}

TEST_F(BlockingTest, OverShardsTheFirstKeyThatHasSomethingIsTakenAndNoOther) {
  lists_[1]->data[Key(1)] = {"of b"};
  lists_[2]->data[Key(2)] = {"of c"};
  const Sent* sent = Send({"BLPOP", Key(0), Key(1), Key(2), "0"});
  EXPECT_EQ(sent->told, "*2|$2|" + Key(1) + "|$4|of b|");
  EXPECT_THAT(lists_[2]->asked, IsEmpty());
  EXPECT_TRUE(proxy_.timers.empty());
}

TEST_F(BlockingTest, OverShardsItAsksLessOftenTheLongerItWaits) {
  const Sent* sent = Send({"BLPOP", Key(0), Key(1), "0"});
  std::vector<int64_t> pauses;
  for (int i = 0; i < 8; ++i) pauses.push_back(NextPause().count());
  EXPECT_THAT(pauses, ElementsAre(1, 2, 4, 8, 16, 32, 32, 32));
  EXPECT_EQ(lists_[0]->asked.size(), 9U);
  lists_[1]->data[Key(1)] = {"v"};
  NextPause();
  EXPECT_EQ(sent->told, "*2|$2|" + Key(1) + "|$1|v|");
  EXPECT_EQ(me_.state().blocked, nullptr);
}

TEST_F(BlockingTest, OverShardsItsTimeIsOverToTheMillisecond) {
  const Sent* sent = Send({"BLPOP", Key(0), Key(1), "0.01"});
  Pass(milliseconds(1));
  Pass(milliseconds(2));
  Pass(milliseconds(4));
  EXPECT_TRUE(sent->waits());
  EXPECT_EQ(NextPause(), milliseconds(3));
  EXPECT_EQ(sent->told, "*-1|");
  EXPECT_TRUE(proxy_.timers.empty());
}

TEST_F(BlockingTest, WhoIsUnblockedHearsWhatOneRedisSays) {
  const Sent* quietly = Send({"BLPOP", Key(0), Key(1), "0"});
  me_.state().blocked->Unblock(false);
  NextPause();
  EXPECT_EQ(quietly->told, "*-1|");
  const Sent* with_error = Send({"BLPOP", Key(0), Key(1), "0"});
  me_.state().blocked->Unblock(true);
  NextPause();
  EXPECT_THAT(with_error->told, HasSubstr("-UNBLOCKED"));
}

TEST_F(BlockingTest, AtOneShardUnblockingIsTheShards) {
  lists_[0]->stays_silent = true;
  const Sent* sent = Send({"BLPOP", Key(0), "0"});
  me_.state().blocked->Unblock(true);
  Turns();
  EXPECT_THAT(lists_[0]->unblocks, ElementsAre("CLIENT UNBLOCK 77 ERROR"));
  EXPECT_TRUE(sent->waits()) << "until the shard says so";
}

TEST_F(BlockingTest, ClientThatLeavesIsWaitedForByNobody) {
  auto leaving = std::make_unique<ClientState>();
  Send({"BLPOP", Key(0), Key(1), "0"}, *leaving);
  leaving->blocked->Leave();
  leaving.reset();
  NextPause();
  EXPECT_TRUE(proxy_.timers.empty());
  EXPECT_EQ(recipes_.running(), 0U);
  EXPECT_EQ(metrics_.blocked.value(), 0U);
}

TEST_F(BlockingTest, ErrorOfAShardEndsIt) {
  const std::string wrong = "-WRONGTYPE Operation against a key\r\n";
  lists_[0]->replies["BLPOP " + Key(0) + " 0"] = wrong;
  lists_[1]->data[Key(1)] = {"v"};
  EXPECT_EQ(Send({"BLPOP", Key(0), Key(1), "0"})->told, OneLine(wrong));
  EXPECT_THAT(lists_[1]->asked, IsEmpty());
}

// As in Redis: whoever waits is served by the next key that has something.
TEST_F(BlockingTest, KeyThatBecomesAnotherTypeConcernsNobodyWhoWaits) {
  const Sent* sent = Send({"BLPOP", Key(0), Key(1), "0"});
  lists_[0]->replies["BLPOP " + Key(0) + " 0"] = "-WRONGTYPE Operation against a key\r\n";
  NextPause();
  EXPECT_TRUE(sent->waits());
  lists_[1]->data[Key(1)] = {"v"};
  NextPause();
  EXPECT_EQ(sent->told, "*2|$2|" + Key(1) + "|$1|v|");
}

TEST_F(BlockingTest, WhatIsNoTimeAShardRefusesInItsWords) {
  const std::string refused = "-ERR timeout is not a float or out of range\r\n";
  lists_[0]->replies["BLPOP " + Key(1) + " " + Key(2) + " soon"] = refused;
  EXPECT_EQ(Send({"BLPOP", Key(1), Key(2), "soon"})->told, OneLine(refused));
  EXPECT_TRUE(proxy_.timers.empty());
}

TEST_F(BlockingTest, InATransactionNothingWaits) {
  me_.state().in_exec = true;
  EXPECT_EQ(Send({"BLPOP", Key(0), Key(1), "0"})->told, "*-1|");
  EXPECT_TRUE(proxy_.timers.empty());
  EXPECT_EQ(me_.state().blocked, nullptr);
}

TEST_F(BlockingTest, StreamsOfSeveralShardsAnswerInTheOrderInWhichTheyWereNamed) {
  const std::string a = Key(0), b = Key(1), second = Key(0, 1);
  const auto stream = [](const std::string& name) { return "*2\r\n" + Bulk(name) + "*0\r\n"; };
  lists_[0]->replies["XREAD COUNT 7 STREAMS " + a + " " + second + " 1 3"] =
      "*2\r\n" + stream(a) + stream(second);
  lists_[1]->replies["XREAD COUNT 7 STREAMS " + b + " 2"] = "*1\r\n" + stream(b);
  const auto sent =
      Send({"XREAD", "COUNT", "7", "BLOCK", "0", "STREAMS", a, b, second, "1", "2", "3"});
  EXPECT_EQ(sent->told, OneLine("*3\r\n" + stream(a) + stream(b) + stream(second)));
}

}  // namespace
}  // namespace ringmaster
