// The promise: a script or a function library loaded once is known on every shard.
#include <gtest/gtest.h>

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
  // Known to some shards only is not known.
  ASSERT_EQ(cluster_.server(2).Command({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_EQ(client_.Command({"SCRIPT", "EXISTS", sha}), "[(integer) 0]");
  EXPECT_EQ(client_.Command({"SCRIPT", "FLUSH"}), "OK");
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
