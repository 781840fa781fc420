#include "command/table/operator_rows.h"

#include <gtest/gtest.h>

#include "command/access/access.h"
#include "command/rows/all_rows.h"
#include "command/table/keys.h"

namespace ringmaster {
namespace {

using Serve = OperatorRow::Serve;
using Keys = OperatorRow::Keys;

class OperatorRowsTest : public testing::Test {
 protected:
  const Command* Find(Bytes name) const { return table_.Find({&name, 1}); }
  std::string Wrong(const OperatorRow& row) const {
    const auto made = MakeOperatorCommands(table_, {row});
    return made ? "" : made.error().text;
  }

  CommandTable table_{AllCommands()};
};

TEST_F(OperatorRowsTest, BuiltInCommandIsReplacedAndComesBack) {
  const Command* before = Find("keys");
  const auto rows =
      MakeOperatorCommands(table_, {{.name = "KEYS", .serve = Serve::kRefuse, .why = "w"}});
  ASSERT_TRUE(rows);
  table_.Replace(*rows);
  const Command* now = Find("KeyS");
  ASSERT_NE(now, before);
  EXPECT_EQ(now->row->plan.kind, PlanKind::kRefuse);
  EXPECT_STREQ(now->row->plan.why, "w");
  EXPECT_EQ(now->id, before->id);
  EXPECT_EQ(now->row->arity, before->row->arity);
  EXPECT_EQ(table_.FindByName("keys"), now);
  EXPECT_EQ(table_.BuiltIn("keys"), before);
  table_.Replace(std::make_shared<OperatorCommands>());
  EXPECT_EQ(Find("keys"), before);
  EXPECT_STREQ(now->row->plan.why, "w");  // commands under way have it
}

TEST_F(OperatorRowsTest, AddedCommandHasItsKeysWhereTheOperatorSays) {
  const auto rows = MakeOperatorCommands(
      table_,
      {{.name = "M.SET", .keys = Keys{.first = 1, .last = -1, .step = 2}, .arity = -3},
       {.name = "M.GET", .keys = Keys{.first = 2, .last = 2}, .write = false, .arity = -3}});
  ASSERT_TRUE(rows);
  const Command& set = (*rows)->at(0)->command;
  const std::vector<Bytes> words = {"m.set", "a", "1", "b", "2"};
  std::vector<uint32_t> positions;
  ASSERT_TRUE(FindKeys(*set.row, words, positions));
  EXPECT_EQ(positions, (std::vector<uint32_t>{1, 3}));
  EXPECT_TRUE(set.Is(kWrite));
  EXPECT_FALSE(set.ArityFits(2));
  const Command& get = (*rows)->at(1)->command;
  EXPECT_EQ(get.single_key, 2U);
  EXPECT_TRUE(get.Is(kReadOnly));
  EXPECT_FALSE(get.Is(kWrite));
}

TEST_F(OperatorRowsTest, WhatMakesNoSenseIsRefusedWithTheWayOut) {
  EXPECT_EQ(Wrong({.name = "CLIENT", .serve = Serve::kRefuse}),
            "commands.CLIENT: commands with subcommands, and these, cannot be changed; remove it");
  EXPECT_EQ(Wrong({.name = "MODULE-COMMAND", .serve = Serve::kRefuse}),
            "commands.MODULE-COMMAND: the name belongs to the proxy; remove it");
  EXPECT_TRUE(Wrong({.name = "M.X"}).starts_with("commands.M.X: say where its keys are: "));
  EXPECT_EQ(Wrong({.name = "M.X", .serve = Serve::kSum, .keys = Keys{.said_by_shard = true}}),
            "commands.M.X: 'keys: shard' goes only with 'serve: forward'");
  EXPECT_EQ(Wrong({.name = "M.X", .serve = Serve::kRefuse}), "");
}

// Its functions and recipes count on the arguments that its arity promises.
TEST_F(OperatorRowsTest, CommandServedInAWayOfItsOwnKeepsItsArgumentsWhereThatExpectsThem) {
  EXPECT_EQ(Wrong({.name = "MSET", .arity = -1}),
            "commands.MSET: its arity is -3, and the proxy counts on that; write a stricter one, "
            "or say 'serve', too");
  EXPECT_NE(Wrong({.name = "GET", .arity = -2}), "");
  EXPECT_EQ(Wrong({.name = "MSET", .arity = -5}), "");
  EXPECT_EQ(Wrong({.name = "MSET", .arity = 5}), "");
  EXPECT_EQ(Wrong({.name = "GET", .serve = Serve::kForward, .arity = -1}), "");
  EXPECT_TRUE(Wrong({.name = "BLPOP", .keys = Keys{.first = 2, .last = 2}})
                  .starts_with("commands.BLPOP: the proxy serves it in a way of its own"));
  EXPECT_EQ(Wrong({.name = "BLPOP", .serve = Serve::kForward, .keys = Keys{.first = 1}}), "");
}

TEST_F(OperatorRowsTest, KeyThatACallMayLackIsLookedForInsteadOfTaken) {
  const auto rows = MakeOperatorCommands(
      table_, {{.name = "M.GET", .keys = Keys{.first = 1, .last = 1}},
               {.name = "M.AT", .keys = Keys{.first = 2, .last = 2}, .arity = -3},
               {.name = "GET", .serve = Serve::kForward, .arity = -1},
               {.name = "MSET", .keys = Keys{.first = 2, .last = -1}}});
  ASSERT_TRUE(rows);
  EXPECT_EQ((*rows)->at(0)->command.single_key, 0U);
  EXPECT_EQ((*rows)->at(1)->command.single_key, 2U);
  EXPECT_EQ((*rows)->at(2)->command.single_key, 0U);
  EXPECT_EQ((*rows)->at(3)->row.plan.kind, PlanKind::kForward);
  for (const auto& row : **rows) {
    const std::vector<Bytes> words = {row->name};
    std::vector<uint32_t> positions;
    EXPECT_FALSE(FindKeys(row->row, words, positions)) << row->name;
    EXPECT_TRUE(positions.empty());
  }
}

TEST_F(OperatorRowsTest, RightsToAReplacedCommandAreThoseToTheBuiltInOne) {
  const auto rows = MakeOperatorCommands(
      table_,
      {{.name = "HGET", .keys = Keys{.said_by_shard = true}}, {.name = "SET", .write = false}});
  ASSERT_TRUE(rows);
  table_.Replace(*rows);
  AclUser user("ann", table_);
  for (const Bytes rule : {"+@all", "-@write", "+hget", "~a*"}) user.Apply(table_, rule);
  const auto may = [&](const std::vector<Bytes>& args) {
    return !user.Check(*table_.Find(args), args);
  };
  EXPECT_TRUE(may({"HGET", "a", "f"}));
  EXPECT_FALSE(may({"HGET", "b", "f"}));
  EXPECT_FALSE(may({"SET", "a", "v"}));
}

}  // namespace
}  // namespace ringmaster
