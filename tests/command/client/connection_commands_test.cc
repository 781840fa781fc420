#include "command/fixture.h"

namespace ringmaster {
namespace {

using ConnectionCommandsTest = CommandTest;

constexpr char kHello2[] =
    "*14|$6|server|$5|redis|$7|version|$6|7.0.15|$5|proto|:2|$2|id|:5|$4|mode|$10|standalone|"
    "$4|role|$6|master|$7|modules|*0|";
constexpr char kHello3[] =
    "%7|$6|server|$5|redis|$7|version|$6|7.0.15|$5|proto|:3|$2|id|:5|$4|mode|$10|standalone|"
    "$4|role|$6|master|$7|modules|*0|";

TEST_F(ConnectionCommandsTest, HelloSwitchesTheProtocolAndAnswersInTheNewOne) {
  EXPECT_EQ(Run({"HELLO"}), kHello2);
  EXPECT_EQ(Run({"HELLO", "3"}), kHello3);
  EXPECT_EQ(Run({"HELLO"}), kHello3);
  EXPECT_EQ(Run({"HELLO", "2"}), kHello2);
  EXPECT_EQ(client().resp, 2);
}

TEST_F(ConnectionCommandsTest, HelloRefusesOtherVersionsAndChangesNothing) {
  EXPECT_EQ(Run({"HELLO", "4"}), "-NOPROTO unsupported protocol version|");
  EXPECT_EQ(Run({"HELLO", "3x"}), "-ERR Protocol version is not an integer or out of range|");
  EXPECT_EQ(Run({"HELLO", "3", "BOGUS"}), "-ERR Syntax error in HELLO option 'BOGUS'|");
  EXPECT_EQ(Run({"HELLO", "3", "AUTH", "x"}), "-ERR Syntax error in HELLO option 'AUTH'|");
  EXPECT_EQ(Run({"HELLO", "3", "AUTH", "x", "y"}),
            "-WRONGPASS invalid username-password pair or user is disabled.|");
  EXPECT_EQ(client().resp, 2);
}

TEST_F(ConnectionCommandsTest, HelloTakesUserAndName) {
  EXPECT_EQ(Run({"HELLO", "2", "AUTH", "default", "any", "SETNAME", "worker-1"}), kHello2);
  EXPECT_EQ(client().name(), "worker-1");
  EXPECT_EQ(Run({"HELLO", "2", "SETNAME", "two words"}),
            "-ERR Client names cannot contain spaces, newlines or special characters.|");
  EXPECT_EQ(client().name(), "worker-1");
}

TEST_F(ConnectionCommandsTest, AuthIsThatOfARedisWithoutPassword) {
  EXPECT_EQ(Run({"AUTH", "secret"}),
            "-ERR AUTH <password> called without any password configured for the default user. Are "
            "you sure your configuration is correct?|");
  EXPECT_EQ(Run({"AUTH", "default", "any"}), "+OK|");
  EXPECT_EQ(Run({"AUTH", "bob", "any"}),
            "-WRONGPASS invalid username-password pair or user is disabled.|");
  EXPECT_EQ(Run({"AUTH", "a", "b", "c"}), "-ERR syntax error|");
}

TEST_F(ConnectionCommandsTest, SelectKnowsTheConfiguredDatabases) {
  proxy_.known.databases = 4;
  EXPECT_EQ(Run({"SELECT", "3"}), "+OK|");
  EXPECT_EQ(client().database, 3);
  EXPECT_EQ(Run({"SELECT", "4"}), "-ERR DB index is out of range|");
  EXPECT_EQ(Run({"SELECT", "-1"}), "-ERR DB index is out of range|");
  EXPECT_EQ(Run({"SELECT", "x"}), "-ERR value is not an integer or out of range|");
  EXPECT_EQ(Run({"SELECT", "99999999999"}),
            "-ERR value is out of range, value must between -2147483648 and 2147483647|");
  EXPECT_EQ(client().database, 3);
}

TEST_F(ConnectionCommandsTest, PingAndEchoGiveBackWhatTheyGot) {
  EXPECT_EQ(Run({"PING"}), "+PONG|");
  EXPECT_EQ(Run({"PING", "there"}), "$5|there|");
  EXPECT_EQ(Run({"PING", "a", "b"}), "-ERR wrong number of arguments for 'ping' command|");
  EXPECT_EQ(Run({"ECHO", ""}), "$0||");
}

TEST_F(ConnectionCommandsTest, QuitClosesBehindItsReply) {
  EXPECT_EQ(Run({"QUIT"}), "+OK|");
  EXPECT_TRUE(client().close_after_reply);
}

TEST_F(ConnectionCommandsTest, ResetForgetsWhatTheConnectionWas) {
  Run({"HELLO", "3", "SETNAME", "x"});
  Run({"SELECT", "7"});
  Run({"CLIENT", "NO-EVICT", "ON"});
  EXPECT_EQ(Run({"RESET"}), "+RESET|");
  EXPECT_EQ(client().resp, 2);
  EXPECT_EQ(client().database, 0);
  EXPECT_EQ(client().name(), "");
  EXPECT_FALSE(client().no_evict);
}

}  // namespace
}  // namespace ringmaster
