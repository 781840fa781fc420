#include "session/session.h"

#include <gtest/gtest.h>

#include "support/data_plane.h"

namespace ringmaster {
namespace {

std::string Bulk(size_t size) {
  return "$" + std::to_string(size) + "\r\n" + std::string(size, 'x') + "\r\n";
}

// A key of each shard: its name with a number behind.
std::string KeyOn(DataPlane& plane, uint32_t shard) {
  for (int i = 0;; ++i) {
    const std::string key = "k" + std::to_string(i);
    if (plane.router.ShardOf(key) == shard) return key;
  }
}

// A plane whose client has read nothing until the test says so, whatever the shard sends.
size_t SendAll(DataPlane& plane, Bytes bytes, size_t shard, size_t peer, int turns) {
  size_t sent = 0;
  for (int i = 0; i < turns && sent < bytes.size(); ++i) {
    sent += plane.shards[shard]->SendSome(bytes.substr(sent), peer);
    plane.Turn();
  }
  return sent;
}

TEST(SessionTest, RepliesKeepTheOrderOfRequestsWhateverShardIsFaster) {
  DataPlane plane(2);
  const auto client = plane.Connect();
  client->Ask({"GET", KeyOn(plane, 0)});
  client->Ask({"GET", KeyOn(plane, 1)});
  plane.Turns();
  plane.shards[1]->Send("+second\r\n");
  plane.Turns();
  const std::string early = client->Line();
  plane.shards[0]->Send("+first\r\n");
  plane.Turns();
  EXPECT_EQ(early + client->Line(), "+first|+second|");
}

TEST(SessionTest, RequestsCutAnywhereGetTheSameReplies) {
  const std::string whole = MakeRequest({"GET", "a"}) + MakeRequest({"SET", "b", "xy"}) +
                            "ECHO hi\r\n" + MakeRequest({"GET", "c"});
  DataPlane plane;
  plane.shards[0]->answer = [](const std::string& request) { return "+" + request + "\r\n"; };
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    const auto client = plane.Connect();
    client->Send(Bytes(whole).substr(0, cut));
    plane.Turns(2);
    client->Send(Bytes(whole).substr(cut));
    plane.Turns(8);
    ASSERT_EQ(client->Line(), "+GET a|+SET b xy|$2|hi|+GET c|") << "cut at " << cut;
  }
}

TEST(SessionTest, RepliesCutAnywhereReachTheClientWhole) {
  const std::string whole = "*3\r\n$3\r\nabc\r\n:7\r\n*-1\r\n+OK\r\n";
  DataPlane plane;
  const auto client = plane.Connect();
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    client->Ask({"LRANGE", "l", "0", "1"});
    client->Ask({"GET", "a"});
    plane.Turns();
    plane.shards[0]->Send(Bytes(whole).substr(0, cut));
    plane.Turns(2);
    plane.shards[0]->Send(Bytes(whole).substr(cut));
    plane.Turns(3);
    ASSERT_EQ(client->Line(), "*3|$3|abc|:7|*-1|+OK|") << "cut at " << cut;
  }
}

TEST(SessionTest, OnlyAWindowOfRequestsIsUnderWay) {
  DataPlane plane;
  plane.windows.set_rule({.cap = 5});
  const auto client = plane.Connect();
  for (int i = 0; i < 20; ++i) client->Ask({"GET", "k"});
  plane.Turns();
  EXPECT_EQ(plane.shards[0]->peers[0]->requests.size(), 5U);
  plane.shards[0]->Send("+a\r\n+b\r\n");
  plane.Turns();
  EXPECT_EQ(plane.shards[0]->peers[0]->requests.size(), 7U);
}

TEST(SessionTest, ADeepPipelineDoesNotMakeOthersWait) {
  DataPlane plane;
  plane.line.set_rule({.commands = 4});
  const auto deep = plane.Connect();
  const auto other = plane.Connect();
  for (int i = 0; i < 50; ++i) deep->Ask({"GET", "deep"});
  other->Ask({"GET", "other"});
  plane.Turns(20);
  const auto& seen = plane.shards[0]->peers[0]->requests;
  const auto at = std::find(seen.begin(), seen.end(), "GET other") - seen.begin();
  EXPECT_LE(at, 12);
  EXPECT_EQ(seen.size(), 51U);
}

