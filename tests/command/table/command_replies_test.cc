#include "command/table/command_replies.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/rows/all_rows.h"
#include "resp/reply_reader.h"

namespace ringmaster {
namespace {

class IntrospectionTest : public testing::Test {
 protected:
  std::string Info(Bytes name, int resp) const {
    std::string reply;
    ReplyWriter out(reply, resp);
    WriteCommandInfo(table_.FindByName(name), out);
    return OneLine(reply);
  }
  std::string Keys(const std::vector<Bytes>& words, bool with_flags = false) const {
    std::string reply;
    ReplyWriter out(reply, 2);
    WriteCommandKeys(table_, words, with_flags, out);
    return OneLine(reply);
  }
  std::string List(const std::vector<Bytes>& filter) const {
    std::string reply;
    ReplyWriter out(reply, 2);
    WriteCommandList(table_, filter, out);
    if (ReadReply(reply).is_error()) return OneLine(reply);
    std::string names;
    for (const ReplyElement& name : ReadArray(reply)) names += std::string(name.text) + " ";
    return names;
  }
  bool Lists(const std::vector<Bytes>& filter, const std::string& name) const {
    return (" " + List(filter)).find(" " + name + " ") != std::string::npos;
  }
  static std::string OneLine(const std::string& reply) {
    std::string line;
    for (const char c : reply) {
      if (c != '\r') line.push_back(c == '\n' ? ' ' : c);
    }
    return line;
  }

  const CommandTable table_{AllCommands()};
};

TEST_F(IntrospectionTest, DescribesCommandAsRedisDoes) {
  EXPECT_EQ(Info("get", 2),
            "*10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 "
            "*1 *6 $5 flags *2 +RO +access "
            "$12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 "
            "$9 find_keys *4 $4 type $5 range $4 spec "
            "*6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0 ");
}

TEST_F(IntrospectionTest, UsesTheTypesOfTheThirdProtocol) {
  EXPECT_EQ(Info("get", 3),
            "*10 $3 get :2 ~2 +readonly +fast :1 :1 :1 ~3 +@read +@string +@fast ~0 "
            "~1 %3 $5 flags ~2 +RO +access "
            "$12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 "
            "$9 find_keys %2 $4 type $5 range $4 spec "
            "%3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 ");
}

TEST_F(IntrospectionTest, HidesWhatRedisDoesNotHave) {
  EXPECT_EQ(Info("nonsense", 2), "$-1 ");
  EXPECT_EQ(Info("nonsense", 3), "_ ");
  EXPECT_EQ(Info("proxy", 2), "$-1 ");
  EXPECT_EQ(Info("client", 2).find("setinfo"), std::string::npos);
  EXPECT_NE(Info("client", 2).find("client|setname"), std::string::npos);
  EXPECT_FALSE(Lists({}, "proxy"));
  // Its subcommands are ours alone.
  EXPECT_FALSE(Lists({}, "debug|object"));
  EXPECT_EQ(Info("debug", 3).substr(0, 16), "*10 $5 debug :-2");
  EXPECT_EQ(Keys({"debug", "object", "k"}), "-ERR The command has no key arguments ");
}

TEST_F(IntrospectionTest, ListsKeysOrSaysWhyNot) {
  EXPECT_EQ(Keys({"mset", "a", "1", "b", "2"}), "*2 $1 a $1 b ");
  EXPECT_EQ(Keys({"get", "a"}, true), "*1 *2 $1 a *2 +RO +access ");
  EXPECT_EQ(Keys({"eval", "s", "0"}), "*0 ");
  EXPECT_EQ(Keys({"nonsense", "a"}), "-ERR Invalid command specified ");
  EXPECT_EQ(Keys({"object", "nonsense", "a"}), "-ERR Invalid command specified ");
  EXPECT_EQ(Keys({"proxy", "locate", "a"}), "-ERR Invalid command specified ");
  EXPECT_EQ(Keys({"ping", "a"}), "-ERR The command has no key arguments ");
  EXPECT_EQ(Keys({"spublish", "a", "b"}), "-ERR The command has no key arguments ");
  EXPECT_EQ(Keys({"get", "a", "b"}), "-ERR Invalid number of arguments specified for command ");
  EXPECT_EQ(Keys({"zunion", "x", "a"}), "-ERR Invalid arguments specified for command ");
}

TEST_F(IntrospectionTest, FiltersTheListByCategoryAndPattern) {
  EXPECT_TRUE(Lists({}, "client|id"));
  EXPECT_TRUE(Lists({"FILTERBY", "aclcat", "WRITE"}, "set"));
  EXPECT_FALSE(Lists({"FILTERBY", "aclcat", "WRITE"}, "get"));
  EXPECT_EQ(List({"filterby", "aclcat", "nonsense"}), "");
  EXPECT_EQ(List({"filterby", "pattern", "OBJECT|*q"}), "object|freq ");
  EXPECT_EQ(List({"filterby", "module", "x"}), "");
}

TEST_F(IntrospectionTest, RefusesOtherFilters) {
  EXPECT_EQ(List({"filterby"}), "-ERR syntax error ");
  EXPECT_EQ(List({"filterby", "nonsense", "x"}), "-ERR syntax error ");
  EXPECT_EQ(List({"nonsense", "pattern", "x"}), "-ERR syntax error ");
  EXPECT_EQ(List({"filterby", "pattern", "x", "y"}), "-ERR syntax error ");
}

}  // namespace
}  // namespace ringmaster
