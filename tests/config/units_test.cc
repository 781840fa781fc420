#include "config/units.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

std::string Microseconds(Bytes text) {
  const Result<Duration> duration = ParseDuration(text);
  return duration ? std::to_string(ringmaster::Microseconds(*duration)) : duration.error().text;
}

std::string Size(Bytes text) {
  const Result<uint64_t> size = ParseSize(text);
  return size ? std::to_string(*size) : size.error().text;
}

TEST(DurationTest, ReadsEveryUnit) {
  EXPECT_EQ(Microseconds("7us"), "7");
  EXPECT_EQ(Microseconds("100ms"), "100000");
  EXPECT_EQ(Microseconds("1s"), "1000000");
  EXPECT_EQ(Microseconds("2m"), "120000000");
  EXPECT_EQ(Microseconds("1h"), "3600000000");
  EXPECT_EQ(Microseconds("365d"), "31536000000000");
  EXPECT_EQ(Microseconds("0s"), "0");
}

TEST(DurationTest, AsksForTheUnitOfABareNumber) {
  EXPECT_EQ(Microseconds("100"), "'100' has no unit: add one of us, ms, s, m, h, d");
  EXPECT_EQ(Microseconds("0"), "'0' has no unit: add one of us, ms, s, m, h, d");
}

TEST(DurationTest, RefusesWhatIsNoDurationOrTooLong) {
  for (const Bytes text : {"", "s", "-1s", "+1s", ".5s", "01s", " 1s"}) {
    EXPECT_EQ(
        Microseconds(text),
        fmt::format("'{}' is no duration: write a whole number and a unit, such as 100ms", text));
  }
  for (const Bytes text : {"1.5s", "1 s", "1S", "1sec", "1m30s"}) {
    EXPECT_EQ(Microseconds(text),
              fmt::format("'{}' has an unknown unit: use one of us, ms, s, m, h, d", text));
  }
  EXPECT_EQ(Microseconds("366d"), "'366d' is longer than 365d");
  EXPECT_EQ(Microseconds("9223372036854775807d"), "'9223372036854775807d' is longer than 365d");
}

TEST(DurationTest, WritesTheShortestTextThatReadsBack) {
  for (const Bytes text : {"0s", "1us", "1500us", "100ms", "90s", "2m", "1h", "25h", "7d"}) {
    const Result<Duration> duration = ParseDuration(text);
    ASSERT_TRUE(duration) << text;
    EXPECT_EQ(FormatDuration(*duration), text);
  }
  EXPECT_EQ(FormatDuration(std::chrono::seconds(120)), "2m");
}

TEST(SizeTest, ReadsRedissUnitsInAnyCase) {
  EXPECT_EQ(Size("0"), "0");
  EXPECT_EQ(Size("123"), "123");
  EXPECT_EQ(Size("123b"), "123");
  EXPECT_EQ(Size("1k") + " " + Size("1kb"), "1000 1024");
  EXPECT_EQ(Size("1m") + " " + Size("1MB"), "1000000 1048576");
  EXPECT_EQ(Size("1G") + " " + Size("1gb"), "1000000000 1073741824");
}

TEST(SizeTest, RefusesWhatIsNoSizeOrTooLarge) {
  EXPECT_EQ(Size("mb"), "'mb' is no size: write a whole number and a unit, such as 64mb");
  EXPECT_EQ(Size("-1"), "'-1' is no size: write a whole number and a unit, such as 64mb");
  EXPECT_EQ(Size("64 mb"), "'64 mb' has an unknown unit: use b, kb, mb or gb, or none for bytes");
  EXPECT_EQ(Size("64mib"), "'64mib' has an unknown unit: use b, kb, mb or gb, or none for bytes");
  EXPECT_EQ(Size("8589934591gb"), "9223372035781033984");
  EXPECT_EQ(Size("8589934592gb"), "'8589934592gb' is too large");
}

TEST(SizeTest, WritesTheShortestTextThatReadsBack) {
  for (const Bytes text : {"0", "1", "1023", "1kb", "1025", "64mb", "1536kb", "2gb"}) {
    const Result<uint64_t> size = ParseSize(text);
    ASSERT_TRUE(size) << text;
    EXPECT_EQ(FormatSize(*size), text);
  }
}

}  // namespace
}  // namespace ringmaster
