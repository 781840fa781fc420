#include <gtest/gtest.h>

#include <string>

#include "resp/request_parser.h"
#include "resp/request_writer.h"
#include "support/feeder.h"

namespace ringmaster {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace): for "\0"s

const RequestLimits kLimits;

// Parses the first `cut` bytes, hands on `parsed_bytes` of them, and gives the rest to a
// RequestTail: where the request ends, or why it is bad.
std::string Tail(const std::string& input, size_t cut, size_t parsed_bytes, size_t piece) {
  RequestParser parser(kLimits);
  const ExactBlock front{Bytes(input).substr(0, cut)};
  EXPECT_EQ(parser.Parse(front.bytes()), RequestParser::Status::kNeedMore);
  RequestTail tail(parser, parsed_bytes);
  size_t end = parsed_bytes;
  for (const Bytes bytes : CutEvery(Bytes(input).substr(parsed_bytes), piece).pieces) {
    const ExactBlock block{bytes};
    size_t taken = 0;
    const RequestTail::Status status = tail.Take(block.bytes(), &taken);
    end += taken;
    if (status == RequestTail::Status::kDone) return "ends at " + std::to_string(end);
    if (status == RequestTail::Status::kBad) return std::string(tail.error());
    EXPECT_EQ(taken, bytes.size());
  }
  return "more";
}

// The same from every point in the bulk that starts behind `header`, in pieces of several sizes.
std::string TailFromAnywhere(const std::string& input, size_t header, size_t content) {
  std::string expected = Tail(input, header, header, input.size());
  for (size_t cut = header; cut < header + content + 2; ++cut) {
    for (const size_t piece : {1, 2, 3, 5, 1000}) {
      EXPECT_EQ(Tail(input, cut, cut, piece), expected) << "at " << cut << " by " << piece;
      EXPECT_EQ(Tail(input, cut, header, piece), expected) << "at " << cut << " by " << piece;
    }
  }
  return expected;
}

const std::string kFront = "*4\r\n$4\r\nMSET\r\n$5\r\n";

TEST(RequestTailTest, FindsTheEndOfTheRequest) {
  const std::string last = "*2\r\n$3\r\nSET\r\n$5\r\nhello\r\n";
  EXPECT_EQ(TailFromAnywhere(last + "PING\r\n", last.size() - 7, 5),
            "ends at " + std::to_string(last.size()));
  const std::string middle = kFront + "hello\r\n$0\r\n\r\n$12\r\n123456789\r\n1\r\n";
  EXPECT_EQ(TailFromAnywhere(middle + "*1\r\n", kFront.size(), 5),
            "ends at " + std::to_string(middle.size()));
}

TEST(RequestTailTest, WaitsForTheRest) {
  EXPECT_EQ(
      TailFromAnywhere(kFront + "hello\r\n$0\r\n\r\n$12\r\n123456789\r\n1\r", kFront.size(), 5),
      "more");
  EXPECT_EQ(TailFromAnywhere(kFront + "hello\r\n$0\r\n\r\n$12\r", kFront.size(), 5), "more");
}

TEST(RequestTailTest, LooksAtLineEndsNoCloserThanRedisDoes) {
  const std::string input = kFront + "helloXX$0\rXXX$1\rX1XX";
  EXPECT_EQ(TailFromAnywhere(input, kFront.size(), 5), "ends at " + std::to_string(input.size()));
}

TEST(RequestTailTest, RefusesWhatTheParserRefuses) {
  const std::string front = kFront + "hello\r\n";
  const std::string headers[] = {"$x\r\n",
                                 "$-1\r\n",
                                 "$04\r\n",
                                 "$536870913\r\n",
                                 "$\r\n",
                                 "\r\n",
                                 "fooz\r\n",
                                 "$" + std::string(40, '1') + "\r\n",
                                 std::string(65537, '1'),
                                 "$1\0\r\n"s + std::string(65536, '\r')};
  for (const std::string& header : headers) {
    RequestParser parser(kLimits);
    ASSERT_EQ(parser.Parse(front + header), RequestParser::Status::kBad);
    EXPECT_EQ(TailFromAnywhere(front + header, kFront.size(), 1), parser.error());
  }
}

TEST(RequestTailTest, StaysBad) {
  const std::string input = kFront + "hello\r\nX\r\n";
  RequestParser parser(kLimits);
  ASSERT_EQ(parser.Parse(kFront), RequestParser::Status::kNeedMore);
  RequestTail tail(parser, kFront.size());
  size_t taken = 0;
  ASSERT_EQ(tail.Take(Bytes(input).substr(kFront.size()), &taken), RequestTail::Status::kBad);
  EXPECT_EQ(tail.Take("$1\r\nx\r\n", &taken), RequestTail::Status::kBad);
  EXPECT_EQ(taken, 0U);
}

}  // namespace
}  // namespace ringmaster
