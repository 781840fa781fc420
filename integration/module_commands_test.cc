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

// Of a row without arity, and of a built-in command that the operator serves without one.
TEST_F(ModuleCommandsTest, CallWithoutArgumentsHasNoKeyAndIsTheShardsToRefuse) {
  ConfigText next = cluster_.proxy().config();
  next.more +=
      "commands:\n"
      "  MOD.ADD: {keys: 1}\n"
      "  MOD.COUNT: {keys: {first: 2, last: -1, step: 2}}\n"
      "  APPEND: {serve: forward, arity: -1}\n";
  EXPECT_EQ(cluster_.proxy().Reload(next).find("refused"), std::string::npos);
  for (const char* name : {"MOD.ADD", "MOD.COUNT", "APPEND"}) {
    EXPECT_TRUE(client_.Command({name}).starts_with("(error) ERR wrong number of arguments"))
        << name;
    EXPECT_EQ(client_.Command({"MULTI"}), "OK");
    EXPECT_EQ(client_.Command({name}), "QUEUED");
    EXPECT_TRUE(client_.Command({"EXEC"}).starts_with("(error) EXECABORT")) << name;
    client_.Command({"PROXY", "EXPLAIN", name});
    client_.Command({"COMMAND", "GETKEYS", name});
    client_.Command({"ACL", "DRYRUN", "default", name});
  }
  EXPECT_EQ(client_.Command({"PING"}), "PONG");
}

// A user of whom nothing may come through before its rules were asked.
class ModuleCommandsOfUsersTest : public ModuleCommandsTest {
 protected:
  ModuleCommandsOfUsersTest() {
    for (size_t shard = 0; shard < cluster_.size(); ++shard) {
      client_.Command({"SET", cluster_.KeyOn(shard), "1"});
    }
  }
  // A client logged in as a fresh user with these rules.
  Client As(const std::vector<std::string>& rules) {
    std::vector<std::string> words = {"ACL", "SETUSER", "ann", "reset", "on", "nopass"};
    words.insert(words.end(), rules.begin(), rules.end());
    EXPECT_EQ(client_.Command(words), "OK");
    Client user = cluster_.Connect();
    EXPECT_EQ(user.Command({"AUTH", "ann", "x"}), "OK");
    return user;
  }
  std::string Value(size_t shard) { return client_.Command({"GET", cluster_.KeyOn(shard)}); }

  const std::string no_key_ =
      "(error) NOPERM this user has no permissions to access one of the keys used as arguments";
  const std::string no_add_ =
      "(error) NOPERM this user has no permissions to run the 'mod.add' command";
};

TEST_F(ModuleCommandsOfUsersTest, FirstCallIsCheckedAgainstKeysBeforeAnythingIsSent) {
  Client ann = As({"+@all", "~own:*"});
  EXPECT_EQ(ann.Command({"MOD.ADD", cluster_.KeyOn(1), "5"}), no_key_);
  EXPECT_EQ(Value(1), "\"1\"");
  EXPECT_EQ(ann.Command({"MOD.ADD", "own:1", "5"}), "(integer) 5");
  EXPECT_EQ(ann.Command({"MOD.ADD", cluster_.KeyOn(2), "5"}), no_key_);
  // Where its keys are only a shard can say.
  EXPECT_EQ(ann.Command({"MOD.UNION", "2", "own:1", cluster_.KeyOn(0)}), no_key_);
  EXPECT_EQ(ann.Command({"MOD.UNION", "1", "own:2"}), "[]");
  EXPECT_NE(client_.Command({"ACL", "LOG"}).find(cluster_.KeyOn(1)), std::string::npos);
}

TEST_F(ModuleCommandsOfUsersTest, FirstCallIsCheckedAgainstCategoriesAndNames) {
  EXPECT_EQ(As({"+@all", "-@write", "~*"}).Command({"MOD.ADD", "k", "5"}), no_add_);
  EXPECT_EQ(As({"-@all", "+@string", "~*"}).Command({"MOD.ADD", "k", "5"}), "(integer) 5");
  EXPECT_EQ(As({"-@all", "+mod.add", "~*"}).Command({"MOD.ADD", "k", "5"}), "(integer) 10");
  EXPECT_EQ(As({"+@all", "-mod.add", "~*"}).Command({"MOD.ADD", "k", "5"}), no_add_);
  EXPECT_EQ(As({"+@all", "%R~*", "%W~other"}).Command({"MOD.ADD", "k", "5"}), no_key_);
  EXPECT_EQ(client_.Command({"ACL", "SETUSER", "ann", "+mod.none"}),
            "(error) ERR Error in ACL SETUSER modifier '+mod.none': Unknown command or category "
            "name in ACL");
  EXPECT_EQ(client_.Command({"ACL", "SETUSER", "ann", "(+mod.art ~x)"}), "OK");
}

