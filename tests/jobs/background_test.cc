#include "jobs/background.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/loop.h"

namespace ringmaster {
namespace {

class BackgroundTest : public ::testing::Test {
 protected:
  // A job of `steps` steps that end at once and leave their name.
  Background::Job Quick(const std::string& name, int steps) {
    return {.name = name,
            .total = static_cast<uint64_t>(steps),
            .step = [this, name, left = steps](Background::Done done) mutable {
              seen.push_back(name);
              done(1, --left == 0);
            }};
  }
  // One whose step ends when the test says so.
  Background::Job Slow(const std::string& name) {
    return {.name = name,
            .step =
                [this, name](Background::Done done) {
                  seen.push_back(name);
                  under_way.push_back(std::move(done));
                },
            .cancelled = [this, name] { cancelled.push_back(name); }};
  }
  Background::JobId Submit(Background::Job job) {
    return background.Submit(std::move(job)).value();
  }
  bool Until(const std::function<bool()>& condition) {
    const TimePoint end = MonotonicNow() + std::chrono::seconds(10);
    while (!condition() && MonotonicNow() < end) loop.RunOnce();
    return condition();
  }

  Loop loop;
  bool busy = false;
  std::vector<std::string> seen;
  std::vector<std::string> cancelled;
  std::vector<Background::Done> under_way;
  Background background{
      loop, {.waits = [this] { return busy; }, .latency = [] { return HistogramSnapshot(); }}};
};

TEST_F(BackgroundTest, JobsRunInOrderOfArrivalStepByStep) {
  Submit(Slow("first"));
  Submit(Quick("second", 2));
  Submit(Quick("third", 1));
  EXPECT_EQ(seen, std::vector<std::string>{"first"});
  under_way[0](1, false);
  under_way[1](1, true);
  EXPECT_TRUE(Until([&] { return background.size() == 0; }));
  EXPECT_EQ(seen, (std::vector<std::string>{"first", "first", "second", "second", "third"}));
}

TEST_F(BackgroundTest, AJobOfManyQuickStepsNeedsNoStack) {
  Submit(Quick("job", 200'000));
  EXPECT_TRUE(Until([&] { return background.size() == 0; }));
  EXPECT_EQ(seen.size(), 200'000U);
}

TEST_F(BackgroundTest, BesideInteractiveCommandsItRunsAsSoonAsNoneWaits) {
  BackgroundRule rule;
  rule.share = 1e-9;
  background.set_rule(rule);
  busy = true;
  Submit(Quick("job", 1));
  for (int i = 0; i < 1000; ++i) loop.RunOnce();
  EXPECT_TRUE(seen.empty());
  busy = false;
  EXPECT_TRUE(Until([&] { return !seen.empty(); }));
}

TEST_F(BackgroundTest, BesideEndlessInteractiveCommandsItStillGetsItsShare) {
  busy = true;
  Submit(Quick("job", 20));
  EXPECT_TRUE(Until([&] { return background.size() == 0; }));
}

TEST_F(BackgroundTest, OneThatWaitsForItsOwnShardOnlyIsNotHeldUpByOthers) {
  BackgroundRule rule;
  rule.share = 1e-9;
  background.set_rule(rule);
  busy = true;
  Background::Job job = Quick("job", 1);
  job.waits = [] { return false; };
  Submit(std::move(job));
  EXPECT_EQ(seen.size(), 1U);
}

TEST_F(BackgroundTest, ACancelledJobHearsOfItWhenItsStepIsOver) {
  const Background::JobId id = Submit(Slow("job"));
  EXPECT_TRUE(background.Cancel(id));
  EXPECT_TRUE(cancelled.empty());
  under_way[0](1, false);
  EXPECT_EQ(cancelled, std::vector<std::string>{"job"});
  EXPECT_FALSE(background.Cancel(id));
}

TEST_F(BackgroundTest, AWaitingJobHearsOfItsEndAtOnce) {
  Submit(Slow("first"));
  const Background::JobId id = Submit(Slow("second"));
  EXPECT_TRUE(background.Cancel(id));
  EXPECT_EQ(cancelled, std::vector<std::string>{"second"});
}

TEST_F(BackgroundTest, APausedJobLetsTheNextOneGo) {
  const Background::JobId id = Submit(Slow("first"));
  background.Pause(id);
  Submit(Quick("second", 1));
  EXPECT_EQ(seen, std::vector<std::string>{"first"}) << "a step is under way";
  under_way[0](1, false);
  EXPECT_TRUE(Until([&] { return seen.size() == 2; }));
  EXPECT_EQ(seen[1], "second");
  background.Resume(id);
  EXPECT_TRUE(Until([&] { return seen.size() == 3; }));
}

TEST_F(BackgroundTest, AStepThatEndsAfterTheStopIsNoMatter) {
  Submit(Slow("job"));
  background.Stop();
  under_way[0](1, false);
  EXPECT_EQ(seen.size(), 1U);
}

}  // namespace
}  // namespace ringmaster
