// The promise: a script or a function library loaded once is known on every shard.
#include <gtest/gtest.h>

#include "command/script/script_memory.h"
#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

class ScriptCommandsTest : public testing::Test {
 protected:
  Cluster cluster_;
  Client client_ = cluster_.Connect();
};

TEST_F(ScriptCommandsTest, LoadedScriptRunsOnKeysOfEveryShard) {
  const std::string sha =
      client_.Command({"SCRIPT", "LOAD", "return {KEYS[1], redis.call('INCR', KEYS[1])}"})
          .substr(1, 40);
  EXPECT_EQ(client_.Command({"SCRIPT", "EXISTS", sha, std::string(40, 'f')}),
            "[(integer) 1, (integer) 0]");
  for (size_t shard = 0; shard < cluster_.size(); ++shard) {
    const std::string key = cluster_.KeyOn(shard);
    EXPECT_EQ(client_.Command({"EVALSHA", sha, "1", key}), "[\"" + key + "\", (integer) 1]");
    EXPECT_EQ(cluster_.server(shard).Command({"GET", key}), "\"1\"");
  }
  // A shard that forgot it hears of it again.
  ASSERT_EQ(cluster_.server(2).Command({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_EQ(client_.Command({"SCRIPT", "EXISTS", sha}), "[(integer) 1]");
  EXPECT_EQ(client_.Command({"EVALSHA", sha, "1", cluster_.KeyOn(2)}),
            "[\"" + cluster_.KeyOn(2) + "\", (integer) 2]");
  EXPECT_EQ(client_.Command({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_EQ(client_.Command({"SCRIPT", "EXISTS", sha}), "[(integer) 0]");
  EXPECT_EQ(client_.Command({"EVALSHA", sha, "1", "k"}),
            "(error) NOSCRIPT No matching script. Please use EVAL.");
}

TEST_F(ScriptCommandsTest, FunctionLibraryServesKeysOfEveryShard) {
  const std::string library =
      "#!lua name=lib\nredis.register_function('bump', function(keys) "
      "return redis.call('INCR', keys[1]) end)";
  EXPECT_EQ(client_.Command({"FUNCTION", "LOAD", library}), "\"lib\"");
  for (size_t shard = 0; shard < cluster_.size(); ++shard) {
    const std::string key = cluster_.KeyOn(shard);
    EXPECT_EQ(client_.Command({"FCALL", "bump", "1", key}), "(integer) 1");
    EXPECT_EQ(client_.Command({"FCALL", "bump", "1", key}), "(integer) 2");
  }
  EXPECT_EQ(client_.Command({"FUNCTION", "LOAD", library}),
            "(error) ERR Library 'lib' already exists");
  EXPECT_EQ(client_.Command({"FUNCTION", "LOAD", "REPLACE", library}), "\"lib\"");
  EXPECT_EQ(client_.Command({"FUNCTION", "DELETE", "lib"}), "OK");
  EXPECT_EQ(client_.Command({"FCALL", "bump", "1", "k"}), "(error) ERR Function not found");
}

TEST_F(ScriptCommandsTest, EvaluatedScriptIsKnownByItsSumOnEveryShard) {
  const std::string text = "return redis.sha1hex(ARGV[1])";
  const std::string sum = client_.Command({"EVAL", text, "0", text});
  ASSERT_EQ(sum.size(), 42U) << sum;
  for (size_t shard = 0; shard < cluster_.size(); ++shard) {
    EXPECT_EQ(
        client_.Command({"EVALSHA", sum.substr(1, 40), "1", cluster_.KeyOn(shard), "a"}).size(),
        42U);
  }
}

TEST_F(ScriptCommandsTest, ShardThatComesBackEmptyHasScriptsAndLibrariesAgain) {
  const std::string key = cluster_.KeyOn(1);
  const std::string sha =
      client_.Command({"SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])"}).substr(1, 40);
  ASSERT_EQ(client_.Command({"FUNCTION", "LOAD",
                             "#!lua name=lib\nredis.register_function('bump', function(keys) "
                             "return redis.call('INCR', keys[1]) end)"}),
            "\"lib\"");
  ASSERT_EQ(client_.Command({"FCALL", "bump", "1", key}), "(integer) 1");
  ASSERT_EQ(client_.Command({"EVALSHA", sha, "1", key}), "(integer) 2");
  ASSERT_TRUE(cluster_.server(1).Restart(RedisServer::Data::kLost));
  ASSERT_TRUE(Eventually([&] { return client_.Command({"GET", key}) == "(nil)"; }));
  EXPECT_EQ(client_.Command({"EVALSHA", sha, "1", key}), "(integer) 1");
  EXPECT_EQ(client_.Command({"FCALL", "bump", "1", key}), "(integer) 2");
}

// So many that a change does not wait until all of them were read: they are read behind it.
TEST_F(ScriptCommandsTest, ManyLibrariesAreThereAgainToo) {
  const std::string key = cluster_.KeyOn(1);
  const std::string much(ScriptMemory::kLargeDump, 'x');
  const auto load = [&](const std::string& name, const std::string& flags) {
    return client_.Command({"FUNCTION", "LOAD",
                            "#!lua name=" + name + "\n--" + much +
                                "\nredis.register_function{function_name='" + name +
                                "', callback=function(keys) return redis.call('INCR', keys[1]) "
                                "end" +
                                flags + "}"});
  };
  for (int i = 0; i < 8; ++i) {
    const std::string name = "lib" + std::to_string(i);
    ASSERT_EQ(load(name, ""), "\"" + name + "\"");
  }
  ASSERT_EQ(client_.Command({"FUNCTION", "LOAD", "REPLACE",
                             "#!lua name=lib7\nredis.register_function('last', function(keys) "
                             "return redis.call('INCR', keys[1]) end)"}),
            "\"lib7\"");
  ASSERT_EQ(client_.Command({"FCALL", "last", "1", key}), "(integer) 1");
  ASSERT_TRUE(cluster_.server(1).Restart(RedisServer::Data::kLost));
  // The first calls may come before the libraries were read.
  std::string said;
  EXPECT_TRUE(Eventually([&] {
    said = client_.Command({"FCALL", "last", "1", key});
    return said == "(integer) 1";
  })) << said;
  EXPECT_EQ(client_.Command({"FCALL", "lib0", "1", key}), "(integer) 2");
  EXPECT_TRUE(client_.Command({"FCALL", "lib7", "1", key}).starts_with("(error) ERR Function not"));
}

TEST_F(ScriptCommandsTest, EndlessScriptLeavesOtherClientsItsShardsBusyAndIsKilled) {
  const std::string key = cluster_.KeyOn(1);
  ASSERT_EQ(client_.Command({"CONFIG", "SET", "busy-reply-threshold", "10"}), "OK");
  for (const char* kill : {"SCRIPT", "FUNCTION"}) {
    Client runs = cluster_.Connect();
    std::vector<std::string> endless = {"EVAL", "while true do end", "1", key};
    if (kill[0] == 'F') {
      ASSERT_EQ(client_.Command({"FUNCTION", "LOAD",
                                 "#!lua name=turn\nredis.register_function('turn', function() "
                                 "while true do end end)"}),
                "\"turn\"");
      endless = {"FCALL", "turn", "1", key};
    }
    std::string request = "*" + std::to_string(endless.size()) + "\r\n";
    for (const std::string& word : endless) {
      request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
    ASSERT_TRUE(runs.Send(request));
    EXPECT_TRUE(Eventually([&] { return client_.Command({"PING"}).starts_with("(error) BUSY"); }));
    EXPECT_TRUE(cluster_.Connect().Command({"GET", key}).starts_with("(error) BUSY"));
    EXPECT_EQ(client_.Command({"GET", cluster_.KeyOn(0)}), "(nil)");
    EXPECT_EQ(client_.Command({kill, "KILL"}), "OK");
    const std::string ended = runs.Read();
    EXPECT_TRUE(ended.find("Script killed by user") != std::string::npos) << ended;
    EXPECT_TRUE(Eventually([&] { return client_.Command({"PING"}) == "PONG"; }));
    EXPECT_TRUE(client_.Command({kill, "KILL"}).starts_with("(error) NOTBUSY"));
  }
}

TEST_F(ScriptCommandsTest, BusyShardSaysSoInADatabaseThatNobodyUsedAndHearsTheKillFromThere) {
  const std::string key = cluster_.KeyOn(1);
  ASSERT_EQ(client_.Command({"CONFIG", "SET", "busy-reply-threshold", "10"}), "OK");
  Client runs = cluster_.Connect();
  ASSERT_TRUE(runs.Send("*4\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n1\r\n$" +
                        std::to_string(key.size()) + "\r\n" + key + "\r\n"));
  ASSERT_TRUE(Eventually([&] { return client_.Command({"PING"}).starts_with("(error) BUSY"); }));
  Client other = cluster_.Connect();
  EXPECT_EQ(other.Command({"SELECT", "7"}), "OK");
  EXPECT_TRUE(other.Command({"GET", key}).starts_with("(error) BUSY"));
  EXPECT_EQ(other.Command({"GET", cluster_.KeyOn(0)}), "(nil)");
  EXPECT_EQ(other.Command({"SCRIPT", "KILL"}), "OK");
  EXPECT_NE(runs.Read().find("Script killed by user"), std::string::npos);
  EXPECT_TRUE(Eventually([&] { return other.Command({"GET", key}) == "(nil)"; }));
}

TEST_F(ScriptCommandsTest, MonitorShowsWhatAScriptDoesBehindItsCall) {
  for (size_t shard = 0; shard < cluster_.size(); ++shard) {
    const std::string key = cluster_.KeyOn(shard);
    Client monitor = cluster_.Connect();
    ASSERT_EQ(monitor.Command({"MONITOR"}), "OK");
    client_.Command({"EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", key, "v"});
    const std::string call = monitor.Read(), inside = monitor.Read();
    EXPECT_NE(call.find("\"EVAL\""), std::string::npos) << call;
    EXPECT_NE(inside.find(" lua] \"SET\" \"" + key + "\" \"v\""), std::string::npos) << inside;
  }
}

TEST_F(ScriptCommandsTest, ScriptThatSaysThatItOnlyReadsPassesAPauseOfWrites) {
  const std::string text = "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])";
  const std::string key = cluster_.KeyOn(2);
  client_.Command({"SET", key, "v"});
  const std::string sha = client_.Command({"SCRIPT", "LOAD", text}).substr(1, 40);
  client_.Command({"FUNCTION", "LOAD",
                   "#!lua name=reads\nredis.register_function{function_name='peek', "
                   "callback=function(keys) return redis.call('GET', keys[1]) end, "
                   "flags={'no-writes'}}"});
  ASSERT_EQ(client_.Command({"CLIENT", "PAUSE", "60000", "WRITE"}), "OK");
  EXPECT_EQ(client_.Command({"EVAL", text, "1", key}), "\"v\"");
  EXPECT_EQ(client_.Command({"EVALSHA", sha, "1", key}), "\"v\"");
  EXPECT_EQ(client_.Command({"FCALL", "peek", "1", key}), "\"v\"");
  Client writer = cluster_.Connect();
  ASSERT_TRUE(writer.Send("EVAL return(1) 1 " + key + "\r\n"));
  EXPECT_TRUE(writer.Silent(std::chrono::milliseconds(50)));
  EXPECT_EQ(client_.Command({"CLIENT", "UNPAUSE"}), "OK");
  EXPECT_EQ(writer.Read(), "(integer) 1");
}

TEST_F(ScriptCommandsTest, TransactionHearsOfFullMemoryWhileItQueues) {
  const std::string key = cluster_.KeyOn(3);
  ASSERT_EQ(client_.Command({"MULTI"}), "OK");
  Client operates = cluster_.Connect();
  ASSERT_EQ(operates.Command({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  EXPECT_TRUE(client_.Command({"LPUSH", key, "v"}).starts_with("(error) OOM"));
  EXPECT_EQ(client_.Command({"GET", key}), "QUEUED");
  EXPECT_TRUE(client_.Command({"EXEC"}).starts_with("(error) EXECABORT"));
  ASSERT_EQ(operates.Command({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  ASSERT_EQ(client_.Command({"MULTI"}), "OK");
  EXPECT_EQ(client_.Command({"LPUSH", key, "v"}), "QUEUED");
  EXPECT_EQ(client_.Command({"EXEC"}), "[(integer) 1]");
}

TEST_F(ScriptCommandsTest, ScriptReadsAndWritesItsKeysOnSeveralShards) {
  const std::string a = cluster_.KeyOn(0), b = cluster_.KeyOn(1);
  client_.Command({"SET", a, "5", "EX", "1000"});
  EXPECT_EQ(client_.Command({"EVAL",
                             "redis.call('SET',KEYS[2],redis.call('GET',KEYS[1])+1) "
                             "return redis.call('DEL',KEYS[1])",
                             "2", a, b}),
            "(integer) 1");
  EXPECT_EQ(client_.Command({"MGET", a, b}), "[(nil), \"6\"]");
}

}  // namespace
}  // namespace ringmaster::integration
