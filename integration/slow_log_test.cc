// The promise: the slow log says where the time went: in the proxy, or at which shards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;

class SlowLogTest : public testing::Test {
 protected:
  // "name=value" of the newest entry.
  int64_t Field(const std::string& log, const std::string& name) {
    const size_t at = log.find(" " + name + "=");
    return at == std::string::npos ? -1 : std::stoll(log.substr(at + name.size() + 2));
  }
  // What PROXY SLOWLOG says of a command that a shard kept for a while.
  std::string Slow(const std::vector<std::string>& command) {
    constexpr auto kHeld = std::chrono::milliseconds(300);
    client_.Command({"SLOWLOG", "RESET"});
    cluster_.server(1).Pause();
    std::thread resume([this, kHeld] {
      std::this_thread::sleep_for(kHeld);
      cluster_.server(1).Resume();
    });
    client_.Command(command);
    resume.join();
    return client_.CommandRaw({"PROXY", "SLOWLOG"});
  }

  Cluster cluster_{ClusterOptions{.shards = 3}};
  Client client_ = cluster_.Connect();
};

TEST_F(SlowLogTest, AFanOutsTimeIsTheShards) {
  const std::string a = cluster_.KeyOn(0), b = cluster_.KeyOn(1);
  const std::vector<std::vector<std::string>> commands = {
      {"MGET", a, b}, {"DBSIZE"}, {"SUNION", a, b}, {"KEYS", "*"}, {"MSET", a, "1", b, "2"}};
  for (const auto& command : commands) {
    const std::string log = Slow(command);
    EXPECT_GE(Field(log, "micros"), 200'000) << log;
    EXPECT_GE(Field(log, "waited_here"), 0) << log;
    EXPECT_LT(Field(log, "waited_here"), 100'000) << log;
    if (command.size() > 2) {
      EXPECT_THAT(log, HasSubstr(" shard=s0,s1 "));
    }
    client_.Command({"DEL", a, b});
  }
}

TEST_F(SlowLogTest, OneShardsTimeIsThatShards) {
  const std::string log = Slow({"GET", cluster_.KeyOn(1)});
  EXPECT_THAT(log, HasSubstr(" shard=s1 "));
  EXPECT_LT(Field(log, "waited_here"), 100'000) << log;
}

}  // namespace
}  // namespace ringmaster::integration