TEST(SessionTest, ADeepClientKeepsFewUnderWayWhileOthersSendOneAtATime) {
  DataPlane plane;
  FakeShard& shard = *plane.shards[0];
  shard.answer = [](const std::string&) { return "+v\r\n"; };
  const auto deep = plane.Connect();
  const auto other = plane.Connect();
  for (int i = 0; i < 6; ++i) {
    other->Ask({"GET", "other"});
    plane.Turns();
  }
  for (int i = 0; i < 40; ++i) deep->Ask({"GET", "deep"});
  plane.Turns(20);
  shard.answer = nullptr;
  const size_t before = shard.peers[0]->requests.size();
  for (int i = 0; i < 40; ++i) deep->Ask({"GET", "deep"});
  plane.Turns(20);
  EXPECT_EQ(shard.peers[0]->requests.size() - before, plane.windows.rule().floor);
}

TEST(SessionTest, CommandsBehindSelectGoToTheOtherDatabase) {
  DataPlane plane;
  const auto client = plane.Connect();
  client->Ask({"GET", "in0"});
  client->Ask({"SELECT", "3"});
  client->Ask({"GET", "in3"});
  plane.Turns();
  EXPECT_EQ(plane.shards[0]->Requests(), "GET in0");
  plane.shards[0]->Send("+zero\r\n");
  plane.Turns();
  EXPECT_EQ(plane.shards[0]->peers.at(1)->requests, std::vector<std::string>{"GET in3"});
  plane.shards[0]->Send("+three\r\n", 1);
  plane.Turns();
  EXPECT_EQ(client->Line(), "+zero|+OK|+three|");
}

TEST(SessionTest, QuitAnswersWhatCameBeforeAndServesNothingBehind) {
  DataPlane plane;
  const auto client = plane.Connect();
  client->Ask({"GET", "k"});
  client->Ask({"QUIT"});
  client->Ask({"GET", "never"});
  plane.Turns();
  plane.shards[0]->Send("+v\r\n");
  plane.Turns();
  EXPECT_EQ(client->Line(), "+v|+OK| closed");
  EXPECT_EQ(plane.shards[0]->Requests(), "GET k");
  EXPECT_EQ(plane.clients(), 0U);
}

TEST(SessionTest, ProtocolErrorComesBehindTheRepliesStillDue) {
  DataPlane plane;
  const auto client = plane.Connect();
  client->Ask({"GET", "k"});
  client->Send("*1\r\n!oops\r\n");
  plane.Turns();
  plane.shards[0]->Send("+v\r\n");
  plane.Turns();
  EXPECT_EQ(client->Line(), "+v|-ERR Protocol error: expected '$', got '!'| closed");
}

TEST(SessionTest, ClientReplyOffAndSkipKeepOthersInOrder) {
  DataPlane plane;
  plane.shards[0]->answer = [](const std::string& request) { return "+" + request + "\r\n"; };
  const auto client = plane.Connect();
  client->Ask({"CLIENT", "REPLY", "SKIP"});
  client->Ask({"GET", "skipped"});
  client->Ask({"GET", "seen"});
  client->Ask({"CLIENT", "REPLY", "OFF"});
  client->Ask({"GET", "off"});
  client->Ask({"CLIENT", "REPLY", "ON"});
  client->Ask({"GET", "on"});
  plane.Turns();
  EXPECT_EQ(client->Line(), "+GET seen|+OK|+GET on|");
  EXPECT_EQ(plane.shards[0]->Requests(), "GET skipped, GET seen, GET off, GET on");
}

TEST(SessionTest, AReplyNobodySeesLeavesNoBlockBehind) {
  DataPlane plane;
  const auto client = plane.Connect();
  client->Ask({"CLIENT", "REPLY", "OFF"});
  plane.Turns();
  plane.read_block.Reset();
  EXPECT_EQ(plane.blocks.bytes_in_use(), 0U);
}

