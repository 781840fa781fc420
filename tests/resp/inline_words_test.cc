#include "resp/inline_words.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringmaster {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace): for "\0"s

std::string Words(const std::string& line) {
  std::vector<char> unescaped;
  InlineWords words(line, unescaped);
  std::vector<Bytes> found;
  Bytes word;
  InlineWords::Step step;
  while ((step = words.Next(&word)) == InlineWords::Step::kWord) found.push_back(word);
  if (step == InlineWords::Step::kBad) return "bad";
  std::string out;
  for (const Bytes each : found) out.append("<").append(each).append(">");
  return out;
}

// All of these were compared with redis-server 7.0.15.
TEST(InlineWordsTest, SplitsAtWhiteSpace) {
  EXPECT_EQ(Words(""), "");
  EXPECT_EQ(Words(" \t\r\v\f "), "");
  EXPECT_EQ(Words("  a  bc\td\re "), "<a><bc><d><e>");
}

TEST(InlineWordsTest, EndsAWordAtVerticalTabOnlyBehindAQuote) {
  EXPECT_EQ(Words("a\vb"), "<a\vb>");
  EXPECT_EQ(Words("\va \vb"), "<a><b>");
  EXPECT_EQ(Words("\"a\"\vb"), "<a><b>");
}

TEST(InlineWordsTest, KnowsTheEscapesOfDoubleQuotes) {
  EXPECT_EQ(Words(R"("a b")"), "<a b>");
  EXPECT_EQ(Words(R"("a\x41\n\r\t\b\a\"\q\\")"), "<aA\n\r\t\b\a\"q\\>");
  EXPECT_EQ(Words(R"("\x00\xfF")"), "<\0\xff>"s);
  EXPECT_EQ(Words(R"("\x4" "\xZZ" "\x")"), "<x4><xZZ><x>");
  EXPECT_EQ(Words("\"a\rb\""), "<a\rb>");
}

TEST(InlineWordsTest, KnowsOnlyTheQuoteInSingleQuotes) {
  EXPECT_EQ(Words(R"('a b' 'a\'b\n')"), "<a b><a'b\\n>");
  EXPECT_EQ(Words(R"('a"b' "a'b")"), "<a\"b><a'b>");
}

TEST(InlineWordsTest, KeepsEmptyWordsAndBackslashesOutsideOfQuotes) {
  EXPECT_EQ(Words(R"("" '' a\nb)"), "<><><a\\nb>");
}

TEST(InlineWordsTest, TakesAQuoteInTheMiddleOfAWord) {
  EXPECT_EQ(Words(R"(E"CH O" x)"), "<ECH O><x>");
}

TEST(InlineWordsTest, RefusesUnbalancedQuotes) {
  for (const char* line :
       {R"("a)", "'a", R"("a"b)", "'a'b", R"(a"b"'c')", R"("a\)", R"("a\")", R"('a\')", R"(""")"}) {
    EXPECT_EQ(Words(line), "bad") << line;
  }
}

}  // namespace
}  // namespace ringmaster
