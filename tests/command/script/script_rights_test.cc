// Rules of a user as its mirror at a shard gets them.
#include "command/script/script_rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/access/access.h"
#include "command/rows/all_rows.h"

namespace ringmaster {
namespace {

class MirrorRulesTest : public testing::Test {
 protected:
  std::vector<std::string> Of(const std::vector<std::string>& rules) {
    AclUser user("app", table_);
    for (const std::string& rule : rules) EXPECT_EQ(user.Apply(table_, rule), "") << rule;
    return MirrorRules(table_, user);
  }
  const CommandTable table_{AllCommands()};
};

// ACL LIST shows both alike, but a pattern of one star matches no key without a name. Found by
// scripts/users.
TEST_F(MirrorRulesTest, APatternOfOneStarIsNotTheRightToAllKeys) {
  EXPECT_THAT(Of({"%RW~*", "+@all"}), testing::Contains("%RW~*"));
  EXPECT_THAT(Of({"%RW~*", "+@all"}), testing::Not(testing::Contains("~*")));
  EXPECT_THAT(Of({"~*", "+@all"}), testing::Contains("~*"));
  EXPECT_THAT(Of({"%R~*", "+@all"}), testing::Contains("%R~*"));
}

TEST_F(MirrorRulesTest, SelectorsStayWhole) {
  EXPECT_THAT(
      Of({"~a:*", "+get", "(~b:* +set)"}),
      testing::Contains(testing::AllOf(testing::StartsWith("(~b:* "), testing::HasSubstr("+set"),
                                       testing::EndsWith(")"))));
}

TEST_F(MirrorRulesTest, WhatShardsDoNotKnowIsLeftOut) {
  for (const std::string& rule : Of({"~*", "-@all", "+get", "+proxy"})) {
    EXPECT_EQ(rule.find("proxy"), std::string::npos) << rule;
  }
}

}  // namespace
}  // namespace ringmaster
