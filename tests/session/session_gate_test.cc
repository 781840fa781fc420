#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "session/session.h"
#include "support/data_plane.h"

namespace ringmaster {
namespace {

// Two clients, each about to write a value that counts as large.
class SessionGateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WindowRule rule;
    rule.hold = std::chrono::hours(1);  // the test depends on no time
    plane_.windows.set_rule(rule);
  }
  // As if somebody sent one command at a time.
  void SomebodyIsInteractive() { plane_.windows.NoteElsewhere(plane_.loop.Now()); }
  void Write(TestClient& client, Bytes key) {
    const std::string value(TransferRule().large, 'v');
    const std::string request = MakeRequest({"SET", key, value});
    for (size_t sent = 0; sent < request.size();) {
      const size_t taken = client.Send(Bytes(request).substr(sent));
      sent += taken;
      plane_.Turns(4);
      if (taken == 0) break;  // the proxy does not read on
    }
    plane_.Turns();
  }
  // Answers what the shard was asked under this key.
  void AnswerWrite(const std::string& key) {
    FakeShard& shard = *plane_.shards[0];
    for (size_t i = 0; i < shard.peers.size(); ++i) {
      for (const std::string& request : shard.peers[i]->requests) {
        if (request == Asked(key)) return Answer(i);
      }
    }
    ADD_FAILURE() << key << " was not asked for: " << shard.Requests();
  }
  static std::string Asked(const std::string& key) { return "SET " + key + " <131072>"; }
  bool WasAsked(const std::string& key) {
    return plane_.shards[0]->Requests().find(Asked(key)) != std::string::npos;
  }

  DataPlane plane_;

 private:
  void Answer(size_t peer) {
    plane_.shards[0]->Send("+OK\r\n", peer);
    plane_.Turns();
  }
};

TEST_F(SessionGateTest, BesideInteractiveClientsOneLargeValuePassesAtATime) {
  SomebodyIsInteractive();
  const auto first = plane_.Connect();
  const auto second = plane_.Connect();
  Write(*first, "a");
  Write(*second, "b");
  EXPECT_TRUE(WasAsked("a"));
  EXPECT_FALSE(WasAsked("b"));
  EXPECT_TRUE(plane_.gate.anybody_waits());
  AnswerWrite("a");
  EXPECT_EQ(first->Line(), "+OK|");
  EXPECT_FALSE(plane_.gate.anybody_waits());
  EXPECT_TRUE(WasAsked("b"));
  AnswerWrite("b");
  EXPECT_EQ(second->Line(), "+OK|");
}

TEST_F(SessionGateTest, WhoeverIsLetInAndTakesLongToSayItHoldsUpNobody) {
  SomebodyIsInteractive();
  const auto first = plane_.Connect();
  const auto second = plane_.Connect();
  Write(*first, "a");
  AnswerWrite("a");
  first->Send("*2\r\n$3\r\nGE");
  plane_.Turns();
  Write(*second, "b");
  EXPECT_TRUE(WasAsked("b"));
}

TEST_F(SessionGateTest, WithoutInteractiveClientsNobodyWaits) {
  const auto first = plane_.Connect();
  const auto second = plane_.Connect();
  Write(*first, "a");
  Write(*second, "b");
  EXPECT_TRUE(WasAsked("a"));
  EXPECT_TRUE(WasAsked("b"));
}

TEST_F(SessionGateTest, WhoeverIsClosedInsideLetsTheNextIn) {
  SomebodyIsInteractive();
  const auto first = plane_.Connect();
  Session& inside = plane_.session();
  const auto second = plane_.Connect();
  Write(*first, "a");
  Write(*second, "b");
  EXPECT_FALSE(WasAsked("b"));
  inside.view().Kill(false);
  plane_.Turns();
  EXPECT_TRUE(WasAsked("b"));
  AnswerWrite("b");
  EXPECT_EQ(second->Line(), "+OK|");
}

TEST_F(SessionGateTest, WhoeverIsClosedWhileItWaitsIsForgotten) {
  SomebodyIsInteractive();
  const auto first = plane_.Connect();
  const auto second = plane_.Connect();
  Write(*first, "a");
  Write(*second, "b");
  plane_.session().view().Kill(false);
  plane_.Turns();
  EXPECT_FALSE(plane_.gate.anybody_waits());
  AnswerWrite("a");
  EXPECT_EQ(first->Line(), "+OK|");
  EXPECT_FALSE(WasAsked("b"));
}

TEST_F(SessionGateTest, SmallCommandsOfOthersPassBesideALargeValue) {
  SomebodyIsInteractive();
  const auto large = plane_.Connect();
  const auto waiting = plane_.Connect();
  const auto small = plane_.Connect();
  Write(*large, "a");
  Write(*waiting, "b");
  small->Ask({"GET", "c"});
  plane_.Turns();
  EXPECT_NE(plane_.shards[0]->Requests().find("GET c"), std::string::npos);
}

}  // namespace
}  // namespace ringmaster
