#include "resp/reply_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace ringmaster {
namespace {

// As "type count <text>", children in brackets.
std::string Render(const ReplyElement& element) {
  std::string out(1, element.type);
  if (element.is_null()) return out + "null";
  if (element.type == ':') out += std::to_string(element.count);
  if (!element.is_aggregate()) return out.append("<").append(element.text).append(">");
  out += std::to_string(element.count) + "[";
  ReplyReader children = ReplyReader::Children(element);
  while (const auto child = children.Next()) out += Render(*child) + " ";
  return out + "]";
}

std::string RenderAll(Bytes replies) {
  std::string out;
  ReplyReader reader(replies);
  while (const auto element = reader.Next()) out += Render(*element) + "\n";
  return out;
}

TEST(ReplyReaderTest, ReadsEveryType) {
  EXPECT_EQ(RenderAll("+OK\r\n-ERR no\r\n:-7\r\n$2\r\nhi\r\n$0\r\n\r\n"),
            "+<OK>\n-<ERR no>\n:-7<-7>\n$<hi>\n$<>\n");
  EXPECT_EQ(RenderAll("_\r\n$-1\r\n*-1\r\n#t\r\n,1.5\r\n(123\r\n"),
            "_null\n$null\n*null\n#<t>\n,<1.5>\n(<123>\n");
  EXPECT_EQ(RenderAll("!5\r\nERR a\r\n=5\r\ntxt:x\r\n"), "!<ERR a>\n=<txt:x>\n");
  EXPECT_EQ(RenderAll("*2\r\n:1\r\n*1\r\n$1\r\na\r\n*0\r\n"), "*2[:1<1> *1[$<a> ] ]\n*0[]\n");
  EXPECT_EQ(RenderAll("%1\r\n+k\r\n~1\r\n+v\r\n>1\r\n+p\r\n"), "%2[+<k> ~1[+<v> ] ]\n>1[+<p> ]\n");
}

TEST(ReplyReaderTest, SkipsAttributesAtEveryLevel) {
  EXPECT_EQ(RenderAll("|1\r\n+a\r\n*1\r\n:9\r\n|0\r\n$2\r\nhi\r\n"), "$<hi>\n");
  EXPECT_EQ(RenderAll("*2\r\n|1\r\n|1\r\n+x\r\n+y\r\n+a\r\n+b\r\n:1\r\n:2\r\n"),
            "*2[:1<1> :2<2> ]\n");
}

TEST(ReplyReaderTest, KeepsTheBytesOfAnElement) {
  const auto elements = ReadArray("*3\r\n*1\r\n$1\r\na\r\n:1\r\n|1\r\n+k\r\n+v\r\n_\r\n");
  ASSERT_EQ(elements.size(), 3U);
  EXPECT_EQ(elements[0].raw, "*1\r\n$1\r\na\r\n");
  EXPECT_EQ(elements[1].raw, ":1\r\n");
  EXPECT_EQ(elements[2].raw, "_\r\n");
}

TEST(ReplyReaderTest, EndsAtWhatIsNotResp) {
  for (const Bytes bytes : {"", "x", "+OK", "$5\r\nhell", "*1\r\n", "|0\r\n", "|1\r\n+a\r\n",
                            "|1\r\n+a\r\n+b\r\n", "$x\r\n"}) {
    EXPECT_EQ(RenderAll(bytes), "") << bytes;
    EXPECT_EQ(ReadReply(bytes).type, '\0') << bytes;
    EXPECT_TRUE(ReadArray(bytes).empty()) << bytes;
  }
  EXPECT_EQ(RenderAll(":1\r\n?\r\n:2\r\n"), ":1<1>\n");
}

TEST(ReplyReaderTest, GivesNoChildrenToAScalar) {
  EXPECT_TRUE(ReadArray("$4\r\n\r\n:1\r\n").empty());
  EXPECT_TRUE(ReadArray("*-1\r\n").empty());
}

TEST(ReplyReaderTest, SurvivesDeepNesting) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "|1\r\n";
  for (int i = 0; i < 100000; ++i) deep += "+a\r\n+b\r\n";
  deep += "+OK\r\n";
  EXPECT_EQ(ReadReply(deep).text, "OK");
}

}  // namespace
}  // namespace ringmaster
