#include "command/access/access.h"

#include <gtest/gtest.h>

#include "command/access/access_control.h"
#include "command/rows/all_rows.h"

namespace ringmaster {
namespace {

class AccessTest : public testing::Test {
 protected:
  // What is wrong with the first rule that is; empty: nothing.
  std::string Apply(const std::vector<Bytes>& rules) {
    for (const Bytes rule : rules) {
      const std::string wrong = user_.Apply(table_, rule);
      if (!wrong.empty()) return wrong;
    }
    return "";
  }
  Denial::Reason Check(const std::vector<Bytes>& args) {
    return user_.Check(*table_.Find(args), args).reason;
  }
  bool May(const std::vector<Bytes>& args) { return Check(args) == Denial::Reason::kNone; }

  CommandTable table_{AllCommands()};
  AclUser user_{"ann", table_};
};

TEST_F(AccessTest, ANewUserMayNothing) {
  EXPECT_EQ(Check({"GET", "k"}), Denial::Reason::kCommand);
  EXPECT_EQ(Check({"PING"}), Denial::Reason::kCommand);
  EXPECT_TRUE(May({"AUTH", "x"}));
  EXPECT_FALSE(user_.Accepts(""));
}

TEST_F(AccessTest, CommandsAreAllowedByNameCategoryAndSubcommand) {
  EXPECT_EQ(Apply({"~*", "+@read", "-get", "+config|get", "+select|3"}), "");
  EXPECT_TRUE(May({"STRLEN", "k"}));
  EXPECT_FALSE(May({"GET", "k"}));
  EXPECT_FALSE(May({"SET", "k", "v"}));
  EXPECT_TRUE(May({"CONFIG", "GET", "x"}));
  EXPECT_FALSE(May({"CONFIG", "SET", "x", "y"}));
  EXPECT_TRUE(May({"SELECT", "3"}));
  EXPECT_FALSE(May({"SELECT", "4"}));
}

TEST_F(AccessTest, LaterRulesWin) {
  EXPECT_EQ(Apply({"allkeys", "+@all", "-@dangerous", "+keys"}), "");
  EXPECT_TRUE(May({"KEYS", "*"}));
  EXPECT_FALSE(May({"FLUSHALL"}));
  EXPECT_EQ(Apply({"nocommands"}), "");
  EXPECT_FALSE(May({"KEYS", "*"}));
}

TEST_F(AccessTest, KeysAreReadAndWrittenByPattern) {
  EXPECT_EQ(Apply({"+@all", "~own:*", "%R~shared:*", "%W~inbox:*"}), "");
  EXPECT_TRUE(May({"SET", "own:1", "v"}));
  EXPECT_TRUE(May({"GET", "shared:1"}));
  EXPECT_EQ(Check({"SET", "shared:1", "v"}), Denial::Reason::kKey);
  EXPECT_TRUE(May({"LPUSH", "inbox:1", "v"}));
  EXPECT_FALSE(May({"LRANGE", "inbox:1", "0", "1"}));
  EXPECT_FALSE(May({"MSET", "own:1", "v", "other", "v"}));
  EXPECT_TRUE(May({"COPY", "shared:1", "own:1"}));
  EXPECT_FALSE(May({"COPY", "own:1", "shared:1"}));
}

TEST_F(AccessTest, ChannelsAreMatchedAndPatternsTakenLiterally) {
  EXPECT_EQ(Apply({"+@all", "&news:*"}), "");
  EXPECT_TRUE(May({"PUBLISH", "news:1", "m"}));
  EXPECT_EQ(Check({"SUBSCRIBE", "news:1", "other"}), Denial::Reason::kChannel);
  EXPECT_TRUE(May({"PSUBSCRIBE", "news:*"}));
  EXPECT_FALSE(May({"PSUBSCRIBE", "news:1*"}));
  EXPECT_TRUE(May({"UNSUBSCRIBE", "other"}));
}

TEST_F(AccessTest, ASelectorAddsToWhatIsAllowed) {
  EXPECT_EQ(Apply({"+get", "~a", "(+set ~b)"}), "");
  EXPECT_TRUE(May({"GET", "a"}));
  EXPECT_TRUE(May({"SET", "b", "v"}));
  EXPECT_FALSE(May({"SET", "a", "v"}));
  EXPECT_FALSE(May({"GET", "b"}));
  EXPECT_EQ(Apply({"clearselectors"}), "");
  EXPECT_FALSE(May({"SET", "b", "v"}));
}

TEST_F(AccessTest, PasswordsAreKeptAsDigests) {
  EXPECT_EQ(Apply({"on", ">one", ">two"}), "");
  EXPECT_TRUE(user_.Accepts("one"));
  EXPECT_TRUE(user_.Accepts("two"));
  EXPECT_FALSE(user_.Accepts("three"));
  EXPECT_EQ(user_.Describe().find("one"), std::string::npos);
  EXPECT_EQ(Apply({"<one"}), "");
  EXPECT_FALSE(user_.Accepts("one"));
  EXPECT_EQ(Apply({"off"}), "");
  EXPECT_FALSE(user_.Accepts("two"));
  EXPECT_EQ(Apply({"on", "nopass"}), "");
  EXPECT_TRUE(user_.Accepts("anything"));
}

TEST_F(AccessTest, MistakesAreNamedInRedissWords) {
  EXPECT_EQ(Apply({"+nosuch"}), "Unknown command or category name in ACL");
  EXPECT_EQ(Apply({"+@nosuch"}), "Unknown command or category name in ACL");
  EXPECT_EQ(Apply({"what"}), "Syntax error");
  EXPECT_EQ(Apply({"%~x"}), "Syntax error");
  EXPECT_EQ(Apply({"%RX~x"}), "Syntax error");
  EXPECT_EQ(Apply({"%R"}), "");
  EXPECT_EQ(Apply({"+config|get|x"}), "Allowing first-arg of a subcommand is not supported");
  EXPECT_EQ(Apply({"<never"}),
            "The password you are trying to remove from the user does not exist");
  EXPECT_EQ(Apply({"#12"}),
            "The password hash must be exactly 64 characters and contain only lowercase "
            "hexadecimal characters");
  EXPECT_EQ(Apply({"allkeys", "~x"}).substr(0, 50),
            "Adding a pattern after the * pattern (or the 'allk");
}

TEST_F(AccessTest, DescribesItselfInRulesThatMakeItAgain) {
  EXPECT_EQ(Apply({"on", ">x", "+@read", "-get", "~a:*", "%R~b", "&c", "(+set ~d)"}), "");
  const std::string text = user_.Describe();
  EXPECT_EQ(text.substr(0, 5), "on #2");
  EXPECT_NE(
      text.find(" ~a:* %R~b resetchannels &c -@all +@read -get (~d resetchannels -@all +set)"),
      std::string::npos)
      << text;
}

TEST(AccessControlTest, ChangesUsersWholeOrNotAtAll) {
  const CommandTable table{AllCommands()};
  AccessControl access(table);
  const std::vector<Bytes> good = {"on", ">pw", "+get", "~*"};
  EXPECT_EQ(access.Set("ann", good), "");
  const std::vector<Bytes> bad = {"+set", "+nosuch"};
  EXPECT_EQ(access.Set("ann", bad),
            "Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL");
  EXPECT_EQ(access.Find("ann")->root.DescribeCommands(), "-@all +get");
  EXPECT_NE(access.Login("ann", "pw"), nullptr);
  EXPECT_EQ(access.Login("ann", "other"), nullptr);
  EXPECT_TRUE(access.Delete("ann"));
  EXPECT_FALSE(access.Delete("ann"));
}

TEST(AccessControlTest, ASelectorMayComeInSeveralWords) {
  const CommandTable table{AllCommands()};
  AccessControl access(table);
  const std::vector<Bytes> rules = {"on", "(+get", "~a)", "+ping"};
  EXPECT_EQ(access.Set("bob", rules), "");
  EXPECT_EQ(access.Find("bob")->selectors.size(), 1U);
  const std::vector<Bytes> open = {"(+get", "~a"};
  EXPECT_EQ(access.Set("bob", open),
            "Unmatched parenthesis in acl selector starting at '(+get ~a'.");
}

TEST(AccessControlTest, ClientsAreWelcomedAsTheDefaultUser) {
  const CommandTable table{AllCommands()};
  AccessControl access(table);
  ClientState client;
  access.Welcome(client);
  EXPECT_TRUE(client.authenticated);
  EXPECT_EQ(client.limits, nullptr);
  const std::vector<Bytes> rules = {"resetpass", ">secret", "-flushall"};
  EXPECT_EQ(access.Set("default", rules), "");
  access.Welcome(client);
  EXPECT_FALSE(client.authenticated);
  EXPECT_NE(client.limits, nullptr);
  EXPECT_EQ(UserName(client), "default");
}

TEST(AccessControlTest, TheLogCountsWhatRepeats) {
  const CommandTable table{AllCommands()};
  AccessControl access(table);
  AclLogEntry entry;
  entry.object = "get";
  entry.user = "ann";
  access.Log(entry);
  access.Log(entry);
  entry.object = "set";
  access.Log(entry);
  const std::vector<AclLogEntry> log = access.log();
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log[0].object, "set");
  EXPECT_EQ(log[1].count, 2U);
}

}  // namespace
}  // namespace ringmaster
