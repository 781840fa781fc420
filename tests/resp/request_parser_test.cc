#include "resp/request_parser.h"

#include <gtest/gtest.h>

#include <ctime>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "resp/request_writer.h"
#include "support/fast_resp.h"
#include "support/feeder.h"
#include "support/slow_resp.h"

namespace ringmaster {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace): for "\0"s

const RequestLimits kLimits;

// What the input is read as; tells when it is read differently in some other cut.
std::string Read(const std::string& input, const RequestLimits& limits = kLimits) {
  std::string whole = ReadRequests({input}, limits);
  ForEachCut(input, [&](const Cut& cut) {
    const bool eager = input.size() <= 2000 || cut.pieces.size() <= 20;
    EXPECT_EQ(ReadRequests(cut.pieces, limits, eager), whole) << cut.name;
  });
  return whole;
}

// Bytes of all values, "\r\n" among them.
std::string Binary(size_t size, uint64_t seed = 1) {
  Random random(seed);
  std::string bytes;
  while (bytes.size() < size) {
    if (random.Below(32 + size / 8) == 0) bytes += "\r\n$3\r\n";
    bytes.push_back(static_cast<char>(random.Next()));
  }
  bytes.resize(size);
  return bytes;
}

// Seen at redis-server 7.0.15, as are all others here that quote it.
TEST(RequestParserTest, ReadsArraysAsRedisDoes) {
  EXPECT_EQ(Read("*1\r\n$4\r\nPING\r\n"), "array <PING>\n");
  EXPECT_EQ(Read("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"), "array <ECHO> <>\n");
  EXPECT_EQ(Read("*1\r\n$0\r\n\r\n"), "array <>\n");
  EXPECT_EQ(Read("*0\r\n*-1\r\nPING\r\n"), "array\narray\ninline <PING>\n");
  EXPECT_EQ(Read("*-10\r\n*-9223372036854775808\r\n"), "array\narray\n");
  EXPECT_EQ(Read("*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n"),
            "array <PING>\ninline <PING>\narray <QUIT>\n");
}

TEST(RequestParserTest, TakesLittleOfWhoIsNotLoggedIn) {
  const RequestLimits guests = GuestLimits(kLimits);
  const std::string count = "bad: Protocol error: unauthenticated multibulk length\n";
  const std::string size = "bad: Protocol error: unauthenticated bulk length\n";
  EXPECT_EQ(Read("*11\r\n", guests), count);
  EXPECT_EQ(Read("*011\r\n", guests), "bad: Protocol error: invalid multibulk length\n");
  EXPECT_EQ(Read("*2147483647\r\n", guests), count);
  EXPECT_EQ(Read("*2147483648\r\n", guests), "bad: Protocol error: invalid multibulk length\n");
  EXPECT_EQ(Read("*10\r\n$16385\r\n", guests), size);
  EXPECT_EQ(Read("*1\r\n$016385\r\n", guests), "bad: Protocol error: invalid bulk length\n");
  EXPECT_EQ(Read("*1\r\n$-1\r\n", guests), "bad: Protocol error: invalid bulk length\n");
  EXPECT_EQ(Read("*1\r\n$16384\r\n", guests), "more\n");
  EXPECT_EQ(Read("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", guests), "array <AUTH> <x>\n");
}

TEST(RequestParserTest, LooksAtLineEndsNoCloserThanRedisDoes) {
  EXPECT_EQ(Read("*1\rX$4\rXPINGXX"), "array <PING>\n");
  EXPECT_EQ(Read("*1\r\n$4\r\nPINGXXPING\r\n"), "array <PING>\ninline <PING>\n");
  EXPECT_EQ(Read("*1\r$4\r\nPING\r\n"), "bad: Protocol error: expected '$', got '4'\n");
  EXPECT_EQ(Read("*1\n$4\nPING\n"), "more\n");
}

