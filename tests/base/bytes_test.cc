#include "base/bytes.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ringmaster {
namespace {

std::string Integer(Bytes text) {
  const auto value = ParseInteger(text);
  return value ? std::to_string(*value) : "none";
}

TEST(ParseIntegerTest, ReadsAllThatFitsAndNothingElse) {
  EXPECT_EQ(Integer("0"), "0");
  EXPECT_EQ(Integer("-1"), "-1");
  EXPECT_EQ(Integer("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(Integer("-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(Integer("9223372036854775808"), "none");
  EXPECT_EQ(Integer("-9223372036854775809"), "none");
}

TEST(ParseIntegerTest, RefusesWhatRedisRefuses) {
  for (const Bytes text :
       {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "00", "1.0", "1a", "0x1", "--1", "1-"}) {
    EXPECT_EQ(Integer(text), "none") << "'" << text << "'";
  }
  EXPECT_EQ(Integer(Bytes("1\0", 2)), "none");
}

TEST(ParseIntegerTest, ReadsBackWhatAppendIntegerWrites) {
  for (const int64_t value : {INT64_MIN, int64_t{-10}, int64_t{0}, int64_t{7}, INT64_MAX}) {
    std::string text = "x";
    AppendInteger(text, value);
    EXPECT_EQ(ParseInteger(Bytes(text).substr(1)), value);
  }
}

TEST(ParseDoubleTest, ReadsFiniteNumbersThatFillTheText) {
  EXPECT_EQ(ParseDouble("0.05"), 0.05);
  EXPECT_EQ(ParseDouble("-3"), -3.0);
  EXPECT_EQ(ParseDouble("1e3"), 1000.0);
  for (const Bytes text : {"", "1 ", " 1", "nan", "inf", "-inf", "1e999", "abc", "1,5", "0x10"}) {
    EXPECT_FALSE(ParseDouble(text)) << "'" << text << "'";
  }
}

TEST(BytesTest, ChangesTheCaseOfAsciiOnly) {
  EXPECT_EQ(Lowercase("GeT \xc3\x84[@`{"), "get \xc3\x84[@`{");
  EXPECT_EQ(Uppercase("GeT \xc3\xa4[@`{"), "GET \xc3\xa4[@`{");
  EXPECT_TRUE(EqualsIgnoreCase("HGetAll", "hgetALL"));
  EXPECT_FALSE(EqualsIgnoreCase("get", "gets"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));  // 32 apart, but no letters
}

TEST(PrintableTest, HidesWhatCouldForgeALogLine) {
  EXPECT_EQ(Printable("plain text"), "plain text");
  EXPECT_EQ(Printable(Bytes("a\r\n\0\x7f\xff\\", 7)), "a\\x0d\\x0a\\x00\\x7f\\xff\\x5c");
}

TEST(PrintableTest, CutsAtTheLimitAndSaysSo) {
  EXPECT_EQ(Printable("abcd", 4), "abcd");
  EXPECT_EQ(Printable("abcde", 4), "abcd...");
}

// The patterns of "text" that match, so that one comparison shows all.
std::string Matching(Bytes text, std::initializer_list<Bytes> patterns) {
  std::string out;
  for (const Bytes pattern : patterns) {
    if (GlobMatch(pattern, text)) out += '<' + std::string(pattern) + '>';
  }
  return out;
}

TEST(GlobMatchTest, FollowsRedisInStarsAndQuestionMarks) {
  EXPECT_EQ(Matching("hello", {"hello", "h?llo", "h*o", "*", "**", "*l*", "hello*", "h?*o"}),
            "<hello><h?llo><h*o><*><**><*l*><hello*><h?*o>");
  EXPECT_EQ(Matching("hello", {"", "hell", "helloo", "?", "h?o", "*x*", "hello?"}), "");
  EXPECT_EQ(Matching("", {"", "*", "?", "a"}), "<>");
}

TEST(GlobMatchTest, FollowsRedisInClasses) {
  EXPECT_EQ(Matching("hello", {"h[ae]llo", "h[a-e]llo", "h[e-a]llo", "h[^x]llo"}),
            "<h[ae]llo><h[a-e]llo><h[e-a]llo><h[^x]llo>");
  EXPECT_EQ(Matching("hello", {"h[ab]llo", "h[^e]llo", "h[^a-e]llo", "h[]llo"}), "");
  EXPECT_EQ(Matching("a-b", {"a[-]b", "a[\\-]b"}), "<a[-]b><a[\\-]b>");
  EXPECT_EQ(Matching("a-b", {"a[x-]b"}), "");  // a range up to ']', and the class is never closed
  EXPECT_EQ(Matching("ab", {"a[b", "a[bc", "a[cd"}), "<a[b><a[bc>");
}

TEST(GlobMatchTest, TakesEscapedCharactersLiterally) {
  EXPECT_EQ(Matching("a*b", {"a\\*b", "a*b"}), "<a\\*b><a*b>");
  EXPECT_EQ(Matching("axb", {"a\\*b", "a\\?b", "a\\xb"}), "<a\\xb>");
  EXPECT_EQ(Matching("a\\", {"a\\"}), "<a\\>");  // a backslash at the end stands for itself
}

TEST(GlobMatchTest, IgnoresCaseOnRequest) {
  EXPECT_TRUE(GlobMatch("H[A-C]*\\X", "hbLLx", true));
  EXPECT_FALSE(GlobMatch("H*", "hello"));
}

TEST(GlobMatchTest, TakesNoExponentialTimeOverManyStars) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "a*";
  pattern += "b";
  const std::string text(2000, 'a');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(GlobMatch(pattern, text));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

}  // namespace
}  // namespace ringmaster
