#include "coro/completion.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "coro/task.h"

namespace ringmaster {
namespace {

Task<void> Note(Completion<std::string>& value, std::string& log) {
  log += "[";
  log += co_await value;
  log += "]";
}

TEST(CompletionTest, ResumesItsWaiterWithTheValue) {
  Completion<std::string> value;
  std::string log;
  Task<void> task = Note(value, log);
  task.Start();
  EXPECT_EQ(log, "[");
  value.Complete("v");
  EXPECT_EQ(log, "[v]");
}

TEST(CompletionTest, LetsTheWaiterPassWhenItIsCompleteAlready) {
  Completion<std::string> value;
  std::string log;
  value.Complete("v");
  Task<void> task = Note(value, log);
  task.Start();
  EXPECT_EQ(log, "[v]");
}

TEST(CompletionTest, ForgetsAWaiterThatIsDestroyed) {
  Completion<std::string> value;
  std::string log;
  {
    Task<void> task = Note(value, log);
    task.Start();
  }
  value.Complete("v");
  EXPECT_EQ(log, "[");
}

TEST(CompletionTest, CanBeAwaitedAgainWhenTheFirstWaiterWasDestroyed) {
  Completion<std::string> value;
  std::string log;
  {
    Task<void> task = Note(value, log);
    task.Start();
  }
  Task<void> second = Note(value, log);
  second.Start();
  value.Complete("v");
  EXPECT_EQ(log, "[[v]");
}

// The usual shape: what the callback completes lies in the frame that waits for it.
Task<std::string> WaitInFrame(Completion<std::string>*& callback) {
  Completion<std::string> value;
  callback = &value;
  co_return co_await value;
}

TEST(CompletionTest, MayBeGoneWhenCompleteReturns) {
  Completion<std::string>* callback = nullptr;
  Task<std::string> task = WaitInFrame(callback);
  task.Start();
  callback->Complete("v");
  EXPECT_EQ(task.Result(), "v");
}

TEST(CompletionTest, MayBeDestroyedWithTheFrameThatWaitsForIt) {
  Completion<std::string>* callback = nullptr;
  Task<std::string> task = WaitInFrame(callback);
  task.Start();
  EXPECT_FALSE(task.done());
}

Task<int> Shared(std::shared_ptr<Completion<std::unique_ptr<int>>> value) {
  const std::unique_ptr<int> got = co_await *value;
  co_return *got;
}

TEST(CompletionTest, CarriesValuesThatCanOnlyBeMoved) {
  const auto value = std::make_shared<Completion<std::unique_ptr<int>>>();
  Task<int> task = Shared(value);
  task.Start();
  value->Complete(std::make_unique<int>(3));
  EXPECT_EQ(task.Result(), 3);
}

}  // namespace
}  // namespace ringmaster