TEST(RequestParserTest, WaitsForTheRestOfARequest) {
  EXPECT_EQ(Read("*"), "more\n");
  EXPECT_EQ(Read("*3\r"), "more\n");
  EXPECT_EQ(Read("*3\r\n"), "more\n");
  EXPECT_EQ(Read("*1\r\nX"), "more\n");
  EXPECT_EQ(Read("*1\r\nX\r"), "more\n");
  EXPECT_EQ(Read("*2\r\n$4\r\nECHO\r\n$536870912\r\nx"), "more\n");
  EXPECT_EQ(Read("*5\r\n$3\r\nSET\r\n$1\r\nx\r\n"), "more\n");
  EXPECT_EQ(Read("PING"), "more\n");
  EXPECT_EQ(Read(""), "");
}

TEST(RequestParserTest, RefusesWrongCountsWithRedisWords) {
  const std::string bad = "bad: Protocol error: invalid multibulk length\n";
  for (const char* count : {"x", "", "-0", "01", "+1", " 1", "1 ", "\xff", "-9223372036854775809",
                            "20000000000", "99999999999999999999999999", "1048577"}) {
    EXPECT_EQ(Read("*"s + count + "\r\n"), bad) << count;
  }
  EXPECT_EQ(Read("*1048576\r\n"), "more\n");
}

TEST(RequestParserTest, RefusesWrongSizesWithRedisWords) {
  const std::string bad = "bad: Protocol error: invalid bulk length\n";
  for (const char* size :
       {"x", "", "-1", "-0", "04", "536870913", "2000000000", "4x", "99999999999999999999999999"}) {
    EXPECT_EQ(Read("*1\r\n$"s + size + "\r\nPING\r\n"), bad) << size;
  }
}

TEST(RequestParserTest, RefusesWhatIsNoBulkWithRedisWords) {
  EXPECT_EQ(Read("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n"),
            "bad: Protocol error: expected '$', got 'f'\n");
  EXPECT_EQ(Read("*1\r\n\r\n"), "bad: Protocol error: expected '$', got '\r'\n");
  EXPECT_EQ(Read("*1\r\n\n\r\n"), "bad: Protocol error: expected '$', got '\n'\n");
  EXPECT_EQ(Read("*1\r\n\xff"
                 "4\r\n"),
            "bad: Protocol error: expected '$', got '\xff'\n");
}

TEST(RequestParserTest, RefusesLinesThatDoNotEnd) {
  const auto digits = [](size_t count) { return std::string(count, '1'); };
  EXPECT_EQ(Read("*" + digits(65535)), "more\n");
  EXPECT_EQ(Read("*" + digits(65536)), "bad: Protocol error: too big mbulk count string\n");
  EXPECT_EQ(Read("*1\r\n$" + digits(65535)), "more\n");
  EXPECT_EQ(Read("*1\r\n$" + digits(65536)), "bad: Protocol error: too big bulk count string\n");
  EXPECT_EQ(Read("*1\r\n" + std::string(65537, 'x')),
            "bad: Protocol error: too big bulk count string\n");
  EXPECT_EQ(Read(std::string(65536, 'P')), "more\n");
  EXPECT_EQ(Read(std::string(65537, 'P')), "bad: Protocol error: too big inline request\n");
}

TEST(RequestParserTest, SeesNothingBehindANulInALine) {
  EXPECT_EQ(Read("*1\0\r\n"s), "more\n");
  EXPECT_EQ(Read("*1\r\n$4\0\r\nPING\r\n"s), "more\n");
  EXPECT_EQ(Read("*2\r\n$1\r\nx\r\n$\0\r\n"s), "more\n");
  EXPECT_EQ(Read("EC\0HO a\r\nPING\r\n"s), "more\n");
  EXPECT_EQ(Read("\0"s + std::string(65536, '\n')),
            "bad: Protocol error: too big inline request\n");
}

