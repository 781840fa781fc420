// The promise: commands that the operator puts in the background wait for a quiet moment, one after
// the other, and are never forgotten; PROXY JOBS shows and steers them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

ClusterOptions InBackground(const std::string& commands) {
  return {.shards = 2, .more = "schedule: {background: [" + commands + "]}\n"};
}

TEST(BackgroundCommandsTest, TheyKeepTheirPlaceAmongTheirClientsCommands) {
  Cluster cluster(InBackground("keys"));
  Client client = cluster.Connect();
  const auto replies =
      client.Pipeline({{"SET", "a", "1"}, {"KEYS", "*"}, {"SET", "b", "2"}, {"KEYS", "b"}});
  EXPECT_EQ(replies, (std::vector<std::string>{"OK", "[\"a\"]", "OK", "[\"b\"]"}));
  EXPECT_EQ(client.Command({"PROXY", "JOBS"}), "[]");
}

TEST(BackgroundCommandsTest, UnderLoadTheyStillGetTheirTurn) {
  Cluster cluster(InBackground("keys"));
  CheckedLoad load(cluster.proxy().address(), {.clients = 4, .pipeline = 20});
  Client client = cluster.Connect();
  client.Command({"SET", "mine", "1"});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.Command({"KEYS", "mine"}), "[\"mine\"]");
  const CheckedLoad::Report report = load.Stop();
  EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
}

TEST(BackgroundCommandsTest, OnesThatWaitAreListedPausedAndCancelled) {
  Cluster cluster(InBackground("keys"));
  Client observer = cluster.Connect();
  Client first = cluster.Connect();
  Client second = cluster.Connect();
  Client third = cluster.Connect();
  cluster.server(0).Pause();
  const auto jobs = [&](const std::string& text) {
    return Eventually([&] {
      return observer.Command({"PROXY", "JOBS", "LIST"}).find(text) != std::string::npos;
    });
  };
  first.Send(Encode({"KEYS", "*"}));
  ASSERT_TRUE(jobs("id=1,name=keys of client"));
  second.Send(Encode({"KEYS", "*"}));
  ASSERT_TRUE(jobs("id=2,"));
  third.Send(Encode({"KEYS", "*"}));
  ASSERT_TRUE(jobs("id=3,"));
  EXPECT_TRUE(jobs("state=waiting,place=2"));
  EXPECT_EQ(observer.Command({"PROXY", "JOBS", "CANCEL", "2"}), "OK");
  EXPECT_EQ(second.Read(), "(error) ERR the command was cancelled by PROXY JOBS CANCEL");
  EXPECT_EQ(observer.Command({"PROXY", "JOBS", "PAUSE", "3"}), "OK");
  EXPECT_TRUE(jobs("state=paused,place=1"));
  EXPECT_EQ(observer.Command({"PROXY", "JOBS", "CANCEL", "2"}),
            "(error) ERR there is no such job; PROXY JOBS LIST shows them");
  cluster.server(0).Resume();
  EXPECT_EQ(first.Read(), "[]");
  EXPECT_TRUE(jobs("id=3"));
  EXPECT_EQ(observer.Command({"PROXY", "JOBS", "RESUME", "3"}), "OK");
  EXPECT_EQ(third.Read(), "[]");
}

TEST(BackgroundCommandsTest, AClientThatLeavesDoesNotHoldUpTheQueue) {
  Cluster cluster(InBackground("keys"));
  Client first = cluster.Connect();
  Client observer = cluster.Connect();
  cluster.server(0).Pause();
  first.Send(Encode({"KEYS", "*"}));
  Client second = cluster.Connect();
  second.Send(Encode({"KEYS", "*"}));
  ASSERT_TRUE(Eventually([&] {
    return observer.Command({"PROXY", "JOBS"}).find("place=1") != std::string::npos;
  }));
  first.Close();
  second.Close();
  cluster.server(0).Resume();
  EXPECT_EQ(observer.Command({"KEYS", "*"}), "[]");
}

}  // namespace
}  // namespace ringmaster::integration