TEST(SessionTest, LeavingInMidRequestFreesTheClientAndKeepsTheShardConnection) {
  DataPlane plane;
  auto client = plane.Connect();
  const auto other = plane.Connect();
  client->Ask({"GET", "first"});
  client->Send("*2\r\n$3\r\nGE");
  plane.Turns();
  client->Leave();
  plane.Turns();
  other->Ask({"GET", "second"});
  plane.Turns();
  plane.shards[0]->Send("+for the dead\r\n+for the living\r\n");
  plane.Turns();
  // It may have closed its sending side only: it is gone when its reply finds nobody.
  EXPECT_EQ(plane.clients(), 1U);
  EXPECT_EQ(other->Line(), "+for the living|");
  EXPECT_EQ(plane.requests.live(), 0U);
}

TEST(SessionTest, LeavingInMidReplyDropsTheRestAndServesOthers) {
  DataPlane plane;
  auto client = plane.Connect();
  const auto other = plane.Connect();
  client->Ask({"GET", "large"});
  plane.Turns();
  const std::string reply = Bulk(100000);
  plane.shards[0]->Send(Bytes(reply).substr(0, 50000));
  plane.Turns();
  client->Leave();
  plane.Turns();
  other->Ask({"GET", "small"});
  plane.Turns();
  plane.shards[0]->Send(reply.substr(50000) + "+small\r\n");
  plane.Turns();
  EXPECT_EQ(other->Line(), "+small|");
}

TEST(SessionTest, ASlowReaderHoldsBackItsOwnShardConnectionOnly) {
  DataPlane plane;
  const auto slow = plane.Connect();
  const auto other = plane.Connect();
  slow->Ask({"GET", "huge"});
  plane.Turns();
  const std::string reply = Bulk(16U << 20);
  const size_t sent = SendAll(plane, reply, 0, 0, 300);
  EXPECT_LT(sent, 4U << 20);
  EXPECT_LT(plane.blocks.bytes_in_use(), 4U << 20);
  other->Ask({"GET", "small"});
  plane.Turns();
  ASSERT_EQ(plane.shards[0]->peers.size(), 2U);
  plane.shards[0]->Send("+small\r\n", 1);
  plane.Turns();
  EXPECT_EQ(other->Line(), "+small|");
  size_t got = 0;
  size_t passed = sent;
  for (int i = 0; i < 3000 && got < reply.size(); ++i) {
    passed += plane.shards[0]->SendSome(Bytes(reply).substr(passed), 0);
    plane.Turn();
    got += slow->Read().size();
  }
  EXPECT_EQ(got, reply.size());
}

TEST(SessionTest, ASlowReaderOfManySmallElementsHurtsNobodyElse) {
  DataPlane plane;
  const auto slow = plane.Connect();
  const auto other = plane.Connect();
  slow->Ask({"LRANGE", "huge", "0", "-1"});
  plane.Turns();
  std::string reply = "*1000000\r\n";
  for (int i = 0; i < 1000000; ++i) reply += ":1234567\r\n";
  SendAll(plane, reply, 0, 0, 300);
  other->Ask({"GET", "small"});
  plane.Turns();
  ASSERT_EQ(plane.shards[0]->peers.size(), 2U);
  plane.shards[0]->Send("+small\r\n", 1);
  plane.Turns();
  EXPECT_EQ(other->Line(), "+small|");
}

TEST(SessionTest, ALostShardInMidReplyHangsUp) {
  DataPlane plane;
  const auto client = plane.Connect();
  client->Ask({"GET", "large"});
  plane.Turns();
  plane.shards[0]->Send("$100\r\nhalf");
  plane.Turns();
  plane.shards[0]->Drop();
  plane.Turns();
  EXPECT_EQ(client->Line(), "$100|half closed");
  EXPECT_EQ(plane.requests.live(), 0U);
}

TEST(SessionTest, ALostReplyThatWasHeldIsAnErrorInItsPlace) {
  DataPlane plane(2);
  const auto client = plane.Connect();
  client->Ask({"GET", KeyOn(plane, 0)});
  client->Ask({"GET", KeyOn(plane, 1)});
  plane.Turns();
  plane.shards[1]->Send("$100\r\nhalf");
  plane.Turns();
  plane.shards[1]->Drop();
  plane.Turns();
  plane.shards[0]->Send("+v\r\n");
  plane.Turns();
  EXPECT_THAT(client->Line(), testing::StartsWith("+v|-NOTAPPLIED "));
}

