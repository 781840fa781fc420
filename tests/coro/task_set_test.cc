#include "coro/task_set.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "coro/completion.h"

namespace ringmaster {
namespace {

using Step = Completion<std::string>;

// Writes when it starts, when it ends and when it is destroyed.
struct Farewell {
  Farewell(std::string& to, char own) : log(to), name(own) {}
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;
  ~Farewell() { (log += "~") += name; }
  std::string& log;
  char name;
};

Task<void> Job(std::string& log, char name, Step& step) {
  const Farewell farewell(log, name);
  log += name;
  log += co_await step;
}

TEST(TaskSetTest, StartsWhatItIsGiven) {
  std::string log;
  Step step;
  TaskSet set;
  set.Add(Job(log, '1', step));
  EXPECT_EQ(log, "1");
  EXPECT_EQ(set.count(), 1U);
  step.Complete("");
}

TEST(TaskSetTest, FreesATaskTheMomentItIsDone) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  std::string log;
  std::deque<Step> steps(3);
  TaskSet set;
  for (size_t i = 0; i < 3; ++i) set.Add(Job(log, "012"[i], steps[i]));
  steps[1].Complete("x");
  EXPECT_EQ(log, "012x~1");
  EXPECT_EQ(set.count(), 2U);
  EXPECT_EQ(pool.live(), 2U);
  steps[2].Complete("y");
  steps[0].Complete("z");
  EXPECT_EQ(log, "012x~1y~2z~0");
  EXPECT_EQ(set.count(), 0U);
}

TEST(TaskSetTest, KeepsNothingOfATaskThatIsDoneAtOnce) {
  std::string log;
  Step step;
  step.Complete("x");
  TaskSet set;
  set.Add(Job(log, '1', step));
  EXPECT_EQ(log, "1x~1");
  EXPECT_EQ(set.count(), 0U);
}

TEST(TaskSetTest, DestroysTheTasksUnderWayWithItself) {
  std::string log;
  std::deque<Step> steps(2);
  {
    TaskSet set;
    set.Add(Job(log, '1', steps[0]));
    set.Add(Job(log, '2', steps[1]));
  }
  EXPECT_EQ(log, "12~1~2");
  steps[0].Complete("too late");
  EXPECT_EQ(log, "12~1~2");
}

Task<void> Spawn(TaskSet& set, std::string& log, Step& own, Step& childs) {
  co_await own;
  set.Add(Job(log, '9', childs));
  log += "spawned";
}

TEST(TaskSetTest, TakesTasksFromItsOwnTasks) {
  std::string log;
  std::deque<Step> steps(2);
  TaskSet set;
  set.Add(Spawn(set, log, steps[0], steps[1]));
  steps[0].Complete("");
  EXPECT_EQ(log, "9spawned");
  EXPECT_EQ(set.count(), 1U);
  steps[1].Complete("!");
  EXPECT_EQ(set.count(), 0U);
}

}  // namespace
}  // namespace ringmaster
