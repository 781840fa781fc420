#include "session/upload.h"

#include <gtest/gtest.h>

#include "support/data_plane.h"

namespace ringmaster {
namespace {

constexpr size_t kLarge = 3U << 20;

std::string LargeSet(size_t size = kLarge) {
  return MakeRequest({"SET", "k", std::string(size, 'v')});
}

// Sends all of `bytes` while the loop turns; false when the client was not read to the end.
bool SendAll(DataPlane& plane, TestClient& client, Bytes bytes, int turns = 2000) {
  for (int i = 0; i < turns && !bytes.empty(); ++i) {
    bytes.remove_prefix(client.Send(bytes));
    plane.Turn();
  }
  plane.Turns();
  return bytes.empty();
}

TEST(UploadTest, ALargeValueStreamsAndTheNextCommandWaitsForItsReply) {
  DataPlane plane;
  const auto client = plane.Connect();
  size_t most = 0;
  const std::string bytes = LargeSet() + MakeRequest({"GET", "k"});
  Bytes rest = bytes;
  for (int i = 0; i < 2000 && !rest.empty(); ++i) {
    rest.remove_prefix(client->Send(rest));
    plane.Turn();
    most = std::max(most, plane.blocks.bytes_in_use());
  }
  plane.Turns();
  EXPECT_EQ(plane.shards[0]->Requests(), "SET k <3145728>");
  EXPECT_LT(most, 2U << 20);
  plane.shards[0]->Send("+OK\r\n");
  plane.Turns();
  EXPECT_EQ(plane.shards[0]->Requests(), "SET k <3145728>, GET k");
  EXPECT_EQ(client->Line(), "+OK|");
}

TEST(UploadTest, AShardThatDoesNotReadStopsOurReadingAndResumesIt) {
  DataPlane plane;
  plane.shards[0]->answer = [](const std::string&) { return "+OK\r\n"; };
  const auto client = plane.Connect();
  client->Ask({"SET", "a", std::string(130000, 'v')});
  SendAll(plane, *client, "");
  ASSERT_EQ(client->Line(), "+OK|");
  plane.shards[0]->frozen = true;
  const std::string bytes = LargeSet(16U << 20);
  Bytes rest = bytes;
  for (int i = 0; i < 300; ++i) {
    rest.remove_prefix(client->Send(rest));
    plane.Turn();
  }
  EXPECT_GT(rest.size(), 10U << 20);
  EXPECT_LT(plane.blocks.bytes_in_use(), 3U << 20);
  plane.shards[0]->frozen = false;
  EXPECT_TRUE(SendAll(plane, *client, rest, 5000));
  EXPECT_EQ(client->Line(), "+OK|");
}

TEST(UploadTest, AShardLostWhileTheClientWaitsAnswersAndSwallowsTheRest) {
  DataPlane plane;
  const auto client = plane.Connect();
  plane.shards[0]->frozen = true;
  const std::string bytes = LargeSet(8U << 20) + MakeRequest({"ECHO", "alive"});
  Bytes rest = bytes;
  for (int i = 0; i < 300; ++i) {
    rest.remove_prefix(client->Send(rest));
    plane.Turn();
  }
  ASSERT_FALSE(rest.empty());
  plane.shards[0]->Drop();
  EXPECT_TRUE(SendAll(plane, *client, rest));
  const std::string line = client->Line();
  EXPECT_THAT(line, testing::StartsWith("-NOTAPPLIED "));
  EXPECT_THAT(line, testing::EndsWith("|$5|alive|"));
}

TEST(UploadTest, WrongFramingBehindTheValueIsTheOnlyReply) {
  DataPlane plane;
  const auto client = plane.Connect();
  SendAll(
      plane, *client,
      "*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$200000\r\n" + std::string(200000, 'v') + "\r\n!2\r\nEX\r\n");
  EXPECT_EQ(client->Line(), "-ERR Protocol error: expected '$', got '!'| closed");
  EXPECT_EQ(plane.shards[0]->Requests(), "");
}

TEST(UploadTest, LeavingInMidUploadNeverCompletesTheRequest) {
  DataPlane plane;
  const auto client = plane.Connect();
  const std::string bytes = LargeSet();
  SendAll(plane, *client, Bytes(bytes).substr(0, 1U << 20));
  client->Leave();
  plane.Turns();
  plane.router.Tick(plane.loop.Now());
  plane.Turns();
  EXPECT_EQ(plane.shards[0]->Requests(), "");
  EXPECT_TRUE(plane.shards[0]->peers[0]->gone);
  EXPECT_EQ(plane.requests.live(), 0U);
}

TEST(UploadTest, ASlowClientIsNoFaultOfTheShard) {
  BackendLimits limits;
  limits.command_timeout = Duration(1);
  DataPlane plane(1, limits);
  const auto client = plane.Connect();
  const std::string bytes = LargeSet();
  SendAll(plane, *client, Bytes(bytes).substr(0, 1U << 20));
  plane.router.Tick(plane.loop.Now() + std::chrono::hours(1));
  plane.Turns();
  EXPECT_EQ(client->Line(), "");
  EXPECT_EQ(plane.links[0]->failures(), 0U);
}

TEST(UploadTest, TheConnectionIsLentAgainForTheNextUpload) {
  DataPlane plane;
  plane.shards[0]->answer = [](const std::string&) { return "+OK\r\n"; };
  const auto client = plane.Connect();
  SendAll(plane, *client, LargeSet());
  SendAll(plane, *client, LargeSet());
  EXPECT_EQ(client->Line(), "+OK|+OK|");
  EXPECT_EQ(plane.shards[0]->peers.size(), 1U);
}

TEST(UploadTest, TooManyAtOnceAreRefusedAndTheClientGoesOn) {
  BackendLimits limits;
  limits.max_connections = 1;
  DataPlane plane(1, limits);
  const auto first = plane.Connect();
  const auto second = plane.Connect();
  const std::string bytes = LargeSet();
  SendAll(plane, *first, Bytes(bytes).substr(0, 1U << 20));
  SendAll(plane, *second, bytes + MakeRequest({"ECHO", "on"}));
  EXPECT_EQ(second->Line(), "-NOTAPPLIED shard a: too many large transfers at once|$2|on|");
}

}  // namespace
}  // namespace ringmaster