TEST(SessionTest, MemoryLimitRefusesRequestsButKeepsTheClient) {
  DataPlane plane;
  plane.session_limits.memory = 1;
  const auto client = plane.Connect();
  client->Ask({"GET", "k"});
  plane.Turns();
  EXPECT_THAT(client->Line(), testing::StartsWith("-NOTAPPLIED the proxy is at its memory limit"));
  plane.session_limits.memory = 0;
  client->Ask({"ECHO", "again"});
  plane.Turns();
  EXPECT_EQ(client->Line(), "$5|again|");
}

TEST(SessionTest, AnUnfinishedRequestPastTheQueryBufferIsRefused) {
  DataPlane plane;
  plane.session_limits.query_buffer = 64 * 1024;
  const auto client = plane.Connect();
  client->Send("*100\r\n$4\r\nMGET\r\n");
  std::string line;
  for (int i = 0; i < 99; ++i) {
    client->Send("$4000\r\n" + std::string(4000, 'k') + "\r\n");
    plane.Turn();
    line += client->Line();
  }
  EXPECT_THAT(line, testing::StartsWith("-ERR "));
  EXPECT_EQ(plane.clients(), 0U);
}

TEST(SessionTest, KillingAfterTheReplyClosesAlsoWhenTheReplyComesLater) {
  DataPlane plane;
  const auto client = plane.Connect();
  client->Ask({"GET", "k"});
  plane.Turns();
  plane.session().view().Kill(true);
  plane.shards[0]->Send("+v\r\n");
  plane.Turns();
  EXPECT_EQ(client->Line(), "+v| closed");
}

TEST(SessionTest, IdleClientsAreClosedAndBusyOnesAreNot) {
  DataPlane plane;
  plane.session_limits.idle_timeout = std::chrono::seconds(1);
  const auto client = plane.Connect();
  client->Ask({"GET", "k"});
  plane.Turns();
  const TimePoint later = plane.loop.Now() + std::chrono::seconds(5);
  plane.session().CheckIdle(later);
  plane.Turns();
  EXPECT_EQ(client->Line(), "");
  plane.shards[0]->Send("+v\r\n");
  plane.Turns();
  plane.session().CheckIdle(later);
  plane.Turns();
  EXPECT_EQ(client->Line(), "+v| closed");
}

TEST(SessionTest, AnIdleClientHoldsNoBlock) {
  DataPlane plane;
  plane.shards[0]->answer = [](const std::string&) { return "+v\r\n"; };
  const auto client = plane.Connect();
  for (int i = 0; i < 100; ++i) client->Ask({"GET", "k"});
  plane.Turns(20);
  plane.read_block.Reset();
  EXPECT_EQ(plane.blocks.bytes_in_use(), 0U);
}

TEST(SessionTest, WhatWasReadIsServedBeforeADrainedClientIsClosed) {
  DataPlane plane;
  plane.windows.set_rule({.cap = 2});
  const auto client = plane.Connect();
  for (int i = 0; i < 5; ++i) client->Ask({"GET", "k"});
  plane.Turns();
  plane.session().Drain();
  plane.shards[0]->answer = [](const std::string&) { return "+v\r\n"; };
  plane.shards[0]->Send("+v\r\n+v\r\n");
  plane.Turns(20);
  EXPECT_EQ(client->Line(), "+v|+v|+v|+v|+v| closed");
}

TEST(SessionTest, AClientSendsNoMoreUntilWhatWentTheOldWayIsAnswered) {
  DataPlane plane(2);
  plane.router.Use(plane.Snapshot(1));
  const auto client = plane.Connect();
  client->Ask({"GET", "k1"});
  plane.Turns();
  plane.router.Use(plane.Snapshot(2));
  client->Ask({"GET", "k2"});
  plane.Turns();
  EXPECT_EQ(plane.shards[0]->Requests() + plane.shards[1]->Requests(), "GET k1");
  plane.shards[0]->Send("+1\r\n");
  plane.Turns();
  EXPECT_THAT(plane.shards[0]->Requests() + plane.shards[1]->Requests(),
              testing::HasSubstr("GET k2"));
}

}  // namespace
}  // namespace ringmaster
