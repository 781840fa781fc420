#include "command/fixture.h"
#include "command/rows/all_rows.h"
#include "command/serve/background.h"

namespace ringmaster {
namespace {

using ServerCommandsTest = CommandTest;

TEST_F(ServerCommandsTest, RingmasterSectionNeedsNoShard) {
  proxy_.workers[0]->counters().clients.Add(3);
  proxy_.workers[1]->counters().clients.Add(4);
  proxy_.workers[1]->counters().requests.Add(100);
  const std::string info = Run({"INFO", "ringmaster"});
  EXPECT_NE(info.find("# Ringmaster|ringmaster_version:1.2.3|"), std::string::npos) << info;
  EXPECT_NE(info.find("|clients:7|requests:100|"), std::string::npos) << info;
  EXPECT_NE(info.find("|worker1:clients=4,requests=100,busy=0.000,"), std::string::npos) << info;
  EXPECT_NE(
      info.find(
          "|shards:3|shard0:name=a,address=127.0.0.1:7001,state=up,role=unknown,role_since=0,"),
      std::string::npos)
      << info;
  EXPECT_EQ(info.find("redis_version"), std::string::npos) << info;
}

// The workers are asked twice; a reload may come in between.
TEST_F(ServerCommandsTest, RingmasterSectionIsOfOneRingWhateverIsReloadedMeanwhile) {
  for (const size_t later : {5U, 1U}) {
    UseShards(3);
    int visits = 0;
    proxy_.before_visit = [&] {
      if (++visits == 2) UseShards(later);
    };
    const std::string info = Run({"INFO", "ringmaster"});
    EXPECT_EQ(visits, 2);
    EXPECT_NE(info.find("|shards:3|shard0:name=a,"), std::string::npos) << info;
    EXPECT_NE(info.find("|shard2:name=c,"), std::string::npos) << info;
    EXPECT_EQ(info.find("|shard3:"), std::string::npos) << info;
    proxy_.before_visit = nullptr;
  }
}

TEST_F(ServerCommandsTest, ProxySaysWhereAKeyLives) {
  const std::string shards = Run({"PROXY", "LOCATE", "x", "{x}y"});
  EXPECT_EQ(shards.substr(0, 5), "*2|$1");
  EXPECT_EQ(shards.substr(3, 5), shards.substr(8, 5)) << "one hash tag, one shard";
}

TEST_F(ServerCommandsTest, ProxyDescribesRingShardsAndWorkers) {
  EXPECT_NE(Run({"PROXY", "RING"}).find("shard: name=c,address=127.0.0.1:7003,weight=1,share=0.3"),
            std::string::npos);
  EXPECT_NE(Run({"PROXY", "SHARDS"}).find("name=b,address=127.0.0.1:7002,state=up,"),
            std::string::npos);
  EXPECT_NE(Run({"PROXY", "WORKERS"}).find("worker=1,clients=0,"), std::string::npos);
  EXPECT_NE(Run({"PROXY", "INFO"}).find("version: 1.2.3"), std::string::npos);
}

TEST_F(ServerCommandsTest, ProxyReloadSaysWhatChangedOrWhatIsWrong) {
  proxy_.reloaded = std::string("2 shards added");
  EXPECT_EQ(Run({"PROXY", "RELOAD"}), "+2 shards added|");
  proxy_.reloaded = Error{ErrorCode::kInvalid, "line 3: no such key"};
  EXPECT_EQ(Run({"PROXY", "RELOAD"}),
            "-ERR the configuration was not changed: line 3: no such key|");
}

TEST_F(ServerCommandsTest, ProxyJobsListsAndSteers) {
  proxy_.jobs = std::vector<JobFigures>{{.id = 7,
                                         .name = "rebalance",
                                         .state = "running",
                                         .done = 5,
                                         .total = 10,
                                         .steps = 2,
                                         .rate = 2.5,
                                         .left = std::chrono::seconds(2)}};
  const std::string line =
      "id=7,name=rebalance,state=running,place=0,done=5,total=10,steps=2,rate=2.5,seconds_left=2.0";
  EXPECT_EQ(Run({"PROXY", "JOBS"}), "*1|$" + std::to_string(line.size()) + "|" + line + "|");
  EXPECT_EQ(Run({"PROXY", "JOBS", "CANCEL", "7"}), "+OK|");
  EXPECT_EQ(proxy_.ordered.what, JobOrder::What::kCancel);
  EXPECT_EQ(proxy_.ordered.id, 7U);
  proxy_.jobs = Error{ErrorCode::kNotFound, "there is no such job"};
  EXPECT_EQ(Run({"PROXY", "JOBS", "PAUSE", "8"}), "-ERR there is no such job|");
  EXPECT_EQ(Run({"PROXY", "JOBS", "PAUSE", "all"}).substr(0, 27), "-ERR PROXY JOBS takes LIST,");
}

TEST_F(ServerCommandsTest, TheBackgroundClassHoldsWhatMayWait) {
  const CommandTable table{AllCommands()};
  const auto made = MakeBackgroundClass(table, {"KEYS", "sort"});
  ASSERT_TRUE(made);
  EXPECT_TRUE((**made)[table.FindByName("keys")->id]);
  EXPECT_FALSE((**made)[table.FindByName("get")->id]);
  EXPECT_EQ(MakeBackgroundClass(table, {}).value(), nullptr);
  EXPECT_EQ(MakeBackgroundClass(table, {"nokeys"}).error().text,
            "schedule.background: there is no command 'nokeys'");
  for (const char* name : {"select", "blpop", "subscribe", "config", "ping", "proxy"}) {
    EXPECT_FALSE(MakeBackgroundClass(table, {name})) << name;
  }
}

TEST_F(ServerCommandsTest, WhatAProxyDoesNotServeIsRefusedByName) {
  EXPECT_EQ(Run({"SHUTDOWN"}).substr(0, 14), "-ERR SHUTDOWN ");
  EXPECT_EQ(Run({"DEBUG", "SEGFAULT"}).substr(0, 19), "-ERR DEBUG SEGFAULT");
  EXPECT_EQ(Run({"ACL", "SAVE"}).substr(0, 31), "-ERR This proxy has no ACL file");
}

TEST_F(ServerCommandsTest, AclKnowsTheDefaultUser) {
  EXPECT_EQ(Run({"ACL", "WHOAMI"}), "$7|default|");
  EXPECT_EQ(Run({"ACL", "USERS"}), "*1|$7|default|");
  EXPECT_EQ(Run({"ACL", "LIST"}), "*1|$34|user default on nopass ~* &* +@all|");
  EXPECT_EQ(Run({"ACL", "GETUSER", "bob"}), "$-1|");
  EXPECT_EQ(Run({"ACL", "GETUSER", "default"}),
            "*12|$5|flags|*2|$2|on|$6|nopass|$9|passwords|*0|$8|commands|$5|+@all|$4|keys|$2|~*|"
            "$8|channels|$2|&*|$9|selectors|*0|");
}

TEST_F(ServerCommandsTest, RoleIsAMastersWithoutReplicas) {
  EXPECT_EQ(Run({"ROLE"}), "*3|$6|master|:0|*0|");
}

TEST_F(ServerCommandsTest, WalksRefuseWrongArgumentsBeforeTheyAskAnyShard) {
  EXPECT_EQ(Run({"SCAN", "x"}), "-ERR invalid cursor|");
  EXPECT_EQ(Run({"SCAN", " 1"}), "-ERR invalid cursor|");
  EXPECT_EQ(Run({"WAIT", "x", "0"}), "-ERR value is not an integer or out of range|");
  EXPECT_EQ(Run({"WAIT", "1", "x"}), "-ERR timeout is not an integer or out of range|");
  EXPECT_EQ(Run({"WAIT", "1", "-1"}), "-ERR timeout is negative|");
}

}  // namespace
}  // namespace ringmaster
