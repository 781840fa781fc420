#include "base/crash_point.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace ringmaster {
namespace {

// The variable is read when a program starts, so it takes a new one: this test program, which
// passes three points when it is asked to.
int StatusOfChild(const std::string& crash_at) {
  const pid_t child = fork();
  if (child == 0) {
    setenv("RINGMASTER_CRASH_AT", crash_at.c_str(), 1);
    setenv("RM_PASS_CRASH_POINTS", "1", 1);
    execl("/proc/self/exe", "base_test", "--gtest_filter=CrashPointTest.PassesPoints", nullptr);
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(CrashPointTest, PassesPoints) {
  if (std::getenv("RM_PASS_CRASH_POINTS") == nullptr) {
    RM_CRASH_POINT("first");
    return;
  }
  RM_CRASH_POINT("first");
  RM_CRASH_POINT("second");
  RM_CRASH_POINT("second");
  _exit(42);
}

TEST(CrashPointTest, NamedPointEndsTheProcessAsKillDoes) {
  EXPECT_EQ(StatusOfChild("first"), SIGKILL);
  EXPECT_EQ(StatusOfChild("second"), SIGKILL);
}

TEST(CrashPointTest, NumberSaysAtWhichPass) {
  EXPECT_EQ(StatusOfChild("second:2"), SIGKILL);
  EXPECT_EQ(StatusOfChild("second:3"), 42);
}

TEST(CrashPointTest, OtherPointsAreHarmless) {
  EXPECT_EQ(StatusOfChild("third"), 42);
  EXPECT_EQ(StatusOfChild(""), 42);
}

}  // namespace
}  // namespace ringmaster
