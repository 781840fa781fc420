// Scripts and libraries that a shard may not know go ahead of the call that needs them.
#include <gtest/gtest.h>

#include "base/sha.h"
#include "command/fixture.h"
#include "command/script/script_memory.h"
#include "support/shard_side.h"

namespace ringmaster {
namespace {

struct ScriptTellingTest : testing::Test, RouterSide {
  ScriptTellingTest() { context.scripts = &memory; }

  void Tell(const std::vector<Bytes>& args) {
    memory.Tell(context, *table.Find(args), args, connection());
  }
  Connection& connection() { return router.backend(0).Shared(0, 2); }
  FakeShard& shard() { return *shards[0]; }

  const CommandTable table{AllCommands()};
  FakeProxy proxy;
  RecipeSet recipes;
  WorkerMetrics metrics{table.size()};
  CommandContext context{table, router, scatters, blocks, recipes, metrics, proxy};
  ScriptMemory memory;
  const std::string sha = memory.Remember("return 1", ScriptMemory::Source::kLoaded);
};

TEST_F(ScriptTellingTest, AScriptGoesAheadOnceOverEachConnection) {
  Tell({"EVALSHA", sha, "0"});
  Tell({"EVALSHA", sha, "0"});
  Turns();
  EXPECT_EQ(shard().Requests(), "SCRIPT LOAD return 1");
  shard().Send("$40\r\n" + sha + "\r\n");
  Turns();
  Tell({"EVALSHA", sha, "0"});
  Turns();
  EXPECT_EQ(shard().Requests(), "SCRIPT LOAD return 1");
  EXPECT_EQ(backends.asides.under_way(), 0U);
}

TEST_F(ScriptTellingTest, AShardThatRefusesAScriptIsToldAgain) {
  Tell({"EVALSHA", sha, "0"});
  Turns();
  shard().Send("-OOM no\r\n");
  Turns();
  Tell({"EVALSHA", sha, "0"});
  Turns();
  EXPECT_EQ(shard().Requests(), "SCRIPT LOAD return 1, SCRIPT LOAD return 1");
}

TEST_F(ScriptTellingTest, WhatGoesAheadHoldsUpNobody) {
  Asker asker(MakeRequest({"GET", "k"}));
  connection().Send(asker);
  Tell({"EVALSHA", sha, "0"});
  EXPECT_TRUE(connection().KeptFor(asker));
  router.Close("the test is over");
}

// The first call of a function has the shards asked for their libraries. Nobody asked for that.
TEST_F(ScriptTellingTest, LibrariesAreLearnedBesideTheCall) {
  Tell({"FCALL", "f", "0"});
  EXPECT_EQ(recipes.running(), 1U);
  Turns();
  EXPECT_EQ(shard().Requests(), "FUNCTION DUMP");
  shard().Send("$12\r\nabcdefghijkl\r\n");
  Turns();
  EXPECT_EQ(recipes.running(), 0U);
  EXPECT_EQ(memory.functions_version(), 1U);
  Tell({"FCALL", "f", "0"});
  Turns();
  EXPECT_EQ(shard().Requests(), "FUNCTION DUMP, FUNCTION RESTORE abcdefghijkl APPEND");
  shard().Send("-ERR Library f already exists\r\n");
  Turns();
  Tell({"FCALL", "f", "0"});
  Turns();
  EXPECT_EQ(shard().Requests(), "FUNCTION DUMP, FUNCTION RESTORE abcdefghijkl APPEND");
}

TEST_F(ScriptTellingTest, NothingIsLeftWhenTheWorkerStopsInTheMiddle) {
  Tell({"EVALSHA", sha, "0"});
  Tell({"FCALL", "f", "0"});
  Turns();
  EXPECT_EQ(recipes.running(), 1U);
  router.Close("it stops");
  EXPECT_EQ(backends.asides.under_way(), 0U);
  EXPECT_EQ(recipes.running(), 0U);
}

}  // namespace
}  // namespace ringmaster
