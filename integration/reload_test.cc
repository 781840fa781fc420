// The promise: SIGHUP and PROXY RELOAD read the configuration again; what is wrong is refused whole
// and told with its place, what is right takes effect without anybody being dropped.
#include <gtest/gtest.h>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

class ReloadTest : public testing::Test {
 protected:
  // Says which share of the keys changed owner, in percent.
  static double MovedShare(const std::string& said) {
    const size_t end = said.find(" % of the keys");
    const size_t begin = said.rfind(' ', end - 1);
    return end == std::string::npos ? -1 : std::stod(said.substr(begin));
  }

  Cluster cluster_{ClusterOptions{.shards = 3}};
  ProxyProcess& proxy_ = cluster_.proxy();
  Client client_ = cluster_.Connect();
};

TEST_F(ReloadTest, NewShardTakesItsShareAndTheLogSaysHowMuch) {
  const RedisServer extra;
  ConfigText next = proxy_.config();
  next.pool().Shard("extra", extra.address());
  const double moved = MovedShare(proxy_.Reload(next));
  EXPECT_GT(moved, 20);
  EXPECT_LT(moved, 27.5);  // 1.1 / 4
  ASSERT_TRUE(Eventually([&] {
    client_.Command({"SET", "key" + std::to_string(MonotonicNow().time_since_epoch().count()), ""});
    return extra.Command({"DBSIZE"}) != "(integer) 0";
  }));
  EXPECT_EQ(client_.Command({"PING"}), "PONG");
}

TEST_F(ReloadTest, SameConfigurationMovesNothing) {
  EXPECT_EQ(MovedShare(proxy_.Reload(proxy_.config())), 0);
  ConfigText reordered = proxy_.config();
  std::swap(reordered.pool().shards[0], reordered.pool().shards[2]);
  EXPECT_EQ(MovedShare(proxy_.Reload(reordered)), 0);
}

TEST_F(ReloadTest, BadConfigurationIsRefusedWholeWithItsPlace) {
  const std::string key = cluster_.KeyOn(1);
  ASSERT_EQ(client_.Command({"SET", key, "v"}), "OK");
  ConfigText bad = proxy_.config();
  bad.pool().shards.erase(bad.pool().shards.begin() + 1);
  bad.limits = "clients: -4, bogus: 1";
  const std::string said = proxy_.Reload(bad);
  EXPECT_NE(said.find("refused"), std::string::npos) << said;
  EXPECT_NE(said.find("ringmaster.yml:"), std::string::npos) << said;
  EXPECT_NE(said.find("clients"), std::string::npos) << said;
  EXPECT_NE(said.find("bogus"), std::string::npos) << said;
  EXPECT_EQ(client_.Command({"GET", key}), "\"v\"");
  for (const char* text : {"", "pools: [", "pools: []\n", "\xff\xfe", "- a\n- b\n"}) {
    EXPECT_NE(proxy_.ReloadText(text).find("refused"), std::string::npos) << text;
  }
  EXPECT_EQ(client_.Command({"GET", key}), "\"v\"");
}

TEST_F(ReloadTest, ByCommandAnswersWhatChangedOrWhatIsWrong) {
  const std::string same = client_.Command({"PROXY", "RELOAD"});
  EXPECT_NE(same.find("0.00 % of the keys changed owner"), std::string::npos) << same;
  proxy_.folder().Write("ringmaster.yml", "nonsense: true\n");
  const std::string wrong = client_.Command({"PROXY", "RELOAD"});
  EXPECT_TRUE(wrong.starts_with("(error) ERR ")) << wrong;
  EXPECT_NE(wrong.find("nonsense"), std::string::npos) << wrong;
  EXPECT_EQ(client_.Command({"SET", "a", "1"}), "OK");
}

// The connection is closed by what it asked for, and not before it was told.
TEST_F(ReloadTest, WhoseUserGoesWithItIsStillAnswered) {
  for (int i = 0; i < 20; ++i) {
    ConfigText next = proxy_.config();
    next.pool().more =
        "users: [{name: default, nopass: true}, {name: boss, password: pw, commands: '+@all', "
        "keys: ['*']}]";
    ASSERT_NE(proxy_.Reload(next).find("read again"), std::string::npos);
    Client boss = cluster_.Connect();
    ASSERT_EQ(boss.Command({"AUTH", "boss", "pw"}), "OK");
    next.pool().more = "users: [{name: default, nopass: true}]";
    proxy_.folder().Write("ringmaster.yml", proxy_.Yaml(next));
    const std::string said = boss.Command({"PROXY", "RELOAD"});
    EXPECT_NE(said.find("0.00 % of the keys changed owner"), std::string::npos) << said;
    EXPECT_EQ(boss.ReadToEnd(), "<closed>");
  }
}

TEST_F(ReloadTest, LimitsAndListenersChangeToo) {
  const Port added;
  ConfigText next = proxy_.config();
  next.pool().listen.push_back("127.0.0.1:" + std::to_string(added.number()));
  next.limits = "max_bulk: 1kb";
  ASSERT_NE(proxy_.Reload(next).find("read again"), std::string::npos);
  Client second(added.number());
  EXPECT_EQ(second.Command({"PING"}), "PONG");
  second.Send("*2\r\n$3\r\nGET\r\n$1025\r\n");
  EXPECT_EQ(second.ReadToEnd(), "-ERR Protocol error: invalid bulk length\r\n<closed>");
  next.pool().listen.pop_back();
  ASSERT_NE(proxy_.Reload(next).find("read again"), std::string::npos);
  EXPECT_TRUE(Eventually([&] { return !Client(added.number()).connected(); }));
  EXPECT_EQ(client_.Command({"PING"}), "PONG");
}

// A request under way to a shard that leaves is answered by it.
TEST_F(ReloadTest, RequestUnderWayToAShardThatLeavesIsStillAnswered) {
  const std::string key = cluster_.KeyOn(2);
  Client slow = cluster_.Connect();
  slow.Send(Encode({"EVAL",
                    "local t = redis.call('TIME') repeat local n = redis.call('TIME') "
                    "until (n[1]-t[1])*1e6 + n[2]-t[2] > 300000 return 'done'",
                    "1", key}));
  ASSERT_TRUE(proxy_.AwaitCommand("eval"));
  ConfigText next = proxy_.config();
  next.pool().shards.pop_back();
  ASSERT_NE(proxy_.Reload(next).find("read again"), std::string::npos);
  EXPECT_EQ(slow.Read(), "\"done\"");
}

}  // namespace
}  // namespace ringmaster::integration
