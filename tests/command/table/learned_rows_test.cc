#include "command/table/learned_rows.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "command/access/access.h"
#include "command/rows/all_rows.h"
#include "command/table/categories.h"
#include "command/table/command_replies.h"
#include "command/table/keys.h"

namespace ringmaster {
namespace {

// What Redis 7 says of a command, in RESP2: first, last and step, then a key specification.
std::string Info(const std::string& name, const std::string& arity, const std::string& flags,
                 const std::string& range, const std::string& categories, const std::string& specs,
                 const std::string& subcommands = "*0\r\n") {
  return "*10\r\n$" + std::to_string(name.size()) + "\r\n" + name + "\r\n:" + arity + "\r\n" +
         flags + range + categories + "*0\r\n" + specs + subcommands;
}

std::string Words(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) text += "+" + word + "\r\n";
  return text;
}

std::string Range(int first, int last, int step) {
  return ":" + std::to_string(first) + "\r\n:" + std::to_string(last) +
         "\r\n:" + std::to_string(step) + "\r\n";
}

std::string Spec(const std::vector<std::string>& flags, int index, const std::string& find) {
  return "*6\r\n$5\r\nflags\r\n" + Words(flags) +
         "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\n"
         "index\r\n:" +
         std::to_string(index) + "\r\n$9\r\nfind_keys\r\n" + find;
}
const std::string kOneKey =
    "*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep"
    "\r\n:1\r\n$5\r\nlimit\r\n:0\r\n";
const std::string kCountedPairs =
    "*4\r\n$4\r\ntype\r\n$6\r\nkeynum\r\n$4\r\nspec\r\n*6\r\n$9\r\nkeynumidx\r\n:0\r\n$8\r\nfirst"
    "key\r\n:1\r\n$7\r\nkeystep\r\n:2\r\n";

class ModulesTest : public testing::Test {
 protected:
  const Command* Learn(const std::string& name, const std::string& info) {
    return modules_.Learn(name, "*1\r\n" + info);
  }
  // HGETDEL of Redis 8, a write that reads.
  const Command* LearnHgetdel() {
    return Learn("hgetdel", Info("hgetdel", "-5", Words({"write", "fast"}), Range(1, 1, 1),
                                 Words({"@write", "@hash", "@fast"}),
                                 "*1\r\n" + Spec({"RW", "access", "delete"}, 1, kOneKey)));
  }
  std::string Apply(const std::vector<Bytes>& rules, bool unknown = false) {
    for (const Bytes rule : rules) {
      const std::string wrong =
          user_.Apply(table_, rule, {.learned = &modules_, .unknown = unknown});
      if (!wrong.empty()) return wrong;
    }
    return "";
  }
  bool May(const std::vector<Bytes>& args, const SaidKeys* said = nullptr) {
    return !user_.Check(*modules_.KnownCall(args), args, said);
  }

