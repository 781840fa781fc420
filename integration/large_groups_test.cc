// The promise: several requests that go to a shard as one (a transaction, the steps of a write over
// shards) may be as large as they like. The shard answers the first while the last are on their
// way, and nobody else on the connection notices.
#include <gtest/gtest.h>

#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

constexpr size_t kLarge = 10 << 20;

class LargeGroupsTest : public testing::TestWithParam<int64_t> {
 protected:
  LargeGroupsTest() {
    client_.set_patience(std::chrono::seconds(30));
    for (size_t i = 0; i < 3; ++i) cluster_.fault(i).Throttle(GetParam());
  }
  std::string Key(size_t shard) { return cluster_.KeyOn(shard); }

  Cluster cluster_{ClusterOptions{.shards = 3, .faults = true}};
  const std::string value_ = std::string(kLarge, 'v');
  Client client_ = cluster_.Connect();
};

TEST_P(LargeGroupsTest, TransactionOnOneKey) {
  CheckedLoad others(cluster_.proxy().address(), {.clients = 2, .pipeline = 1});
  ASSERT_TRUE(Eventually([&] { return others.replies() > 20; }));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(client_.Command({"MULTI"}), "OK");
    EXPECT_EQ(client_.Command({"SET", Key(0), value_}), "QUEUED");
    EXPECT_EQ(client_.Command({"STRLEN", Key(0)}), "QUEUED");
    EXPECT_EQ(client_.Command({"EXEC"}), "[OK, (integer) 10485760]");
  }
  const CheckedLoad::Report report = others.Stop();
  EXPECT_TRUE(report.mismatches.empty() && report.errors == 0) << Summary(report);
}

TEST_P(LargeGroupsTest, TransactionOverShards) {
  EXPECT_EQ(client_.Command({"MULTI"}), "OK");
  EXPECT_EQ(client_.Command({"SET", Key(0), value_}), "QUEUED");
  EXPECT_EQ(client_.Command({"APPEND", Key(1), value_}), "QUEUED");
  EXPECT_EQ(client_.Command({"EXEC"}), "[OK, (integer) 10485760]");
}

TEST_P(LargeGroupsTest, MemberThatMovesBetweenShards) {
  EXPECT_EQ(client_.Command({"SADD", Key(0), value_, "x"}), "(integer) 2");
  EXPECT_EQ(client_.Command({"SMOVE", Key(0), Key(1), value_}), "(integer) 1");
  EXPECT_EQ(client_.Command({"SISMEMBER", Key(1), value_}), "(integer) 1");
  EXPECT_EQ(client_.Command({"SCARD", Key(0)}), "(integer) 1");
}

TEST_P(LargeGroupsTest, ScriptOverShards) {
  const std::string script =
      "redis.call('set', KEYS[1], ARGV[1]) redis.call('set', KEYS[2], ARGV[1]) return 7";
  EXPECT_EQ(client_.Command({"EVAL", script, "2", Key(0), Key(1), value_}), "(integer) 7");
  EXPECT_EQ(client_.Command({"STRLEN", Key(0)}), "(integer) 10485760");
  EXPECT_EQ(client_.Command({"STRLEN", Key(1)}), "(integer) 10485760");
}

TEST_P(LargeGroupsTest, RenameAndListsBetweenShards) {
  EXPECT_EQ(client_.Command({"SET", Key(0), value_}), "OK");
  EXPECT_EQ(client_.Command({"RENAME", Key(0), Key(1)}), "OK");
  EXPECT_EQ(client_.Command({"STRLEN", Key(1)}), "(integer) 10485760");
  EXPECT_EQ(client_.Command({"DEL", Key(1)}), "(integer) 1");
  EXPECT_EQ(client_.Command({"RPUSH", Key(1), value_}), "(integer) 1");
  EXPECT_EQ(client_.CommandRaw({"LMOVE", Key(1), Key(2), "LEFT", "RIGHT"}).size(), kLarge + 13);
  EXPECT_EQ(client_.Command({"LLEN", Key(2)}), "(integer) 1");
}

