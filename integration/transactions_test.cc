// MULTI, EXEC and WATCH through the proxy, over one and over several real shards.
#include <gtest/gtest.h>

#include <string>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

class TransactionTest : public testing::TestWithParam<int> {
 protected:
  std::string Say(Client& client, const std::vector<std::string>& words) {
    return client.Command(words);
  }

  Cluster cluster_{ClusterOptions{.shards = GetParam()}};
  Client client_ = cluster_.Connect();
  Client other_ = cluster_.Connect();
};

TEST_P(TransactionTest, RunsWhatWasQueuedInItsOrder) {
  EXPECT_EQ(Say(client_, {"MULTI"}), "OK");
  EXPECT_EQ(Say(client_, {"SET", "a", "1"}), "QUEUED");
  EXPECT_EQ(Say(client_, {"INCR", "a"}), "QUEUED");
  EXPECT_EQ(Say(client_, {"SET", "b", "x"}), "QUEUED");
  EXPECT_EQ(Say(client_, {"MGET", "a", "b", "none"}), "QUEUED");
  EXPECT_EQ(Say(client_, {"PING"}), "QUEUED");
  EXPECT_EQ(Say(other_, {"GET", "a"}), "(nil)");
  EXPECT_EQ(Say(client_, {"EXEC"}), "[OK, (integer) 2, OK, [\"2\", \"x\", (nil)], PONG]");
}

TEST_P(TransactionTest, ErrorOfOneCommandLeavesTheOthersAsInRedis) {
  EXPECT_EQ(Say(client_, {"SET", "text", "x"}), "OK");
  Say(client_, {"MULTI"});
  Say(client_, {"SET", "{t}1", "v"});
  Say(client_, {"LPUSH", "text", "x"});
  Say(client_, {"SET", "{t}2", "v"});
  const std::string reply = Say(client_, {"EXEC"});
  EXPECT_NE(reply.find("WRONGTYPE"), std::string::npos) << reply;
  EXPECT_EQ(Say(client_, {"EXISTS", "{t}1", "{t}2"}), "(integer) 2");
}

