#include "schedule/background_queue.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class BackgroundQueueTest : public ::testing::Test {
 protected:
  BackgroundQueue::JobId Add(const std::string& name, uint64_t total = 0) {
    return *queue.Add(name, total, now);
  }
  // One step of `took`, when one may run; false otherwise.
  bool Step(Duration took, bool busy = false, uint64_t units = 1) {
    const auto wait = queue.Wait(busy, now);
    if (!wait || *wait > Duration(0)) return false;
    queue.BeginStep(now);
    now += took;
    ran += took;
    queue.EndStep(units, now);
    return true;
  }
  // As the service does: waits as long as it is told, at most until `end`.
  void RunUntil(TimePoint end, Duration took, bool busy) {
    while (now < end) {
      if (Step(took, busy)) continue;
      const auto wait = queue.Wait(busy, now);
      now += wait ? std::clamp<Duration>(*wait, Duration(1), end - now) : end - now;
    }
  }

  BackgroundQueue queue;
  TimePoint now = TimePoint(seconds(100));
  Duration ran{};
};

TEST_F(BackgroundQueueTest, JobsRunOneAfterTheOtherInOrderOfArrival) {
  std::mt19937 random(5);
  std::vector<BackgroundQueue::JobId> added;
  std::vector<BackgroundQueue::JobId> finished;
  while (finished.size() < 200) {
    if (added.size() < 200 && random() % 3 == 0) added.push_back(Add("job"));
    const auto current = queue.current();
    if (!current) continue;
    ASSERT_EQ(*current, added[finished.size()]);
    Step(milliseconds(1));
    if (random() % 4 == 0) {
      queue.Finish(*current, now);
      finished.push_back(*current);
    }
  }
  EXPECT_EQ(finished, added);
}

TEST_F(BackgroundQueueTest, APausedJobKeepsItsPlaceAndTheNextOneRuns) {
  const auto first = Add("first");
  const auto second = Add("second");
  EXPECT_TRUE(queue.Pause(first, now));
  EXPECT_EQ(queue.current(), second);
  EXPECT_EQ(queue.List()[0].state, BackgroundQueue::State::kPaused);
  EXPECT_TRUE(queue.Resume(first, now));
  EXPECT_EQ(queue.current(), first);
  EXPECT_EQ(queue.List()[1].place, 1U);
}

TEST_F(BackgroundQueueTest, ACancelledJobEndsWithItsStep) {
  const auto job = Add("job");
  const auto next = Add("next");
  ASSERT_EQ(queue.Wait(false, now), Duration(0));
  queue.BeginStep(now);
  EXPECT_TRUE(queue.Cancel(job, now));
  EXPECT_FALSE(queue.Wait(false, now).has_value()) << "two steps at a time";
  EXPECT_FALSE(queue.EndStep(1, now));
  EXPECT_EQ(queue.current(), next);
  EXPECT_FALSE(queue.Cancel(job, now));
}

TEST_F(BackgroundQueueTest, WhenNobodyElseWaitsItRunsWithoutRest) {
  Add("job");
  const TimePoint began = now;
  RunUntil(began + seconds(10), milliseconds(1), false);
  EXPECT_GT(ran, seconds(9));
}

TEST_F(BackgroundQueueTest, UnderFullInteractiveLoadItGetsItsShareAndNoMore) {
  Add("job");
  RunUntil(now + seconds(100), milliseconds(2), true);
  const double share = static_cast<double>(ran.count()) / 100e9;
  EXPECT_GT(share, 0.045);
  EXPECT_LT(share, 0.055);
}

TEST_F(BackgroundQueueTest, StepsLongerThanTheCreditArePaidBack) {
  Add("job");
  RunUntil(now + seconds(200), milliseconds(500), true);
  const double share = static_cast<double>(ran.count()) / 200e9;
  EXPECT_GT(share, 0.04);
  EXPECT_LT(share, 0.065);
}

TEST_F(BackgroundQueueTest, AnIdleNightIsNotPaidBackAtNoon) {
  now += std::chrono::hours(8);
  Add("job");
  RunUntil(now + seconds(1), milliseconds(1), true);
  EXPECT_LT(ran, milliseconds(160));
}

TEST_F(BackgroundQueueTest, ItSlowsDownWhenInteractiveLatencyRisesAndSpeedsUpWhenItFalls) {
  Add("job");
  for (int i = 0; i < 20; ++i) queue.OnInteractiveP99(milliseconds(1), now += milliseconds(200));
  EXPECT_EQ(queue.pace(), 1);
  for (int i = 0; i < 20; ++i) {
    RunUntil(now + milliseconds(200), milliseconds(1), false);
    queue.OnInteractiveP99(milliseconds(5), now);
  }
  EXPECT_NEAR(queue.pace(), 0.05, 0.01);
  ran = Duration(0);
  RunUntil(now + seconds(10), milliseconds(1), false);
  EXPECT_LT(ran, milliseconds(700));
  for (int i = 0; i < 40; ++i) queue.OnInteractiveP99(milliseconds(1), now += milliseconds(200));
  EXPECT_EQ(queue.pace(), 1);
}

TEST_F(BackgroundQueueTest, ALatencyThatIsNotItsDoingDoesNotSlowItDownForever) {
  Add("job");
  for (int i = 0; i < 20; ++i) queue.OnInteractiveP99(milliseconds(1), now += milliseconds(200));
  for (int i = 0; i < 600; ++i) {
    RunUntil(now + milliseconds(200), milliseconds(1), false);
    queue.OnInteractiveP99(milliseconds(3), now);
  }
  EXPECT_GT(queue.pace(), 0.5);
}

TEST_F(BackgroundQueueTest, TheListTellsProgressRateAndTimeLeft) {
  const auto job = Add("job", 1000);
  Add("other");
  for (int i = 0; i < 100; ++i) Step(milliseconds(10), false, 5);
  const BackgroundQueue::Job shown = queue.List()[0];
  EXPECT_EQ(shown.id, job);
  EXPECT_EQ(shown.done, 500U);
  EXPECT_EQ(shown.steps, 100U);
  EXPECT_NEAR(shown.rate, 500, 50);
  ASSERT_TRUE(shown.left.has_value());
  EXPECT_NEAR(static_cast<double>(Milliseconds(*shown.left)), 1000, 100);
  EXPECT_FALSE(queue.List()[1].left.has_value());
}

TEST_F(BackgroundQueueTest, AFullQueueSaysWhatToDo) {
  for (int i = 0; i < 1024; ++i) Add("job");
  const auto refused = queue.Add("one more", 0, now);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, ::testing::HasSubstr("cancel some"));
}

}  // namespace
}  // namespace ringmaster
