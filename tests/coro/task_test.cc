#include "coro/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "coro/completion.h"

namespace ringmaster {
namespace {

// The transfer is a jump where the compiler makes a call at the end of a function one, which is so
// from -O2 on and in this file (CMakeLists.txt), but not under the sanitizers: there each transfer
// takes stack, and the depth is one that always fits.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr int kDeep = 1'000'000;
#else
constexpr int kDeep = 2'000;
#endif

// Says when it is destroyed, once for each object that was not moved from.
class Mark {
 public:
  Mark(std::string& log, char name) : log_(&log), name_(name) {}
  Mark(Mark&& other) noexcept : log_(std::exchange(other.log_, nullptr)), name_(other.name_) {}
  Mark& operator=(Mark&&) = delete;
  ~Mark() {
    if (log_ != nullptr) *log_ += name_;
  }

 private:
  std::string* log_;
  char name_;
};

Task<int> Answer() { co_return 42; }

Task<void> Write(std::string& log, std::string text) {
  log += text;
  co_return;
}

Task<std::string> Wait(Completion<std::string>& reply) { co_return "got " + co_await reply; }

TEST(TaskTest, DoesNothingUntilItIsAwaited) {
  std::string log;
  Task<void> task = Write(log, "ran");
  EXPECT_EQ(log, "");
  task.Start();
  EXPECT_EQ(log, "ran");
  EXPECT_TRUE(task.done());
}

TEST(TaskTest, GivesItsValueToWhoAwaitsIt) {
  const auto twice = []() -> Task<int> { co_return 2 * co_await Answer(); };
  Task<int> task = twice();
  task.Start();
  EXPECT_EQ(task.Result(), 84);
}

TEST(TaskTest, GoesOnWhereItWaitedWhenTheValueComes) {
  Completion<std::string> reply;
  Task<std::string> task = Wait(reply);
  task.Start();
  EXPECT_FALSE(task.done());
  reply.Complete("+OK");
  EXPECT_EQ(task.Result(), "got +OK");
}

Task<std::string> InOrder(std::string& log) {
  co_await Write(log, "a");
  co_await Write(log, "b");
  co_await Write(log, "c");
  co_return log + "!";
}

TEST(TaskTest, ReadsInTheOrderThingsHappen) {
  std::string log;
  Task<std::string> task = InOrder(log);
  task.Start();
  EXPECT_EQ(task.Result(), "abc!");
}

Task<std::unique_ptr<int>> Make(int value) { co_return std::make_unique<int>(value); }
Task<int> Open() {
  const std::unique_ptr<int> made = co_await Make(7);
  co_return *made;
}

TEST(TaskTest, YieldsValuesThatCanOnlyBeMoved) {
  Task<int> task = Open();
  task.Start();
  EXPECT_EQ(task.Result(), 7);
}

Task<void> Hold(Mark mark, Completion<bool>& never) {
  co_await never;
  (void)mark;
}

Task<void> HoldTwo(Mark outer, std::string& log, Completion<bool>& never) {
  co_await Hold(Mark(log, 'i'), never);
  (void)outer;
}

TEST(TaskTest, FreesEachArgumentOnceWhenDestroyedBeforeItStarts) {
  std::string log;
  Completion<bool> never;
  { const Task<void> task = Hold(Mark(log, 'm'), never); }
  EXPECT_EQ(log, "m");
}

TEST(TaskTest, DestroysWhatItAwaitsWhenDestroyedWhileSuspended) {
  std::string log;
  Completion<bool> never;
  {
    Task<void> task = HoldTwo(Mark(log, 'o'), log, never);
    task.Start();
    EXPECT_EQ(log, "");
  }
  EXPECT_EQ(log, "io");
}

TEST(TaskTest, TakesItselfOutOfWhatItWaitedFor) {
  Completion<std::string> reply;
  {
    Task<std::string> task = Wait(reply);
    task.Start();
  }
  reply.Complete("too late");  // to nobody, and nothing is touched
  EXPECT_TRUE(reply.completed());
}

TEST(TaskTest, FreesEachArgumentOnceWhenItRunsThrough) {
  std::string log;
  Completion<bool> now;
  now.Complete(true);
  {
    Task<void> task = HoldTwo(Mark(log, 'o'), log, now);
    task.Start();
    EXPECT_TRUE(task.done());
  }
  EXPECT_EQ(log, "io");
}

TEST(TaskTest, MovesWithItsFrame) {
  Completion<std::string> reply;
  Task<std::string> first = Wait(reply);
  first.Start();
  Task<std::string> second = std::move(first);
  reply.Complete("x");
  EXPECT_EQ(second.Result(), "got x");
}

Task<int> Depth(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await Depth(depth - 1);
}

Task<int> Loop(int times) {
  int sum = 0;
  for (int i = 0; i < times; ++i) sum += co_await Answer();
  co_return sum;
}

TEST(TaskTest, GoesAMillionDeepAndBackWithoutUsingTheStack) {
  Task<int> task = Depth(kDeep);
  task.Start();
  EXPECT_EQ(task.Result(), kDeep);
}

TEST(TaskTest, AwaitsAMillionTasksThatAreDoneAtOnceWithoutUsingTheStack) {
  Task<int> task = Loop(kDeep);
  task.Start();
  EXPECT_EQ(task.Result(), 42 * kDeep);
}

Task<int> Fail() {
  throw std::runtime_error("the sky fell");
  co_return 0;
}

TEST(TaskDeathTest, EndsTheProcessWithTheTextOfAnEscapedException) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Fail().Start(), "exception in a coroutine: the sky fell");
}

}  // namespace
}  // namespace ringmaster