TEST_P(TransactionTest, ErrorWhileQueueingDiscardsAll) {
  Say(client_, {"MULTI"});
  Say(client_, {"SET", "a", "1"});
  EXPECT_NE(Say(client_, {"SET", "a"}).find("wrong number"), std::string::npos);
  EXPECT_EQ(Say(client_, {"SET", "a", "2"}), "QUEUED");
  EXPECT_EQ(Say(client_, {"EXEC"}),
            "(error) EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(Say(client_, {"GET", "a"}), "(nil)");
}

TEST_P(TransactionTest, WordsOutOfPlaceAreRedissErrors) {
  EXPECT_EQ(Say(client_, {"EXEC"}), "(error) ERR EXEC without MULTI");
  EXPECT_EQ(Say(client_, {"DISCARD"}), "(error) ERR DISCARD without MULTI");
  Say(client_, {"MULTI"});
  EXPECT_EQ(Say(client_, {"MULTI"}), "(error) ERR MULTI calls can not be nested");
  EXPECT_EQ(Say(client_, {"WATCH", "a"}), "(error) ERR WATCH inside MULTI is not allowed");
  EXPECT_EQ(Say(client_, {"DISCARD"}), "OK");
  EXPECT_EQ(Say(client_, {"MULTI"}), "OK");
  EXPECT_EQ(Say(client_, {"EXEC"}), "[]");
}

TEST_P(TransactionTest, WatchedKeyThatSomebodyTouchedMakesExecNil) {
  for (const char* touched : {"w1", "w2", "w3", "w4"}) {
    EXPECT_EQ(Say(client_, {"WATCH", "w1", "w2", "w3", "w4"}), "OK");
    Say(other_, {"INCR", touched});
    Say(client_, {"MULTI"});
    Say(client_, {"SET", "result", touched});
    EXPECT_EQ(Say(client_, {"EXEC"}), "(nil array)") << touched;
  }
  EXPECT_EQ(Say(client_, {"GET", "result"}), "(nil)");
  Say(client_, {"WATCH", "w1", "w2", "w3", "w4"});
  Say(client_, {"MULTI"});
  Say(client_, {"SET", "result", "untouched"});
  EXPECT_EQ(Say(client_, {"EXEC"}), "[OK]");
}

TEST_P(TransactionTest, UnwatchDiscardAndResetForgetWhatWasWatched) {
  const std::vector<std::vector<std::string>> forgetting = {{"UNWATCH"}, {"DISCARD"}, {"RESET"}};
  for (const auto& forget : forgetting) {
    Say(client_, {"WATCH", "w"});
    if (forget[0] == "DISCARD") Say(client_, {"MULTI"});
    Say(client_, forget);
    Say(other_, {"INCR", "w"});
    Say(client_, {"MULTI"});
    Say(client_, {"PING"});
    EXPECT_EQ(Say(client_, {"EXEC"}), "[PONG]") << forget[0];
  }
}

TEST_P(TransactionTest, WatchLooksAtTheDatabaseThatWasSelected) {
  Say(client_, {"SELECT", "5"});
  Say(client_, {"WATCH", "w"});
  Say(client_, {"SELECT", "0"});
  Say(other_, {"SET", "w", "of database 0"});
  Say(client_, {"MULTI"});
  Say(client_, {"PING"});
  EXPECT_EQ(Say(client_, {"EXEC"}), "[PONG]");
}

TEST_P(TransactionTest, SelectInsideHoldsFromThereOn) {
  Say(client_, {"MULTI"});
  Say(client_, {"SET", "k", "0"});
  Say(client_, {"SELECT", "3"});
  Say(client_, {"SET", "k", "3"});
  EXPECT_EQ(Say(client_, {"EXEC"}), "[OK, OK, OK]");
  EXPECT_EQ(Say(client_, {"GET", "k"}), "\"3\"");
  EXPECT_EQ(Say(other_, {"GET", "k"}), "\"0\"");
}

TEST_P(TransactionTest, NothingBlocksInside) {
  Say(client_, {"MULTI"});
  Say(client_, {"BLPOP", "{e}1", "{e}2", "0"});
  Say(client_, {"RPUSH", "{e}1", "x"});
  Say(client_, {"BLPOP", "{e}1", "{e}2", "0"});
  EXPECT_EQ(Say(client_, {"EXEC"}), "[(nil array), (integer) 1, [\"{e}1\", \"x\"]]");
}

TEST_P(TransactionTest, ShowsInTheListOfClients) {
  Say(client_, {"CLIENT", "SETNAME", "queueing"});
  Say(client_, {"MULTI"});
  Say(client_, {"PING"});
  const std::string list = Say(other_, {"CLIENT", "LIST"});
  const size_t at = list.find("name=queueing");
  ASSERT_NE(at, std::string::npos);
  const std::string line = list.substr(at, list.find("resp=", at) - at);
  EXPECT_NE(line.find("flags=x"), std::string::npos) << line;
  EXPECT_NE(line.find("multi=1"), std::string::npos) << line;
}

TEST_P(TransactionTest, ClientThatLeavesLeavesNothingBehind) {
  {
    Client leaving = cluster_.Connect();
    Say(leaving, {"WATCH", "w"});
    Say(leaving, {"MULTI"});
    Say(leaving, {"SET", "never", "x"});
  }
  EXPECT_EQ(Say(other_, {"GET", "never"}), "(nil)");
}

// Whom a transaction serves is served behind it, and so behind its SLOWLOG RESET.
TEST_P(TransactionTest, SlowLogResetInItLeavesWhatItServed) {
  Say(client_, {"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  other_.Send("*3\r\n$5\r\nBLPOP\r\n$4\r\nlist\r\n$1\r\n0\r\n");
  ASSERT_TRUE(Eventually([&] {
    return Say(client_, {"CLIENT", "LIST"}).find("flags=b ") != std::string::npos;
  }));
  Say(client_, {"MULTI"});
  Say(client_, {"LPUSH", "list", "x"});
  Say(client_, {"SLOWLOG", "RESET"});
  EXPECT_EQ(Say(client_, {"EXEC"}), "[(integer) 1, OK]");
  EXPECT_EQ(other_.Read(), "[\"list\", \"x\"]");
  const std::string log = client_.Command({"SLOWLOG", "GET", "-1"});
  EXPECT_NE(log.find("[\"BLPOP\", \"list\", \"0\"]"), std::string::npos) << log;
  EXPECT_EQ(log.find("MULTI"), std::string::npos) << log;
}

INSTANTIATE_TEST_SUITE_P(Shards, TransactionTest, testing::Values(1, 4),
                         [](const auto& info) { return std::to_string(info.param) + "Shards"; });

}  // namespace
}  // namespace ringmaster::integration
