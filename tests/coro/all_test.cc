#include "coro/all.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "coro/completion.h"
#include "coro/frame_pool.h"
#include "coro/task_set.h"

namespace ringmaster {
namespace {

using Reply = Completion<std::string>;

Task<std::string> Receive(Reply& reply) { co_return co_await reply; }
Task<void> Pass(Reply& reply) { co_await reply; }

Task<std::string> Joined(std::vector<Task<std::string>> tasks) {
  std::string all;
  const std::vector<std::string> replies = co_await All(std::move(tasks));
  for (const std::string& reply : replies) all += reply + ";";
  co_return all;
}

Task<void> NoteJoined(std::vector<Task<std::string>> tasks, std::string& log) {
  log += co_await Joined(std::move(tasks));
}

std::vector<Task<std::string>> Receivers(std::vector<Reply>& replies) {
  std::vector<Task<std::string>> tasks;
  tasks.reserve(replies.size());
  for (Reply& reply : replies) tasks.push_back(Receive(reply));
  return tasks;
}

TEST(AllTest, KeepsTheOrderOfTheTasksWhoeverIsDoneFirst) {
  std::vector<Reply> replies(3);
  Task<std::string> task = Joined(Receivers(replies));
  task.Start();
  replies[2].Complete("c");
  replies[0].Complete("a");
  replies[1].Complete("b");
  EXPECT_EQ(task.Result(), "a;b;c;");
}

TEST(AllTest, WaitsForEveryTaskAlsoWhenOneFailed) {
  std::vector<Reply> replies(3);
  Task<std::string> task = Joined(Receivers(replies));
  task.Start();
  replies[0].Complete("-ERR");
  replies[1].Complete("ok");
  EXPECT_FALSE(task.done());
  replies[2].Complete("ok");
  EXPECT_EQ(task.Result(), "-ERR;ok;ok;");
}

TEST(AllTest, StartsEveryTaskBeforeItWaits) {
  std::vector<Reply> replies(2);
  replies[0].Complete("at once");
  Task<std::string> task = Joined(Receivers(replies));
  task.Start();
  EXPECT_FALSE(task.done());
  replies[1].Complete("later");
  EXPECT_EQ(task.Result(), "at once;later;");
}

TEST(AllTest, IsDoneAtOnceWhenAllTasksAre) {
  std::vector<Reply> replies(2);
  for (Reply& reply : replies) reply.Complete("x");
  Task<std::string> task = Joined(Receivers(replies));
  task.Start();
  EXPECT_EQ(task.Result(), "x;x;");
}

TEST(AllTest, OfNothingIsDoneAtOnce) {
  Task<std::string> task = Joined({});
  task.Start();
  EXPECT_EQ(task.Result(), "");
}

Task<std::string> Mixed(Reply& a, Reply& b, Task<int> number) {
  const std::tuple<std::string, Done, int> all =
      co_await All(Receive(a), Pass(b), std::move(number));
  co_return std::get<0>(all) + std::to_string(std::get<2>(all));
}

Task<int> Seven() { co_return 7; }

TEST(AllTest, TakesTasksOfDifferentTypes) {
  Reply a;
  Reply b;
  Task<std::string> task = Mixed(a, b, Seven());
  task.Start();
  a.Complete("a");
  EXPECT_FALSE(task.done());
  b.Complete("b");
  EXPECT_EQ(task.Result(), "a7");
}

Task<void> PassAll(std::vector<Reply>& replies, bool& over) {
  std::vector<Task<void>> tasks;
  tasks.reserve(replies.size());
  for (Reply& reply : replies) tasks.push_back(Pass(reply));
  co_await All(std::move(tasks));
  over = true;
}

TEST(AllTest, TakesTasksWithoutAValue) {
  std::vector<Reply> replies(2);
  bool over = false;
  Task<void> task = PassAll(replies, over);
  task.Start();
  replies[1].Complete("");
  EXPECT_FALSE(over);
  replies[0].Complete("");
  EXPECT_TRUE(over);
}

TEST(AllTest, DestroyedWhileWaitingDestroysTheTasksThatWait) {
  std::vector<Reply> replies(3);
  {
    Task<std::string> task = Joined(Receivers(replies));
    task.Start();
    replies[1].Complete("b");
  }
  replies[0].Complete("too late");
  replies[2].Complete("too late");
}

// The last task to be done frees the whole chain above it, itself included; with frames from a pool
// and poisoned there, ASan sees any step of it that comes too late.
TEST(AllTest, MayBeFreedByTheTaskThatEndsTheWait) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  std::vector<Reply> replies(3);
  std::string log;
  TaskSet set;
  set.Add(NoteJoined(Receivers(replies), log));
  for (Reply& reply : replies) reply.Complete("r");
  EXPECT_EQ(log, "r;r;r;");
  EXPECT_EQ(pool.live(), 0U);
}

TEST(AllTest, TakesNoFrameOfItsOwn) {
  FramePool pool;
  const FramePool::Scope scope(pool);
  std::vector<Reply> replies(4);
  Task<std::string> task = Joined(Receivers(replies));
  task.Start();
  for (Reply& reply : replies) reply.Complete("r");
  EXPECT_EQ(task.Result(), "r;r;r;r;");
  EXPECT_EQ(pool.frames(), 5U);  // four receivers and Joined
}

}  // namespace
}  // namespace ringmaster
