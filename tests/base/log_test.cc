#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

namespace ringmaster {
namespace {

// The log is one for the process: each test opens it in a folder of its own and closes it behind.
class LogTest : public testing::Test {
 protected:
  LogTest() {
    char name[] = "/tmp/ringmaster-log-XXXXXX";
    folder_ = mkdtemp(name);
    file_ = folder_ + "/log";
  }
  ~LogTest() override {
    EXPECT_TRUE(OpenLog({}));
    for (const char* name : {"/log", "/log.1"}) std::remove((folder_ + name).c_str());
    rmdir(folder_.c_str());
  }

  // A file with T for each time and N for each thread number.
  static std::string Content(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    std::string out = text.str();
    // What stands in front of a number, and what replaces the characters that follow.
    const struct {
      const char* before;
      const char* characters;
      const char* name;
    } kRules[] = {{"", "0123456789-+:. T", "T "},
                  {"\n", "0123456789-+:. T", "T "},
                  {"{\"time\":\"", "0123456789-+:.T", "T"},
                  {" [", "0123456789", "N"},
                  {"\"thread\":", "0123456789", "N"}};
    for (const auto& rule : kRules) {
      const size_t size = std::strlen(rule.before);
      for (size_t at = out.find(rule.before); at != std::string::npos && at + size < out.size();
           at = size == 0 ? std::string::npos : out.find(rule.before, at + 1)) {
        const size_t start = at + size;
        const size_t end = std::min(out.find_first_not_of(rule.characters, start), out.size());
        if (end > start) out.replace(start, end - start, rule.name);
      }
    }
    return out;
  }
  std::string Content() const { return Content(file_); }

  std::string folder_;
  std::string file_;
};

TEST_F(LogTest, WritesALineForEachMessageOfItsLevelAndAbove) {
  ASSERT_TRUE(OpenLog({LogLevel::kWarning, file_, false}));
  LogDebug("d");
  LogInfo("i");
  LogWarning("shard {} is {}", "a", "down");
  LogError("e");
  EXPECT_EQ(Content(), "T W [N] shard a is down\nT E [N] e\n");
}

TEST_F(LogTest, DoesNotFormatWhatItDoesNotWrite) {
  ASSERT_TRUE(OpenLog({LogLevel::kError, file_, false}));
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  SetLogLevel(LogLevel::kOff);
  EXPECT_FALSE(LogEnabled(LogLevel::kError));
}

TEST_F(LogTest, ChangesItsLevelWhileRunning) {
  ASSERT_TRUE(OpenLog({LogLevel::kInfo, file_, false}));
  SetLogLevel(LogLevel::kDebug);
  LogDebug("now");
  EXPECT_EQ(CurrentLogLevel(), LogLevel::kDebug);
  EXPECT_EQ(Content(), "T D [N] now\n");
}

TEST_F(LogTest, EscapesWhatWouldBreakAJsonLine) {
  ASSERT_TRUE(OpenLog({LogLevel::kInfo, file_, true}));
  LogInfo("say \"{}\"\n\\", "hi");
  EXPECT_EQ(Content(), R"({"time":"T","level":"info","thread":N,"message":"say \"hi\"\u000a\\"})"
                       "\n");
}

TEST_F(LogTest, WritesToTheNewFileAfterARotation) {
  ASSERT_TRUE(OpenLog({LogLevel::kInfo, file_, false}));
  SetLogLevel(LogLevel::kDebug);
  LogInfo("before");
  ASSERT_EQ(std::rename(file_.c_str(), (file_ + ".1").c_str()), 0);
  ASSERT_TRUE(ReopenLog());
  LogDebug("after");  // the level that was set stays
  EXPECT_EQ(Content(file_ + ".1"), "T I [N] before\n");
  EXPECT_EQ(Content(), "T D [N] after\n");
}

TEST_F(LogTest, KeepsItsOldFileWhenTheNewOneCannotBeOpened) {
  ASSERT_TRUE(OpenLog({LogLevel::kInfo, file_, false}));
  const Status status = OpenLog({LogLevel::kInfo, file_ + "/impossible", false});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  LogInfo("still here");
  EXPECT_EQ(Content(), "T I [N] still here\n");
}

TEST(LogLevelTest, ReadsBackEachName) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError, LogLevel::kOff}) {
    const Result<LogLevel> parsed = ParseLogLevel(LogLevelName(level));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, level);
  }
  EXPECT_EQ(*ParseLogLevel("WARNING"), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("loud\n").error().text,
            "unknown log level 'loud\\x0a': use debug, info, warning, error or off");
}

TEST(LogLimiterTest, LetsOneThroughInEachPeriodAndCountsTheOthers) {
  LogLimiter limiter(std::chrono::seconds(1));
  const TimePoint start = MonotonicNow();
  uint64_t held = 0;
  std::string seen;
  for (const int ms : {0, 10, 999, 1000, 1500, 5000}) {
    if (limiter.Allow(start + std::chrono::milliseconds(ms), &held)) {
      seen += std::to_string(ms) + "(" + std::to_string(held) + ") ";
    }
  }
  EXPECT_EQ(seen, "0(0) 1000(2) 5000(1) ");
}

}  // namespace
}  // namespace ringmaster
