#include "control/discovery/role_choice.h"

#include <gtest/gtest.h>

#include "control/discovery/replication_info.h"

namespace ringmaster {
namespace {

Address At(uint16_t port) { return {Address::kTcp, "h", port, ""}; }

RoleChoice::Member Primary(uint16_t port, const std::string& history,
                           const std::string& former = "", int64_t offset = 1) {
  return {At(port), true, true, history, former, offset};
}
RoleChoice::Member Replica(uint16_t port) { return {At(port), true, false, "", "", 0}; }
RoleChoice::Member Silent(uint16_t port) { return {At(port)}; }

TEST(RoleChoiceTest, AtAStartTheOneThatSaysSoServes) {
  const auto verdict = RoleChoice().Decide(At(1), {Replica(1), Primary(2, "h")});
  EXPECT_EQ(verdict.primary, At(2));
  EXPECT_EQ(verdict.why, "it is no primary any more, and h:2 says that it is a primary");
  EXPECT_TRUE(RoleChoice().Decide(At(1), {Silent(1), Primary(2, "h")}).primary.has_value());
  EXPECT_FALSE(RoleChoice().Decide(At(1), {Primary(1, "g"), Primary(2, "h")}).primary.has_value());
}

TEST(RoleChoiceTest, TheOneInUseStaysAsLongAsItAnswers) {
  RoleChoice choice;
  EXPECT_EQ(choice.Decide(At(1), {Primary(1, "a"), Replica(2)}).trouble, "");
  const auto verdict = choice.Decide(At(1), {Primary(1, "a", "", 7), Primary(2, "b", "a", 9)});
  EXPECT_FALSE(verdict.primary.has_value());
  EXPECT_EQ(verdict.trouble,
            "h:2 says that it is a primary, too (and was promoted later, its offset is 9, here 7): "
            "the one in use stays as long as it answers");
  EXPECT_EQ(verdict.about, "two:h:2");
  // Once or twice without an answer is no end.
  for (int i = 1; i < RoleChoice::kSilent; ++i) {
    EXPECT_FALSE(choice.Decide(At(1), {Silent(1), Primary(2, "b", "a")}).primary.has_value());
  }
  EXPECT_FALSE(choice.Decide(At(1), {Primary(1, "a"), Primary(2, "b", "a")}).primary.has_value());
  for (int i = 1; i < RoleChoice::kSilent; ++i) {
    EXPECT_FALSE(choice.Decide(At(1), {Silent(1), Primary(2, "b", "a")}).primary.has_value());
  }
  EXPECT_EQ(choice.Decide(At(1), {Silent(1), Primary(2, "b", "a")}).primary, At(2));
}

TEST(RoleChoiceTest, OneThatIsAReplicaNowIsLeftAtOnce) {
  RoleChoice choice;
  choice.Decide(At(1), {Primary(1, "a"), Replica(2)});
  EXPECT_EQ(choice.Decide(At(1), {Replica(1), Replica(2)}).trouble,
            "none of its 2 servers says that it is a primary");
  EXPECT_EQ(choice.Decide(At(1), {Replica(1), Primary(2, "b", "a")}).primary, At(2));
}

TEST(RoleChoiceTest, AnEmptyServerOrAStrangerTakesNobodysPlace) {
  RoleChoice choice;
  choice.Decide(At(1), {Primary(1, "a"), Replica(2)});
  for (int i = 0; i < 10; ++i) {
    const auto verdict = choice.Decide(At(1), {Silent(1), Primary(2, "new", "000")});
    EXPECT_FALSE(verdict.primary.has_value());
    EXPECT_EQ(verdict.about, "stranger:h:2");
  }
  // Beside one that goes on from where the shard was it does not count, however far it is.
  EXPECT_EQ(choice.Decide(At(1), {Silent(1), Primary(2, "new", "000", 99), Primary(3, "b", "a", 5)})
                .primary,
            At(3));
}

TEST(RoleChoiceTest, OfTwoThatGoOnTheOneThatIsFurtherServes) {
  RoleChoice choice;
  choice.Decide(At(1), {Primary(1, "a"), Replica(2), Replica(3)});
  EXPECT_EQ(
      choice.Decide(At(1), {Replica(1), Primary(2, "b", "a", 5), Primary(3, "c", "a", 6)}).primary,
      At(3));
}

TEST(RoleChoiceTest, OneThatIsNotListedAnyMoreIsLeft) {
  RoleChoice choice;
  choice.Decide(At(1), {Primary(1, "a"), Replica(2)});
  EXPECT_EQ(choice.Decide(At(1), {Primary(2, "b", "a"), Silent(3)}).primary, At(2));
}

TEST(ReplicationInfoTest, TellsRoleHistoryAndReplicas) {
  const ReplicationInfo read = ReadReplicationInfo(
      "# Replication\r\nrole:master\r\nconnected_slaves:3\r\nmin_slaves_good_slaves:1\r\n"
      "slave0:ip=h,port=1,state=online,offset=90,lag=0\r\n"
      "slave1:ip=h,port=2,state=online,offset=70,lag=1\r\n"
      "slave2:ip=h,port=3,state=wait_bgsave,offset=0,lag=0\r\n"
      "master_replid:abc\r\nmaster_replid2:def\r\nmaster_repl_offset:100\r\n");
  EXPECT_TRUE(read.member.primary);
  EXPECT_EQ(read.member.history, "abc");
  EXPECT_EQ(read.member.former, "def");
  EXPECT_EQ(read.member.offset, 100);
  EXPECT_EQ(read.replicas, 2U);
  EXPECT_EQ(read.lag_bytes, 30);
  EXPECT_EQ(read.good_replicas, 1);
  const ReplicationInfo other = ReadReplicationInfo("role:slave\r\nmaster_replid:abc\r\n");
  EXPECT_FALSE(other.member.primary);
  EXPECT_EQ(other.good_replicas, -1);
}

}  // namespace
}  // namespace ringmaster
