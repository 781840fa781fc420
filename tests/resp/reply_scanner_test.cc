#include "resp/reply_scanner.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>

#include "base/random.h"
#include "support/fast_resp.h"
#include "support/feeder.h"
#include "support/slow_resp.h"

namespace ringmaster {
namespace {

// "<type> <length>" for each reply; tells when some other cut of the input gives another answer.
std::string Scan(const std::string& input) {
  std::string whole = ReadReplies({input});
  ForEachCut(input, [&](const Cut& cut) { EXPECT_EQ(ReadReplies(cut.pieces), whole) << cut.name; });
  return whole;
}

std::string Repeat(const std::string& text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

// As redis-server 7.0.15 sends them (DEBUG PROTOCOL).
TEST(ReplyScannerTest, FindsTheEndOfEveryTypeOfReply) {
  EXPECT_EQ(Scan("+OK\r\n-ERR no\r\n:1\r\n:-12345\r\n"), "+ 5\n- 9\n: 4\n: 9\n");
  EXPECT_EQ(Scan("$5\r\nhello\r\n$0\r\n\r\n$-1\r\n"), "$ 11\n$ 6\n$ 5\n");
  EXPECT_EQ(Scan("*2\r\n$1\r\na\r\n:1\r\n*0\r\n*-1\r\n"), "* 15\n* 4\n* 5\n");
  EXPECT_EQ(Scan("_\r\n#t\r\n,3.141\r\n,inf\r\n(12345678901234567890\r\n"),
            "_ 3\n# 4\n, 8\n, 6\n( 23\n");
  EXPECT_EQ(Scan("!8\r\nERR a\r\nb\r\n=8\r\ntxt:a\r\nb\r\n"), "! 14\n= 14\n");
  EXPECT_EQ(Scan("~2\r\n:0\r\n:1\r\n%2\r\n:0\r\n#f\r\n:1\r\n#t\r\n"), "~ 12\n% 20\n");
  EXPECT_EQ(Scan(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n+OK\r\n"), "> 32\n+ 5\n");
}

TEST(ReplyScannerTest, TakesAnAttributeAsPartOfTheReplyBehindIt) {
  EXPECT_EQ(Scan("|1\r\n+key\r\n*1\r\n:90\r\n$2\r\nhi\r\n+OK\r\n"), "$ 27\n+ 5\n");
  EXPECT_EQ(Scan("|0\r\n|1\r\n|0\r\n+a\r\n+b\r\n:1\r\n"), ": 24\n");
  EXPECT_EQ(Scan("*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n"), "* 24\n");
}

// What a scanner that allows `depth` levels says of one reply, however it is cut.
std::string Depth(uint32_t depth, const std::string& input) {
  std::string whole;
  for (size_t cut = 0; cut < input.size(); ++cut) {
    ReplyScanner scanner(depth);
    size_t used = 0;
    scanner.Scan(Bytes(input).substr(0, cut), &used);
    EXPECT_EQ(used, cut);
    const auto status = scanner.Scan(Bytes(input).substr(cut), &used);
    EXPECT_EQ(used, input.size() - cut);
    const std::string said = status == ReplyScanner::Status::kComplete  ? "fine"
                             : status == ReplyScanner::Status::kTooDeep ? "deep"
                                                                        : "other";
    if (whole.empty()) whole = said;
    EXPECT_EQ(said, whole) << "cut at " << cut;
    // The next one has all levels for itself.
    EXPECT_EQ(scanner.Scan("*1\r\n:1\r\n", &used), ReplyScanner::Status::kComplete);
  }
  return whole;
}

TEST(ReplyScannerTest, TellsOfRepliesThatNestDeeperThanTheyMay) {
  for (const char* head : {"*1\r\n", "~1\r\n", "%1\r\n:0\r\n", "*2\r\n:0\r\n", "|1\r\n+a\r\n"}) {
    const std::string end = head[0] == '|' ? ":1\r\n:1\r\n" : ":1\r\n";
    for (const uint32_t depth : {1U, 2U, 8U, 9U, 40U}) {
      std::string reply = Repeat(head, depth);
      if (head[0] == '|') {
        for (uint32_t i = 0; i <= depth; ++i) reply += ":1\r\n";
      } else {
        reply += end;
      }
      EXPECT_EQ(Depth(depth, reply), "fine") << head << depth;
      EXPECT_EQ(depth == 1 ? "deep" : Depth(depth - 1, reply), "deep") << head << depth;
      EXPECT_EQ(Depth(0, reply), "fine") << head << depth;
    }
  }
}

// Levels that have ended do not count, wherever they stand.
TEST(ReplyScannerTest, CountsOnlyLevelsThatAreOpen) {
  EXPECT_EQ(Depth(2, "*3\r\n*1\r\n:1\r\n*0\r\n%1\r\n+a\r\n+b\r\n"), "fine");
  EXPECT_EQ(Depth(2, "*3\r\n*1\r\n:1\r\n*1\r\n*0\r\n:1\r\n"), "deep");
  EXPECT_EQ(Depth(2, "*2\r\n*2\r\n:1\r\n*-1\r\n:1\r\n"), "deep");
  EXPECT_EQ(Depth(2, "|1\r\n+a\r\n*1\r\n:90\r\n*1\r\n*1\r\n:1\r\n"), "fine");
  EXPECT_EQ(Depth(1, "|1\r\n+a\r\n:90\r\n*1\r\n:1\r\n"), "fine");
  EXPECT_EQ(Depth(1, "|1\r\n+a\r\n*0\r\n:1\r\n"), "deep");
  EXPECT_EQ(Depth(2, "*2\r\n|1\r\n+a\r\n:1\r\n*0\r\n*0\r\n"), "fine");
}

TEST(ReplyScannerTest, WaitsForTheRestOfAReply) {
  for (const char* input : {"+OK\r", "+OK", "+", "$5\r\nhello\r", "$5\r\n", "$5", "*1\r\n", "*1",
                            "*2\r\n:1\r\n", "|1\r\n+a\r\n+b\r\n", "|0\r\n", "%1\r\n+a\r\n"}) {
    EXPECT_EQ(Scan(input), "more\n") << input;
  }
  EXPECT_EQ(Scan(""), "");
}

TEST(ReplyScannerTest, EndsALineOnlyAtCarriageReturnAndLineFeed) {
  EXPECT_EQ(Scan("+a\rb\nc\r\r\n"), "+ 9\n");
  EXPECT_EQ(Scan("+" + std::string(70000, 'x') + "\r\n"), "+ 70003\n");
}

TEST(ReplyScannerTest, CountsTheBytesOfABulkAndNothingElse) {
  EXPECT_EQ(Scan("$9\r\n\r\n$1\r\na\r\n\r\n:1\r\n"), "$ 15\n: 4\n");
  for (const size_t size : {1, 9, 10, 511, 512, 4095, 4096, 70000}) {
    const std::string bulk =
        "$" + std::to_string(size) + "\r\n" + std::string(size - 1, 'x') + "\r\r\n";
    EXPECT_EQ(Scan(bulk + ":1\r\n"), "$ " + std::to_string(bulk.size()) + "\n: 4\n");
  }
}

TEST(ReplyScannerTest, NeedsNoStackForDeepNesting) {
  const std::string deep = Repeat("*1\r\n", 300000) + "+OK\r\n";
  size_t used = 0;
  EXPECT_EQ(ReplyScanner().Scan(deep, &used), ReplyScanner::Status::kComplete);
  EXPECT_EQ(used, deep.size());
  EXPECT_EQ(Scan(Repeat("*2\r\n", 60) + Repeat(":1\r\n", 61) + "+OK\r\n"), "* 484\n+ 5\n");
}

TEST(ReplyScannerTest, RefusesWhatIsNotResp) {
  for (const char* input :
       {"hello\r\n", "\r\n", "$5\r\nhelloXX", "$5\r\nhello\rX", "$5\rX", "$x\r\n", "$-2\r\n",
        "$05\r\n", "$+5\r\n", "$\r\n", "*-2\r\n", "*1x\r\n", "*\r\n", "*1\r\nx",
        "$1111111111111111111111111", "?3\r\n", "$99999999999999999999\r\n"}) {
    EXPECT_EQ(Scan(input), "bad\n") << input;
  }
}

TEST(ReplyScannerTest, BoundsLengthsAndCounts) {
  EXPECT_EQ(Scan("$1099511627776\r\n"), "more\n");
  EXPECT_EQ(Scan("$1099511627777\r\n"), "bad\n");
  EXPECT_EQ(Scan("*4294967296\r\n"), "more\n");
  EXPECT_EQ(Scan("*4294967297\r\n"), "bad\n");
  EXPECT_EQ(Scan("%4294967297\r\n"), "bad\n");
  EXPECT_EQ(Scan("|9223372036854775807\r\n"), "bad\n");
  EXPECT_EQ(Scan(Repeat("*4294967296\r\n", 255)), "more\n");
  EXPECT_EQ(Scan(Repeat("*4294967296\r\n", 257)), "bad\n");
}

TEST(ReplyScannerTest, StaysBad) {
  ReplyScanner scanner;
  size_t used = 0;
  EXPECT_EQ(scanner.Scan("hello\r\n", &used), ReplyScanner::Status::kBad);
  EXPECT_EQ(scanner.Scan("+OK\r\n", &used), ReplyScanner::Status::kBad);
  EXPECT_EQ(scanner.error(), "unknown type of reply");
}

TEST(ReplyScannerTest, SaysHowMuchOfABulkIsStillToCome) {
  const std::string reply = "*2\r\n:1\r\n$5\r\nhello\r\n";
  for (size_t cut = 0; cut < reply.size(); ++cut) {
    ReplyScanner scanner;
    size_t used = 0;
    ASSERT_EQ(scanner.Scan(Bytes(reply).substr(0, cut), &used), ReplyScanner::Status::kNeedMore);
    EXPECT_EQ(scanner.content_left(), cut < 12 ? 0 : reply.size() - cut) << cut;
    EXPECT_EQ(scanner.at_start(), cut == 0) << cut;
  }
}

TEST(ReplyScannerTest, KnowsTheTypeFromTheFirstByte) {
  ReplyScanner scanner;
  size_t used = 0;
  EXPECT_EQ(scanner.type(), '\0');
  ASSERT_EQ(scanner.Scan("$", &used), ReplyScanner::Status::kNeedMore);
  EXPECT_EQ(scanner.type(), '$');
  ASSERT_EQ(scanner.Scan("1\r\na\r\n", &used), ReplyScanner::Status::kComplete);
  EXPECT_EQ(scanner.type(), '$');
  ASSERT_EQ(scanner.Scan("|1\r\n+a\r\n", &used), ReplyScanner::Status::kNeedMore);
  EXPECT_EQ(scanner.type(), '\0');
  ASSERT_EQ(scanner.Scan("+b\r\n:", &used), ReplyScanner::Status::kNeedMore);
  EXPECT_EQ(scanner.type(), ':');
}

TEST(ReplyScannerTest, AgreesWithTheSlowReaderOnDamagedReplies) {
  const std::string seeds[] = {"+OK\r\n",
                               "-ERR no\r\n",
                               ":42\r\n",
                               "$12\r\nhello\r\nworld\r\n",
                               "$-1\r\n",
                               "*3\r\n$1\r\na\r\n*1\r\n:1\r\n_\r\n",
                               "%1\r\n+a\r\n~2\r\n#t\r\n,1.5\r\n",
                               "|1\r\n+k\r\n+v\r\n=5\r\ntxt:x\r\n",
                               ">1\r\n(123\r\n",
                               "!5\r\nERR a\r\n"};
  const std::string words = "+-:$*_#,(!=%~>|\r\n0123456789x";
  Random random(11);
  for (int round = 0; round < 6000; ++round) {
    std::string input = seeds[random.Below(10)] + seeds[random.Below(10)] + seeds[random.Below(10)];
    for (uint64_t change = random.Below(4); change > 0; --change) {
      const char c = words[random.Below(words.size())];
      const size_t at = random.Below(input.size());
      if (random.Below(2) == 0) {
        input[at] = c;
      } else {
        input.insert(at, 1, c);
      }
    }
    const std::string slow = SlowReplies(input).Read();
    EXPECT_EQ(ReadReplies({input}), slow) << Printable(input, 1000);
    EXPECT_EQ(ReadReplies(CutEvery(input, 1).pieces), slow) << Printable(input, 1000);
    EXPECT_EQ(ReadReplies(CutAt(input, random.Below(input.size())).pieces), slow)
        << Printable(input, 1000);
  }
}

// CPU seconds to scan `input` byte by byte; the best of a few tries.
double SecondsByteByByte(const std::string& input) {
  double best = 1e9;
  for (int attempt = 0; attempt < 5; ++attempt) {
    ReplyScanner scanner;
    const std::clock_t start = std::clock();
    size_t used = 0;
    for (const char& byte : input) scanner.Scan(Bytes(&byte, 1), &used);
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

// Sixteen times the bytes cost about sixteen times as much, not 256 times.
TEST(ReplyScannerTest, CostsTimeInProportionToBytesHoweverTheyAreCut) {
  const double slack = 0.0005;  // seconds; below that the clock is too coarse
  for (const std::string text : {"*1\r\n", "+", "|1\r\n"}) {
    EXPECT_LT(SecondsByteByByte(Repeat(text, 64000)),
              64 * (SecondsByteByByte(Repeat(text, 4000)) + slack));
  }
}

}  // namespace
}  // namespace ringmaster
