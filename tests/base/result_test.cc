#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace ringmaster {
namespace {

Result<std::string> Answer(bool good) {
  if (good) return std::string("forty-two");
  return Error{ErrorCode::kTimeout, "nobody knows"};
}

TEST(ResultTest, HoldsAValueOrAnError) {
  const Result<std::string> good = Answer(true);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, "forty-two");
  EXPECT_EQ(good->size(), 9U);
  const Result<std::string> bad = Answer(false);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(bad.error().text, "nobody knows");
}

TEST(ResultTest, CarriesAValueThatOnlyMoves) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 7);
}

TEST(ResultTest, LetsItsValueBeChanged) {
  Result<std::string> result = Answer(true);
  result->append("!");
  EXPECT_EQ(result.value(), "forty-two!");
}

TEST(StatusTest, IsDoneOrWhyNot) {
  const Status done = Done();
  const Status failed = Error{ErrorCode::kIo, "disk full"};
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(failed.error().text, "disk full");
}

TEST(ResultDeathTest, StopsTheProcessWhenAskedForWhatIsNotThere) {
  const Result<std::string> bad = Answer(false);
  EXPECT_DEATH(static_cast<void>(bad.value()), "check failed: ok");
  const Result<std::string> good = Answer(true);
  EXPECT_DEATH(static_cast<void>(good.error()), "check failed: !ok");
}

}  // namespace
}  // namespace ringmaster