TEST(RequestParserTest, ReadsInlineRequestsAsRedisDoes) {
  EXPECT_EQ(Read("PING\r\nPING\n"), "inline <PING>\ninline <PING>\n");
  EXPECT_EQ(Read("\r\n\n  \r\nPING\r\n"), "inline\ninline\ninline\ninline <PING>\n");
  EXPECT_EQ(Read("  GET\tkey  \r\n"), "inline <GET> <key>\n");
  EXPECT_EQ(Read("PING \r\r\n\rPING\n"), "inline <PING>\ninline <PING>\n");
  EXPECT_EQ(Read("$4\r\n"), "inline <$4>\n");
  EXPECT_EQ(Read("SET k \"a b\\x00\\n\" 'c\\'d'\r\n"),
            RenderRequest(std::vector<std::string>{"SET", "k", "a b\0\n"s, "c'd"}, true));
  EXPECT_EQ(Read("SET k \"v\r\nPING\r\n"), "bad: Protocol error: unbalanced quotes in request\n");
}

TEST(RequestParserTest, ReadsKeysOfAnySizeHoweverTheyAreCut) {
  for (const size_t size : {0, 1, 511, 512, 513, 4095, 4096, 4097, 70000}) {
    const std::string key = Binary(size, size);
    const std::vector<std::string> args = {"SET", key, Binary(32)};
    std::string input = MakeRequest({args[0], args[1], args[2]});
    input.append("PING\r\n").append(input);
    EXPECT_EQ(Read(input), RenderRequest(args, false) + "inline <PING>\n" +
                               RenderRequest(args, false) + "inline <PING>\n");
  }
}

TEST(RequestParserTest, ReadsALongPipelineHoweverItIsCut) {
  std::string input;
  std::string expected;
  for (size_t i = 0; i < 40; ++i) {
    const std::vector<std::string> args = {"MSET", "key" + std::to_string(i), Binary(i, i), "",
                                           Binary(i % 12 * 11, i)};
    const std::vector<Bytes> views(args.begin(), args.end());
    AppendRequest(input, views);
    expected += RenderRequest(args, false);
  }
  EXPECT_EQ(Read(input), expected);
}

TEST(RequestParserTest, AgreesWithTheSlowReaderOnDamagedRequests) {
  const std::string seeds[] = {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n",
                               "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
                               "SET k \"a b\\x41\\n\" 'c\\'d' e\"f\" \r\n", "*0\r\n*-1\r\n\r\n"};
  const std::string words = "*$\r\n\"'\\x 0123456789-\v\f\tab"s + '\0';
  Random random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string input = seeds[random.Below(4)] + seeds[random.Below(4)] + seeds[random.Below(4)];
    for (uint64_t change = random.Below(4); change > 0; --change) {
      const char c = words[random.Below(words.size())];
      const size_t at = random.Below(input.size());
      if (random.Below(2) == 0) {
        input[at] = c;
      } else {
        input.insert(at, 1, c);
      }
    }
    const std::string slow = SlowRequests(input, kLimits).Read();
    EXPECT_EQ(ReadRequests({input}, kLimits), slow) << Printable(input, 1000);
    EXPECT_EQ(ReadRequests(CutEvery(input, 1).pieces, kLimits), slow) << Printable(input, 1000);
    EXPECT_EQ(ReadRequests(CutAt(input, random.Below(input.size())).pieces, kLimits), slow)
        << Printable(input, 1000);
  }
}

TEST(RequestParserTest, HoldsToItsLimits) {
  RequestLimits limits;
  limits.max_args = 2;
  limits.max_bulk = 3;
  limits.max_inline = 5;
  EXPECT_EQ(Read("*2\r\n$3\r\nabc\r\n$3\r\nabc\r\n12345\n", limits),
            "array <abc> <abc>\ninline <12345>\n");
  EXPECT_EQ(Read("*3\r\n", limits), "bad: Protocol error: invalid multibulk length\n");
  EXPECT_EQ(Read("*1\r\n$4\r\n", limits), "bad: Protocol error: invalid bulk length\n");
  EXPECT_EQ(Read("123456\n", limits), "bad: Protocol error: too big inline request\n");
}

