// The promise: redis-benchmark's whole list runs through the proxy without an error reply.
#include <gtest/gtest.h>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

struct Shape {
  int shards;
  const char* pipeline;
};

class RedisBenchmarkTest : public testing::TestWithParam<Shape> {};

INSTANTIATE_TEST_SUITE_P(, RedisBenchmarkTest,
                         testing::Values(Shape{1, "1"}, Shape{1, "16"}, Shape{4, "1"},
                                         Shape{4, "16"}),
                         [](const auto& info) {
                           return std::to_string(info.param.shards) + "ShardsPipeline" +
                                  info.param.pipeline;
                         });

TEST_P(RedisBenchmarkTest, DefaultListRunsWithoutAnErrorReply) {
  Cluster cluster{ClusterOptions{.shards = GetParam().shards}};
  // Without -e it goes on after an error; with it, the first one ends it and is shown.
  const Finished bench =
      RunProgram({"redis-benchmark", "-p", std::to_string(cluster.proxy().port()), "-n", "4000",
                  "-c", "20", "-r", "1000", "-P", GetParam().pipeline, "-q"},
                 std::chrono::seconds(100));
  EXPECT_EQ(bench.status, 0) << bench.output;
  EXPECT_EQ(bench.output.find("rror"), std::string::npos) << bench.output;
  EXPECT_NE(bench.output.find("MSET"), std::string::npos) << bench.output;
  const std::string info = cluster.Connect().Command({"INFO", "ringmaster"});
  EXPECT_NE(info.find("error_replies:0\\x0d"), std::string::npos) << info;
}

}  // namespace
}  // namespace ringmaster::integration
