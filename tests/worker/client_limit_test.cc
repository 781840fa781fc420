#include "worker/client_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/descriptors.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

TEST(ClientLimitTest, WhoComesBeyondItIsRefusedWithTheNumber) {
  ClientLimit limit;
  limit.Configure(2);
  EXPECT_EQ(limit.Refusal(1, 3), "");
  EXPECT_EQ(limit.Refusal(2, 3), "limits.clients (2) is reached");
  limit.Set(3);  // as CONFIG SET does
  EXPECT_EQ(limit.Refusal(2, 3), "");
}

TEST(ClientLimitTest, TheLastDescriptorsAreForOthers) {
  ClientLimit limit;
  limit.Configure(1000);
  const auto first_kept = static_cast<int>(ClientLimit::possible());
  EXPECT_EQ(limit.Refusal(0, first_kept - 1), "");
  EXPECT_THAT(limit.Refusal(0, first_kept), HasSubstr("descriptors only those are left"));
  EXPECT_EQ(ClientLimit::possible() + KeptDescriptors(), DescriptorLimit());
}

}  // namespace
}  // namespace ringmaster