TEST(RequestParserTest, TakesTheLargestLimitsWithoutOverflow) {
  RequestLimits limits;
  limits.max_bulk = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(Read("*1\r\n$9223372036854775807\r\nx", limits), "more\n");
}

// What streaming a large value needs to know, at each cut.
TEST(RequestParserTest, ShowsTheBulkUnderWay) {
  const std::string request = MakeRequest({"SET", "key", std::string(20, 'v')});
  const size_t content = request.find("vvv");
  RequestParser parser(kLimits);
  for (size_t cut = content; cut < request.size(); ++cut) {
    const ExactBlock block{Bytes(request).substr(0, cut)};
    ASSERT_EQ(parser.Parse(block.bytes()), RequestParser::Status::kNeedMore);
    EXPECT_TRUE(parser.in_bulk());
    EXPECT_EQ(parser.bulk_offset(), content);
    EXPECT_EQ(parser.bulk_size(), 20U);
    EXPECT_EQ(parser.announced_args(), 3U);
    EXPECT_EQ(parser.wanted(), request.size());
    EXPECT_EQ(RenderRequest(parser.args(), false), "array <SET> <key>\n");
  }
}

TEST(RequestParserTest, KnowsNoBulkBeforeItsHeaderIsComplete) {
  const std::string request = "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$20\r\n";
  for (size_t cut = 1; cut < request.size(); ++cut) {
    RequestParser parser(kLimits);
    ASSERT_EQ(parser.Parse(Bytes(request).substr(0, cut)), RequestParser::Status::kNeedMore);
    const bool inside = (cut >= 8 && cut < 13) || (cut >= 17 && cut < 22);
    EXPECT_EQ(parser.in_bulk(), inside) << cut;
  }
}

TEST(RequestParserTest, GoesOnAfterItWasMoved) {
  const std::string request = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
  RequestParser first(kLimits);
  ASSERT_EQ(first.Parse(Bytes(request).substr(0, 15)), RequestParser::Status::kNeedMore);
  RequestParser second(std::move(first));
  ASSERT_EQ(second.Parse(request), RequestParser::Status::kComplete);
  EXPECT_EQ(RenderRequest(second.args(), second.is_inline()), "array <GET> <key>\n");
  EXPECT_EQ(second.consumed(), request.size());
}

// CPU seconds to read `input` byte by byte as it grows in one place; the best of a few tries.
double SecondsByteByByte(const std::string& input) {
  double best = 1e9;
  for (int attempt = 0; attempt < 5; ++attempt) {
    RequestParser parser(kLimits);
    const std::clock_t start = std::clock();
    for (size_t size = 1; size <= input.size(); ++size) {
      if (parser.Parse(Bytes(input).substr(0, size)) != RequestParser::Status::kNeedMore) break;
    }
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

// Sixteen times the bytes cost about sixteen times as much, not 256 times.
TEST(RequestParserTest, CostsTimeInProportionToBytesHoweverTheyAreCut) {
  const auto args = [](size_t count) {
    std::string request = "*" + std::to_string(count) + "\r\n";
    for (size_t i = 0; i < count; ++i) request += "$1\r\nx\r\n";
    return request;
  };
  const auto quoted = [](size_t size) { return "\"" + std::string(size, 'x'); };
  const auto header = [](size_t size) { return "*1\r\n$" + std::string(size, '1'); };
  const double slack = 0.0005;  // seconds; below that the clock is too coarse
  EXPECT_LT(SecondsByteByByte(args(64000)), 64 * (SecondsByteByByte(args(4000)) + slack));
  EXPECT_LT(SecondsByteByByte(quoted(64000)), 64 * (SecondsByteByByte(quoted(4000)) + slack));
  EXPECT_LT(SecondsByteByByte(header(64000)), 64 * (SecondsByteByByte(header(4000)) + slack));
}

}  // namespace
}  // namespace ringmaster
