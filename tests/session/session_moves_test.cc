#include <gtest/gtest.h>

#include "session/session.h"
#include "support/data_plane.h"

namespace ringmaster {
namespace {

// From one worker to another of the same kind; both planes have the same shards in reality, here it
// is one.
void MoveClient(DataPlane& from, DataPlane& to) {
  Session& session = from.session();
  session.SetLeaving(true);
  ASSERT_TRUE(session.quiet());
  const std::shared_ptr<MovedClient> client = session.Depart();
  from.Free(session);
  to.all.PushBack(*new Session(to.sessions, *client));
}

TEST(SessionMovesTest, ItIsNotQuietWhileAReplyIsDueAndStartsNothingMore) {
  DataPlane plane;
  const auto client = plane.Connect();
  client->Ask({"GET", "a"});
  plane.Turns();
  plane.session().SetLeaving(true);
  client->Ask({"GET", "b"});
  plane.Turns();
  EXPECT_FALSE(plane.session().quiet());
  EXPECT_EQ(plane.shards[0]->Requests(), "GET a");
  plane.shards[0]->Send("+a\r\n");
  plane.Turns();
  EXPECT_TRUE(plane.session().quiet());
  EXPECT_EQ(client->Line(), "+a|");
}

TEST(SessionMovesTest, OneThatStaysAfterAllGoesOn) {
  DataPlane plane;
  plane.shards[0]->answer = [](const std::string& request) { return "+" + request + "\r\n"; };
  const auto client = plane.Connect();
  plane.session().SetLeaving(true);
  client->Ask({"GET", "a"});
  plane.Turns();
  EXPECT_EQ(client->Line(), "");
  plane.session().SetLeaving(false);
  plane.Turns();
  EXPECT_EQ(client->Line(), "+GET a|");
}

TEST(SessionMovesTest, UnservedBytesTravelAndAreServedOnce) {
  DataPlane here;
  DataPlane there;
  there.shards[0]->answer = [](const std::string& request) { return "+" + request + "\r\n"; };
  const auto client = here.Connect();
  const std::string request = MakeRequest({"GET", "half"});
  client->Send(Bytes(request).substr(0, 9));
  here.Turns();
  MoveClient(here, there);
  client->Send(Bytes(request).substr(9));
  client->Ask({"GET", "next"});
  there.Turns();
  EXPECT_EQ(client->Line(), "+GET half|+GET next|");
  EXPECT_EQ(here.shards[0]->peers.size(), 0U);
}

TEST(SessionMovesTest, WholeRequestsThatWaitedAreServedWithoutNewBytes) {
  DataPlane here;
  DataPlane there;
  there.shards[0]->answer = [](const std::string& request) { return "+" + request + "\r\n"; };
  here.windows.set_rule({.cap = 1});
  const auto client = here.Connect();
  client->Ask({"GET", "a"});
  client->Ask({"GET", "b"});
  client->Ask({"GET", "c"});
  here.Turns();
  here.session().SetLeaving(true);
  here.shards[0]->Send("+first\r\n");
  here.Turns();
  MoveClient(here, there);
  there.Turns();
  EXPECT_EQ(client->Line(), "+first|+GET b|+GET c|");
}

TEST(SessionMovesTest, NameDatabaseAndIdTravel) {
  DataPlane here;
  DataPlane there;
  const auto client = here.Connect();
  client->Ask({"CLIENT", "SETNAME", "me"});
  client->Ask({"SELECT", "3"});
  client->Ask({"CLIENT", "ID"});
  here.Turns();
  EXPECT_EQ(client->Line(), "+OK|+OK|:1|");
  MoveClient(here, there);
  client->Ask({"CLIENT", "GETNAME"});
  client->Ask({"CLIENT", "ID"});
  there.Turns();
  EXPECT_EQ(client->Line(), "$2|me|:1|");
  EXPECT_EQ(there.session().view().state().database, 3);
}

TEST(SessionMovesTest, AClientThatNobodyTakesIsHungUpOn) {
  DataPlane plane;
  const auto client = plane.Connect();
  plane.Turns();
  Session& session = plane.session();
  { const std::shared_ptr<MovedClient> dropped = session.Depart(); }
  plane.Free(session);
  EXPECT_EQ(client->Read(), " closed");
}

}  // namespace
}  // namespace ringmaster