TEST_F(ModuleCommandsOfUsersTest, TransactionAndDryRunAndCategoriesCoverThem) {
  Client ann = As({"+@all", "~own:*"});
  EXPECT_EQ(ann.Command({"MULTI"}), "OK");
  EXPECT_EQ(ann.Command({"MOD.ADD", cluster_.KeyOn(1), "5"}), no_key_);
  EXPECT_TRUE(ann.Command({"EXEC"}).starts_with("(error) EXECABORT"));
  EXPECT_EQ(ann.Command({"MULTI"}), "OK");
  EXPECT_EQ(ann.Command({"MOD.ADD", "own:1", "5"}), "QUEUED");
  EXPECT_EQ(ann.Command({"MOD.UNION", "1", "own:2"}), "QUEUED");
  EXPECT_EQ(ann.Command({"EXEC"}), "[(integer) 5, []]");
  EXPECT_EQ(Value(1), "\"1\"");
  EXPECT_EQ(client_.Command({"ACL", "DRYRUN", "ann", "MOD.COUNT", "own:1"}), "OK");
  EXPECT_EQ(client_.Command({"ACL", "DRYRUN", "ann", "MOD.COUNT", "x"}),
            "\"This user has no permissions to access the 'x' key\"");
  EXPECT_EQ(client_.Command({"ACL", "DRYRUN", "ann", "MOD.UNION", "1", "x"}),
            "\"This user has no permissions to access the 'x' key\"");
  EXPECT_EQ(client_.Command({"ACL", "DRYRUN", "ann", "MOD.NONE", "x"}),
            "(error) ERR Command 'MOD.NONE' not found");
  EXPECT_NE(client_.Command({"ACL", "CAT", "string"}).find("\"mod.add\""), std::string::npos);
}

TEST_F(ModuleCommandsOfUsersTest, OperatorsRowsChangeWhereCallsGoAndNotWhoMayMakeThem) {
  ConfigText next = cluster_.proxy().config();
  next.more +=
      "commands:\n"
      "  MOD.ADD: {keys: none, serve: forward, write: false}\n"
      "  GET: {keys: shard}\n";
  EXPECT_EQ(cluster_.proxy().Reload(next).find("refused"), std::string::npos);
  Client ann = As({"+@all", "~own:*"});
  EXPECT_EQ(ann.Command({"MOD.ADD", cluster_.KeyOn(1), "5"}), no_key_);
  EXPECT_EQ(ann.Command({"GET", cluster_.KeyOn(1)}), no_key_);
  EXPECT_EQ(ann.Command({"GET", "own:1"}), "(nil)");
  EXPECT_EQ(As({"+@all", "-@write", "~*"}).Command({"MOD.ADD", "k", "5"}), no_add_);
}

// No shard is connected when the configuration is read.
TEST_F(ModuleCommandsOfUsersTest, RuleOfTheConfigurationHoldsOnceAShardKnowsItsCommand) {
  ConfigText next = cluster_.proxy().config();
  next.pool().more +=
      "users: [{name: default, nopass: true}, {name: bob, nopass: true, commands: "
      "'-@all +mod.add +mod.none'}]";
  EXPECT_EQ(cluster_.proxy().Reload(next).find("refused"), std::string::npos);
  Client bob = cluster_.Connect();
  EXPECT_EQ(bob.Command({"AUTH", "bob", "x"}), "OK");
  EXPECT_EQ(bob.Command({"MOD.ADD", "k", "5"}), "(integer) 5");
  EXPECT_TRUE(bob.Command({"MOD.COUNT", "k"}).starts_with("(error) NOPERM"));
  EXPECT_TRUE(bob.Command({"MOD.NONE", "k"}).starts_with("(error) ERR unknown command"));
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
  // SORT makes names of elements.
  client_.Command({"RPUSH", "l", "a", "__rm:a"});
  for (size_t shard = 0; shard < cluster_.size(); ++shard) {
    cluster_.server(shard).Command({"SET", "__rm:a", "7"});
  }
  for (const std::vector<std::string>& sort :
       std::vector<std::vector<std::string>>{{"SORT", "l", "BY", "nosort", "GET", "*"},
                                             {"SORT", "l", "BY", "__rm:*"},
                                             {"SORT_RO", "l", "ALPHA", "GET", "__r*"},
                                             {"SORT", "l", "BY", "_*"}}) {
    const std::string reply = client_.Command(sort);
    EXPECT_TRUE(reply.find("belong to the proxy") != std::string::npos ||
                reply.find('7') == std::string::npos)
        << sort.back() << ": " << reply;
  }
  client_.Command({"DEL", "l"});
  for (size_t shard = 0; shard < cluster_.size(); ++shard) {
    cluster_.server(shard).Command({"DEL", "__rm:a"});
  }
  EXPECT_EQ(client_.Command({"MULTI"}), "OK");
  EXPECT_TRUE(client_.Command({"SET", "__rm:a", "1"}).starts_with("(error) ERR"));
  EXPECT_TRUE(client_.Command({"EXEC"}).starts_with("(error) EXECABORT"));
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) 0");
}

}  // namespace
}  // namespace ringmaster::integration
