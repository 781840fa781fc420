#include "backend/server_role.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(ServerRoleTest, HelloSaysItInEitherProtocol) {
  EXPECT_EQ(RoleInHello("%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"
                        "$4\r\nrole\r\n$6\r\nmaster\r\n"),
            ServerRole::kPrimary);
  EXPECT_EQ(RoleInHello("*4\r\n$5\r\nproto\r\n:2\r\n$4\r\nrole\r\n$7\r\nreplica\r\n"),
            ServerRole::kReplica);
  EXPECT_EQ(RoleInHello("*4\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n$5\r\nproto\r\n:2\r\n"),
            ServerRole::kSentinel);
}

// A value is no name.
TEST(ServerRoleTest, WhatIsNotSaidIsNotGuessed) {
  EXPECT_EQ(RoleInHello("*4\r\n$1\r\nx\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$1\r\ny\r\n"),
            ServerRole::kUnknown);
  EXPECT_EQ(RoleInHello("-ERR unknown command 'HELLO'\r\n"), ServerRole::kUnknown);
  EXPECT_EQ(RoleInHello("*3\r\n$4\r\nrole\r\n"), ServerRole::kUnknown);
  EXPECT_EQ(ReadRole("-NOPERM no\r\n"), RoleAnswer());
  EXPECT_EQ(ReadRole("*0\r\n"), RoleAnswer());
}

TEST(ServerRoleTest, AReplicaTellsWhomItFollows) {
  const RoleAnswer role =
      ReadRole("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:7001\r\n$9\r\nconnected\r\n:12\r\n");
  EXPECT_EQ(role, (RoleAnswer{ServerRole::kReplica, "127.0.0.1:7001"}));
  EXPECT_EQ(role.Text(), "it is a replica of 127.0.0.1:7001");
  EXPECT_FALSE(role.serves());
  EXPECT_TRUE(ReadRole("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n").serves());
}

}  // namespace
}  // namespace ringmaster
