// The promise: commands that only the shards know reach the shard of their keys, and the proxy's
// own keys are nobody else's. Redis's commands under other names stand for those of modules.
#include <gtest/gtest.h>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

class ModuleCommandsTest : public testing::Test {
 protected:
  static ClusterOptions Options() {
    ClusterOptions options;
    options.server.config = {"rename-command incrby mod.add", "rename-command touch mod.count",
                             "rename-command zunion mod.union", "rename-command lolwut mod.art"};
    return options;
  }

  Cluster cluster_{Options()};
  Client client_ = cluster_.Connect();
};

TEST_F(ModuleCommandsTest, KeyDecidesTheShardOfACommandThatOnlyShardsKnow) {
  for (size_t shard = 0; shard < cluster_.size(); ++shard) {
    const std::string key = cluster_.KeyOn(shard);
    EXPECT_EQ(client_.Command({"mod.add", key, "5"}), "(integer) 5");
    EXPECT_EQ(client_.Command({"MOD.ADD", key, "2"}), "(integer) 7");
    EXPECT_EQ(cluster_.server(shard).Command({"GET", key}), "\"7\"");
  }
  EXPECT_EQ(client_.Command({"mod.add", "k"}),
            "(error) ERR wrong number of arguments for 'mod.add' command");
  EXPECT_EQ(client_.Command({"mod.none", "k"}),
            "(error) ERR unknown command 'mod.none', with args beginning with: 'k' ");
}

TEST_F(ModuleCommandsTest, KeysOfSeveralShardsAreRefusedAndOfOneAreServed) {
  const std::string a = cluster_.KeyOn(0), b = cluster_.KeyOn(0, 1), far = cluster_.KeyOn(1);
  client_.Pipeline({{"SET", a, "1"}, {"SET", b, "1"}});
  EXPECT_EQ(client_.Command({"mod.count", a, b, a}), "(integer) 3");
  EXPECT_TRUE(client_.Command({"mod.count", a, far}).starts_with("(error) ERR MOD.COUNT"));
  client_.Pipeline({{"DEL", a, b}, {"ZADD", a, "1", "x"}, {"ZADD", b, "2", "y"}});
  // Where its keys are only a shard can say.
  EXPECT_EQ(client_.Command({"mod.union", "2", a, b}), "[\"x\", \"y\"]");
  EXPECT_TRUE(client_.Command({"mod.union", "2", a, far}).starts_with("(error) ERR MOD.UNION"));
}

TEST_F(ModuleCommandsTest, OperatorSaysHowCommandsAreServedAndAReloadSaysItAnew) {
  const std::string a = cluster_.KeyOn(0), far = cluster_.KeyOn(1);
  client_.Pipeline({{"SET", a, "1"}, {"SET", far, "1"}});
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) 2");
  ConfigText next = cluster_.proxy().config();
  const std::string before = next.more;
  next.more = before +
              "commands:\n"
              "  DBSIZE: {serve: refuse, why: 'is not for you'}\n"
              "  MOD.COUNT: {keys: none, serve: sum, write: false}\n"
              "  MOD.ADD: {keys: 1, arity: 3}\n";
  EXPECT_EQ(cluster_.proxy().Reload(next).find("refused"), std::string::npos);
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(error) ERR DBSIZE is not for you");
  EXPECT_EQ(client_.Command({"MOD.COUNT", a, far}), "(integer) 2");
  EXPECT_EQ(client_.Command({"MOD.ADD", far, "5"}), "(integer) 6");
  EXPECT_EQ(client_.Command({"MOD.ADD", far}),
            "(error) ERR wrong number of arguments for 'mod.add' command");
  EXPECT_EQ(client_.Command({"COMMAND", "GETKEYS", "mod.add", far, "5"}), "[\"" + far + "\"]");
  EXPECT_EQ(client_.Command({"COMMAND", "INFO", "MOD.ADD"}).substr(0, 39),
            "[[\"mod.add\", (integer) 3, [write], (int");
  EXPECT_NE(client_.Command({"COMMAND", "LIST"}).find("\"mod.count\""), std::string::npos);
  EXPECT_NE(client_.CommandRaw({"PROXY", "EXPLAIN", "MOD.COUNT", a}).find("by every shard"),
            std::string::npos);
  EXPECT_EQ(cluster_.proxy().Reload(cluster_.proxy().config()).find("refused"), std::string::npos);
  next.more = before;
  EXPECT_EQ(cluster_.proxy().Reload(next).find("refused"), std::string::npos);
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) 2");
  EXPECT_TRUE(client_.Command({"MOD.COUNT", a, far}).starts_with("(error) ERR MOD.COUNT"));
}

TEST_F(ModuleCommandsTest, TransactionQueuesACommandThatOnlyShardsKnow) {
  const std::string key = cluster_.KeyOn(2);
  EXPECT_EQ(client_.Command({"MULTI"}), "OK");
  EXPECT_EQ(client_.Command({"mod.add", key, "5"}), "QUEUED");
  EXPECT_EQ(client_.Command({"GET", key}), "QUEUED");
  EXPECT_EQ(client_.Command({"EXEC"}), "[(integer) 5, \"5\"]");
  EXPECT_EQ(client_.Command({"MULTI"}), "OK");
  EXPECT_TRUE(client_.Command({"mod.none", key}).starts_with("(error) ERR unknown command"));
  EXPECT_TRUE(client_.Command({"EXEC"}).starts_with("(error) EXECABORT"));
}

TEST_F(ModuleCommandsTest, KeysOfTheProxyAreRefusedToClients) {
  const std::vector<std::vector<std::string>> calls = {{"SET", "__rm:a", "1"},
                                                       {"GET", "__rm:a"},
                                                       {"DEL", "k", "__rm:a"},
                                                       {"RENAME", "k", "__rm:a"},
                                                       {"BLPOP", "__rm:a", "1"},
                                                       {"MSET", "__rm:a", "1", "b", "2"},
                                                       {"EVAL", "return 1", "1", "__rm:a"},
                                                       {"mod.add", "__rm:a", "1"}};
  for (const std::vector<std::string>& call : calls) {
    const std::string reply = client_.Command(call);
    EXPECT_NE(reply.find("belong to the proxy"), std::string::npos) << call[0] << ": " << reply;
  }
  EXPECT_EQ(client_.Command({"MULTI"}), "OK");
  EXPECT_TRUE(client_.Command({"SET", "__rm:a", "1"}).starts_with("(error) ERR"));
  EXPECT_TRUE(client_.Command({"EXEC"}).starts_with("(error) EXECABORT"));
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) 0");
}

}  // namespace
}  // namespace ringmaster::integration