TEST_P(LargeGroupsTest, ShardThatHangsUpInTheMiddleCostsAnErrorAndOthersGoOn) {
  ASSERT_EQ(cluster_.server(0).Command({"CONFIG", "SET", "proto-max-bulk-len", "1mb"}), "OK");
  CheckedLoad others(cluster_.proxy().address(), {.clients = 1, .pipeline = 1});
  ASSERT_TRUE(Eventually([&] { return others.replies() > 20; }));
  EXPECT_EQ(client_.Command({"MULTI"}), "OK");
  EXPECT_EQ(client_.Command({"SET", Key(0), value_}), "QUEUED");
  EXPECT_EQ(client_.Command({"STRLEN", Key(0)}), "QUEUED");
  const TimePoint begin = MonotonicNow();
  const std::string reply = client_.Command({"EXEC"});
  EXPECT_NE(reply.find("NOTAPPLIED"), std::string::npos) << reply;
  EXPECT_LT(Milliseconds(MonotonicNow() - begin), 3000);
  EXPECT_EQ(client_.Command({"STRLEN", Key(0)}), "(integer) 0");
  const CheckedLoad::Report report = others.Stop();
  EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
}

TEST(LargeGroupsDirectTest, RefusalIsHeardInTheShardsWords) {
  Cluster cluster{ClusterOptions{.shards = 1}};
  ASSERT_EQ(cluster.server(0).Command({"CONFIG", "SET", "proto-max-bulk-len", "1mb"}), "OK");
  Client client = cluster.Connect();
  EXPECT_EQ(client.Command({"MULTI"}), "OK");
  EXPECT_EQ(client.Command({"SET", "k", std::string(kLarge, 'v')}), "QUEUED");
  const std::string reply = client.Command({"EXEC"});
  EXPECT_TRUE(reply.find("NOTAPPLIED") != std::string::npos &&
              reply.find("invalid bulk length") != std::string::npos)
      << reply;
  EXPECT_EQ(client.Command({"GET", "k"}), "(nil)");
}

// As fast as they can, and 32 MB a second.
INSTANTIATE_TEST_SUITE_P(Speeds, LargeGroupsTest, testing::Values(0, 32 << 20));

// One Redis answers what came before it, however long that takes, and then this.
TEST(LargeRepliesInFrontTest, OfAWriteOverShardsDoNotRefuseIt) {
  Cluster cluster({.shards = 2, .faults = true});
  Client reader = cluster.Connect(), writer = cluster.Connect();
  reader.set_patience(std::chrono::seconds(30));
  writer.set_patience(std::chrono::seconds(30));
  const std::string large = cluster.KeyOn(0), small = cluster.KeyOn(0, 1), other = cluster.KeyOn(1);
  ASSERT_EQ(reader.Command({"SET", large, std::string(kLarge, 'v')}), "OK");
  ASSERT_EQ(writer.Command({"SET", small, "v"}), "OK");
  constexpr int64_t kFourSeconds = kLarge / 4;
  cluster.fault(0).Throttle(kFourSeconds);
  const int64_t before = cluster.fault(0).reply_bytes();
  reader.Send(Encode({"GET", large}));
  ASSERT_TRUE(Eventually([&] { return cluster.fault(0).reply_bytes() > before; }));
  EXPECT_EQ(writer.Command({"RENAME", small, other}), "OK");
  EXPECT_EQ(reader.ReadRaw().size(), std::string("$10485760\r\n\r\n").size() + kLarge);
}

// Replies that are not passed on say what became of the writes beside them.
TEST(RepliesTooLargeTest, SayWhatBecameOfTheWrites) {
  Cluster cluster({.shards = 2, .limits = "reply_buffer: 1mb"});
  Client client = cluster.Connect();
  const std::string large = cluster.KeyOn(0), beside = cluster.KeyOn(0, 1),
                    other = cluster.KeyOn(1);
  client.Command({"SET", large, std::string(2 << 20, 'v')});
  client.Command({"MSET", beside, "before", other, "before"});
  const auto exec = [&](const std::vector<std::string>& write) {
    return client.Pipeline({{"MULTI"}, write, {"GET", large}, {"EXEC"}}).back();
  };
  const std::string written = exec({"SET", beside, "after"});
  EXPECT_NE(written.find("reply_buffer (1048576 bytes), but what it wrote is written"),
            std::string::npos)
      << written;
  EXPECT_EQ(client.Command({"GET", beside}), "\"after\"");
  const std::string undone =
      client
          .Pipeline(
              {{"MULTI"}, {"SET", beside, "x"}, {"SET", other, "x"}, {"GET", large}, {"EXEC"}})
          .back();
  EXPECT_NE(undone.find("reply_buffer (1048576 bytes), and what it wrote was undone"),
            std::string::npos)
      << undone;
  EXPECT_EQ(client.Command({"MGET", beside, other}), "[\"after\", \"before\"]");
  const std::string read = exec({"GET", other});
  EXPECT_NE(read.find("reply_buffer (1048576 bytes); ask"), std::string::npos) << read;
  EXPECT_EQ(client.Command({"PING"}), "PONG");
}

}  // namespace
}  // namespace ringmaster::integration
