#include "resp/reply_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace ringmaster {
namespace {

template <typename Write>
std::string Written(int resp, Write&& write) {
  std::string out;
  ReplyWriter writer(out, resp);
  write(writer);
  return out;
}

std::string Double(int resp, double value) {
  return Written(resp, [&](ReplyWriter& writer) { writer.Double(value); });
}

// All of these were compared with redis-server 7.0.15.
TEST(ReplyWriterTest, WritesWhatBothVersionsShare) {
  for (const int resp : {2, 3}) {
    const std::string out = Written(resp, [](ReplyWriter& writer) {
      writer.Ok();
      writer.Simple("PONG");
      writer.Error("ERR no");
      writer.Integer(-12);
      writer.Bulk("a\r\nb");
      writer.Bulk("");
      writer.Array(2);
    });
    EXPECT_EQ(out, "+OK\r\n+PONG\r\n-ERR no\r\n:-12\r\n$4\r\na\r\nb\r\n$0\r\n\r\n*2\r\n");
  }
}

void WriteAll(ReplyWriter& writer) {
  writer.Null();
  writer.NullArray();
  writer.Bool(true);
  writer.Bool(false);
  writer.BigNumber("123456789012345678901");
  writer.Verbatim("txt", "hi\n");
  writer.Map(2);
  writer.Set(3);
  writer.Push(4);
}

TEST(ReplyWriterTest, FallsBackInResp2ToWhatRedisSends) {
  EXPECT_EQ(Written(2, WriteAll),
            "$-1\r\n*-1\r\n:1\r\n:0\r\n$21\r\n123456789012345678901\r\n$3\r\nhi\n\r\n*4\r\n*3\r\n"
            "*4\r\n");
}

TEST(ReplyWriterTest, UsesTheTypesOfResp3) {
  EXPECT_EQ(Written(3, WriteAll),
            "_\r\n_\r\n#t\r\n#f\r\n(123456789012345678901\r\n=7\r\ntxt:hi\n\r\n%2\r\n~3\r\n>4\r\n");
}

TEST(ReplyWriterTest, FormatsDoublesAsRedisDoes) {
  EXPECT_EQ(Double(2, 3.141), "$5\r\n3.141\r\n");
  EXPECT_EQ(Double(2, 3.1), "$18\r\n3.1000000000000001\r\n");
  EXPECT_EQ(Double(2, 100), "$3\r\n100\r\n");
  EXPECT_EQ(Double(2, 1e17), "$5\r\n1e+17\r\n");
  EXPECT_EQ(Double(2, 1e300), "$23\r\n1.0000000000000001e+300\r\n");
  EXPECT_EQ(Double(3, 0.1), ",0.10000000000000001\r\n");
  EXPECT_EQ(Double(3, -1.5e-7), ",-1.4999999999999999e-07\r\n");
}

TEST(ReplyWriterTest, NamesWhatIsNotANumber) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Double(2, infinity), "$3\r\ninf\r\n");
  EXPECT_EQ(Double(2, -infinity), "$4\r\n-inf\r\n");
  EXPECT_EQ(Double(3, infinity), ",inf\r\n");
  EXPECT_EQ(Double(3, -infinity), ",-inf\r\n");
  EXPECT_EQ(Double(3, std::nan("")), ",nan\r\n");
}

TEST(ReplyWriterTest, KeepsAnErrorOnOneLine) {
  EXPECT_EQ(Written(2, [](ReplyWriter& writer) { writer.Error("ERR a\r\nb\nc"); }),
            "-ERR a  b c\r\n");
}

}  // namespace
}  // namespace ringmaster
