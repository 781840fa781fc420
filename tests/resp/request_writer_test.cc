#include "resp/request_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringmaster {
namespace {

TEST(RequestWriterTest, WritesAnArrayOfBulks) {
  EXPECT_EQ(MakeRequest({"SET", "k", "a\r\nb"}), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n");
  EXPECT_EQ(MakeRequest({""}), "*1\r\n$0\r\n\r\n");
}

TEST(RequestWriterTest, AppendsToWhatIsThere) {
  std::string out = "x";
  AppendRequestHeader(out, 12);
  AppendRequestArg(out, "GET");
  EXPECT_EQ(out, "x*12\r\n$3\r\nGET\r\n");
}

TEST(RequestWriterTest, KnowsTheSizeBeforehand) {
  for (const size_t count : {1, 9, 10, 99, 100, 1001}) {
    for (const size_t size : {0, 9, 10, 99, 100, 1000}) {
      const std::string text(size, 'x');
      const std::vector<Bytes> args(count, text);
      EXPECT_EQ(RequestSize(args), MakeRequest(args).size()) << count << " of " << size;
    }
  }
}

}  // namespace
}  // namespace ringmaster