  CommandTable table_{AllCommands()};
  ModuleCommands modules_{table_};
  AclUser user_{"ann", table_};
  TimePoint now_{std::chrono::hours(1)};
};

TEST_F(ModulesTest, LearnedCommandIsCheckedLikeABuiltInOne) {
  ASSERT_NE(LearnHgetdel(), nullptr);
  EXPECT_EQ(Apply({"+@hash", "~a*", "%R~b*"}), "");
  EXPECT_TRUE(May({"HGETDEL", "a", "FIELDS", "1", "f"}));
  EXPECT_FALSE(May({"HGETDEL", "b", "FIELDS", "1", "f"}));
  EXPECT_EQ(Apply({"-@write"}), "");
  EXPECT_FALSE(May({"HGETDEL", "a", "FIELDS", "1", "f"}));
  EXPECT_EQ(Apply({"+hgetdel"}), "");
  EXPECT_TRUE(May({"hgetdel", "a", "FIELDS", "1", "f"}));
  EXPECT_EQ(Apply({"+@all", "-hgetdel"}), "");
  EXPECT_FALSE(May({"hgetdel", "a", "FIELDS", "1", "f"}));
  EXPECT_EQ(user_.root.DescribeCommands(), "+@all -hgetdel");
}

TEST_F(ModulesTest, RuleHoldsForACommandThatIsKnownLater) {
  EXPECT_EQ(Apply({"+hgetdel"}), "Unknown command or category name in ACL");
  EXPECT_EQ(Apply({"+@all", "-hgetdel", "-m.box|burn", "~*"}, true), "");
  LearnHgetdel();
  EXPECT_FALSE(May({"HGETDEL", "a", "FIELDS", "1", "f"}));
  EXPECT_EQ(Apply({"-@all", "+m.word|yes"}, true), "");
  Learn("m.word", Info("m.word", "-1", Words({}), Range(0, 0, 0), Words({"@slow"}), "*0\r\n"));
  EXPECT_TRUE(May({"m.word", "YES"}));
  EXPECT_FALSE(May({"m.word", "no"}));
  EXPECT_FALSE(May({"m.word"}));
  EXPECT_EQ(Apply({"-@slow"}), "");
  EXPECT_FALSE(May({"m.word", "YES"}));
}

TEST_F(ModulesTest, ContainerHasItsSubcommandsAndTheirRights) {
  const std::string burn =
      Info("m.box|burn", "3", Words({"write"}), Range(2, 2, 1), Words({"@write", "@slow"}),
           "*1\r\n" + Spec({"OW", "update"}, 2, kOneKey));
  const std::string look =
      Info("m.box|look", "3", Words({"readonly"}), Range(2, 2, 1), Words({"@read", "@fast"}),
           "*1\r\n" + Spec({"RO", "access"}, 2, kOneKey));
  ASSERT_NE(Learn("m.box", Info("m.box", "-2", Words({}), Range(0, 0, 0), Words({"@slow"}),
                                "*0\r\n", "*2\r\n" + burn + look)),
            nullptr);
  const std::vector<Bytes> call = {"M.BOX", "LOOK", "k"};
  const Command* command = modules_.Find(call, now_, true);
  ASSERT_NE(command, nullptr);
  EXPECT_EQ(command->full_name, "m.box|look");
  EXPECT_EQ(command->single_key, 2U);
  EXPECT_EQ(Apply({"+m.box|look", "%R~*"}), "");
  EXPECT_TRUE(May(call));
  EXPECT_FALSE(May({"M.BOX", "BURN", "k"}));
  EXPECT_EQ(Apply({"+m.box"}), "");
  EXPECT_FALSE(May({"M.BOX", "BURN", "k"}));
  EXPECT_EQ(Apply({"~*"}), "");
  EXPECT_TRUE(May({"M.BOX", "BURN", "k"}));
  EXPECT_EQ(Apply({"-m.box|burn"}), "");
  EXPECT_FALSE(May({"M.BOX", "BURN", "k"}));
  EXPECT_EQ(Apply({"+m.box|fly"}), "Unknown command or category name in ACL");
}

TEST_F(ModulesTest, WhatOnlyAShardCanTellItIsAskedForRestrictedUsers) {
  Learn("m.pairs", Info("m.pairs", "-3", Words({"write", "movablekeys"}), Range(0, 0, 0),
                        Words({"@write"}), "*1\r\n" + Spec({"OW", "update"}, 1, kCountedPairs)));
  const std::vector<Bytes> call = {"m.pairs", "2", "a", "1", "b", "2"};
  std::vector<uint32_t> positions;
  ASSERT_TRUE(FindKeys(*modules_.KnownCall(call)->row, call, positions));
  EXPECT_EQ(positions, (std::vector<uint32_t>{2, 4}));
  EXPECT_EQ(modules_.Find(call, now_, false), modules_.KnownCall(call));
  EXPECT_EQ(modules_.Find(call, now_, true), table_.FindByName("module-command"));
  EXPECT_EQ(Apply({"+@all", "%W~a*"}), "");
  const SaidKeys allowed = {{"a", "OW update "}};
  const SaidKeys denied = {{"a", "OW update "}, {"b", "OW update "}};
  const SaidKeys reads = {{"a", "RW access update "}};
  EXPECT_TRUE(May(call, &allowed));
  EXPECT_FALSE(May(call, &denied));
  EXPECT_FALSE(May(call, &reads));
}

TEST_F(ModulesTest, OperatorsRowIsServedAsHeSaysAndCheckedAsShardsSay) {
  const auto rows =
      MakeOperatorCommands(table_, {{.name = "HGETDEL", .keys = OperatorRow::Keys{}}});
  ASSERT_TRUE(rows);
  modules_.Take(*rows);
  const std::vector<Bytes> call = {"HGETDEL", "b", "FIELDS", "1", "f"};
  const Command* served = &(*rows)->at(0)->command;
  EXPECT_EQ(modules_.Find(call, now_, false), served);
  EXPECT_EQ(modules_.Find(call, now_, true), table_.FindByName("module-command"));
  LearnHgetdel();
  EXPECT_EQ(modules_.Find(call, now_, true), served);
  EXPECT_EQ(Apply({"+@hash", "~a*"}), "");
  EXPECT_FALSE(May(call));
  modules_.Take(*MakeOperatorCommands(table_, {{.name = "HGETDEL", .keys = OperatorRow::Keys{}}}));
  EXPECT_FALSE(May(call));
}

TEST_F(ModulesTest, NonsenseIsNotLearned) {
  EXPECT_EQ(modules_.Learn("x", "*1\r\n*-1\r\n"), nullptr);
  EXPECT_EQ(modules_.Learn("x", "-ERR no\r\n"), nullptr);
  EXPECT_EQ(Learn("x", Info("x", "0", Words({}), Range(1, 1, 1), Words({}), "*0\r\n")), nullptr);
  EXPECT_EQ(Learn("x", Info("x", "-1", Words({}), Range(3, 1, 1), Words({}), "*0\r\n")), nullptr);
  EXPECT_EQ(Learn("x", Info("x", "-1", Words({}), Range(1, 1, 0), Words({}), "*0\r\n")), nullptr);
  EXPECT_EQ(Learn("x", Info("x", "-1", Words({}), Range(1, 9999, 1), Words({}), "*0\r\n")),
            nullptr);
  const std::vector<Bytes> call = {"x"};
  EXPECT_NE(modules_.Find(call, now_, false), nullptr);
  modules_.Forget("x", now_);
  EXPECT_EQ(modules_.Find(call, now_, false), nullptr);
  EXPECT_NE(modules_.Find(call, now_ + std::chrono::minutes(1), false), nullptr);
}

TEST_F(ModulesTest, WhatAllShardsKnowIsKnownAndArityIsTheirs) {
  const auto table_of = [&](const std::vector<std::string>& entries) {
    std::string reply = "*" + std::to_string(entries.size()) + "\r\n";
    for (const std::string& entry : entries) reply += entry;
    return *ReadNewerCommands(table_, reply);
  };
  const auto zrank = [](const std::string& arity) {
    return Info("zrank", arity, Words({"readonly"}), Range(1, 1, 1), Words({"@read"}), "*0\r\n");
  };
  const std::string all_know =
      Info("m.all", "2", Words({"readonly"}), Range(1, 1, 1), Words({"@read", "@hash"}), "*0\r\n");
  const std::string one_knows =
      Info("m.one", "2", Words({"readonly"}), Range(1, 1, 1), Words({"@read"}), "*0\r\n");
  // Without its key, and of a command that the proxy serves in a way of its own.
  const std::string wrong =
      Info("get", "-1", Words({"readonly"}), Range(1, 1, 1), Words({"@read"}), "*0\r\n") +
      Info("mset", "-2", Words({"write"}), Range(1, -1, 2), Words({"@write"}), "*0\r\n");
  const NewerCommands newer = table_of({zrank("-3"), all_know, one_knows, wrong});
  const Command& rank = *table_.FindByName("zrank");
  EXPECT_EQ(newer.arities, (std::map<const Command*, int>{{&rank, -3}}));

  const auto fits = [&](size_t args) { return ArityFits(&modules_, rank, args); };
  const auto find = [&](Bytes name) {
    const Bytes call[] = {name, "k"};
    return modules_.Find(call, now_, false);
  };
  EXPECT_FALSE(fits(4)) << "nobody said so yet";
  EXPECT_FALSE(ArityFits(&modules_, *table_.FindByName("mset"), 2));
  const NewerCommands older = table_of({all_know, zrank("3")});
  modules_.LearnAll(Agree({{"new", &newer}, {"old", &older}}));
  EXPECT_FALSE(fits(4)) << "one shard takes no more";
  EXPECT_EQ(find("m.all")->row->plan.kind, PlanKind::kForward);
  EXPECT_FALSE(ArityFits(&modules_, *find("m.all"), 3)) << "it is what they said";
  ASSERT_EQ(find("m.one")->row->plan.kind, PlanKind::kRefuse);
  EXPECT_STREQ(find("m.one")->row->plan.why,
               "is not known to shard 'old', so no shard is asked for it");
  const auto listed = [&](Bytes name) {
    const std::vector<Bytes> reads = NamesInCategory(table_, &modules_, CategoryBit("read"));
    return std::count(reads.begin(), reads.end(), name);
  };
  EXPECT_EQ(listed("m.all"), 1);
  EXPECT_EQ(listed("m.one"), 0);

  modules_.LearnAll(Agree({{"new", &newer}, {"other", &newer}}));
  EXPECT_TRUE(fits(3));
  EXPECT_TRUE(fits(4));
  EXPECT_FALSE(fits(2));
  EXPECT_EQ(modules_.ArityOf(rank), -3);
  EXPECT_EQ(find("m.one")->row->plan.kind, PlanKind::kForward);
  EXPECT_EQ(listed("m.one"), 1);
  EXPECT_FALSE(ReadNewerCommands(table_, "-ERR no\r\n"));
  EXPECT_TRUE(Agree({}).known.empty());
}

// Another version of a server may describe a command in another way.
TEST_F(ModulesTest, ACommandIsWhatTheShardsSaidLastAndThoseUnderWayKeepTheirs) {
  const auto tell = [&](const std::string& arity) {
    const NewerCommands newer =
        *ReadNewerCommands(table_, "*1\r\n" + Info("m.x", arity, Words({"readonly"}),
                                                   Range(1, 1, 1), Words({"@read"}), "*0\r\n"));
    modules_.LearnAll(Agree({{"a", &newer}}));
    return modules_.Known("m.x");
  };
  const Command* const before = tell("2");
  const Command* const after = tell("-2");
  EXPECT_EQ(before->row->arity, 2);
  EXPECT_EQ(after->row->arity, -2);
  EXPECT_EQ(tell("2"), before) << "nothing grows when servers come and go";
}

// A reply with any bytes changed is learned in some way or not at all, and no call of it, with no
// arguments or many, finds a key behind them.
TEST_F(ModulesTest, AnythingAShardSaysIsSafe) {
  Random random(7);
  const std::string good = "*1\r\n" + Info("x", "-2", Words({"write", "movablekeys"}),
                                           Range(1, -1, 1), Words({"@write"}),
                                           "*2\r\n" + Spec({"RW", "access"}, 1, kOneKey) +
                                               Spec({"OW", "update"}, 2, kCountedPairs));
  for (int i = 0; i < 20000; ++i) {
    std::string reply = good;
    for (size_t change = 1 + random.Below(3); change > 0; --change) {
      reply[random.Below(reply.size())] = "0123456789-+*$:\r\nx"[random.Below(18)];
    }
    const std::string name = "x" + std::to_string(i % 2000);
    ModuleCommands modules(table_);
    const Command* command = modules.Learn(name, reply);
    if (command == nullptr) continue;
    for (size_t count = 1; count < 6; ++count) {
      const std::vector<Bytes> args(count, Bytes("2"));
      std::vector<uint32_t> positions;
      FindKeys(*command->row, args, positions);
      for (const uint32_t position : positions) ASSERT_LT(position, count);
      if (command->ArityFits(count)) {
        ASSERT_LT(command->single_key, count);
      }
    }
  }
}

}  // namespace
}  // namespace ringmaster
