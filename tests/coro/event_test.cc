#include "coro/event.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "coro/task.h"

namespace ringmaster {
namespace {

Task<void> Note(Event& event, std::string& log, char name) {
  co_await event;
  log += name;
}

TEST(EventTest, ResumesAllItsWaitersInTheOrderOfTheirComing) {
  Event event;
  std::string log;
  Task<void> a = Note(event, log, 'a');
  Task<void> b = Note(event, log, 'b');
  b.Start();
  a.Start();
  EXPECT_EQ(log, "");
  event.Set();
  EXPECT_EQ(log, "ba");
}

TEST(EventTest, LetsEverybodyPassOnceItHasHappened) {
  Event event;
  std::string log;
  event.Set();
  event.Set();
  Task<void> a = Note(event, log, 'a');
  a.Start();
  EXPECT_EQ(log, "a");
  EXPECT_TRUE(event.set());
}

TEST(EventTest, ForgetsAWaiterThatIsDestroyed) {
  Event event;
  std::string log;
  Task<void> a = Note(event, log, 'a');
  a.Start();
  {
    Task<void> b = Note(event, log, 'b');
    b.Start();
  }
  event.Set();
  EXPECT_EQ(log, "a");
}

Task<void> EndOther(Event& event, std::optional<Task<void>>& other) {
  co_await event;
  other.reset();
}

TEST(EventTest, SkipsAWaiterThatAnEarlierOneDestroyed) {
  Event event;
  std::string log;
  std::optional<Task<void>> second = Note(event, log, 'x');
  Task<void> first = EndOther(event, second);
  first.Start();
  second->Start();
  event.Set();
  EXPECT_EQ(log, "");
  EXPECT_FALSE(second.has_value());
}

Task<void> EndEvent(std::unique_ptr<Event>& event) {
  co_await *event;
  event.reset();
}

TEST(EventTest, MayBeDestroyedByAWaiter) {
  auto event = std::make_unique<Event>();
  std::string log;
  Task<void> first = EndEvent(event);
  Task<void> second = Note(*event, log, 'b');
  first.Start();
  second.Start();
  event->Set();
  EXPECT_EQ(log, "b");
  EXPECT_EQ(event, nullptr);
}

}  // namespace
}  // namespace ringmaster
