#include "net/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/mailbox.h"
#include "net/timer.h"
#include "support/turns.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

TEST(LoopTest, ClockStandsStillWithinATurn) {
  Loop loop;
  std::vector<TimePoint> seen;
  Timer timer(loop, [&] {
    seen.push_back(loop.Now());
    const TimePoint since = MonotonicNow();
    while (MonotonicNow() == since) {
    }
    seen.push_back(loop.Now());
    loop.Stop();
  });
  timer.StartOnce(Duration(0));
  loop.Run();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], seen[1]);
}

TEST(LoopTest, PrepareRunsAtTheEndOfEachTurnAfterItsEvents) {
  Loop loop;
  std::string order;
  Timer timer(loop, [&] { order += 't'; });
  timer.StartOnce(Duration(0));
  loop.OnPrepare([&] {
    order += 'p';
    if (order.find('t') != std::string::npos) loop.Stop();
  });
  loop.Run();
  EXPECT_EQ(order.substr(order.find('t')), "tp");
}

TEST(LoopTest, BusyLoopTurnsWithoutAnyEvent) {
  Loop loop;
  int turns = 0;
  loop.SetBusy(true);
  loop.OnPrepare([&] {
    if (++turns < 100) return;
    loop.SetBusy(false);
    loop.Stop();
  });
  loop.Run();
  EXPECT_EQ(turns, 100);
}

TEST(LoopTest, ShareOfALoopThatSleepsIsLowAndOfOneThatWorksIsHigh) {
  Loop loop;
  Timer end(loop, [&] { loop.Stop(); });
  loop.BusyShare();
  end.StartOnce(milliseconds(60));
  loop.Run();
  EXPECT_LT(loop.BusyShare(), 0.6);
  loop.OnPrepare([] {
    const TimePoint until = MonotonicNow() + milliseconds(1);
    while (MonotonicNow() < until) {
    }
  });
  loop.SetBusy(true);
  end.StartOnce(milliseconds(60));
  loop.Run();
  loop.SetBusy(false);
  EXPECT_GT(loop.BusyShare(), 0.6);
}

TEST(TimerTest, RepeatsUntilStoppedFromItsOwnCallback) {
  Loop loop;
  int calls = 0;
  Timer timer(loop, [&] {
    if (++calls == 3) {
      timer.Stop();
      loop.Stop();
    }
  });
  timer.StartEvery(milliseconds(1));
  loop.Run();
  EXPECT_EQ(calls, 3);
  EXPECT_FALSE(timer.active());
}

TEST(TimerTest, StartingAgainReplacesTheEarlierStart) {
  Loop loop;
  int calls = 0;
  Timer timer(loop, [&] {
    ++calls;
    loop.Stop();
  });
  timer.StartOnce(std::chrono::hours(1));
  timer.StartOnce(milliseconds(1));
  loop.Run();
  EXPECT_EQ(calls, 1);
}

TEST(TimerTest, MayDestroyItselfInItsCallback) {
  Loop loop;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    timer.reset();
    loop.Stop();
  });
  timer->StartEvery(milliseconds(1));
  loop.Run();
  EXPECT_EQ(timer, nullptr);
}

TEST(TimerTest, DestroyedTimerNeverCalls) {
  Loop loop;
  bool called = false;
  {
    Timer(loop, [&] { called = true; }).StartOnce(Duration(0));
  }
  Timer end(loop, [&] { loop.Stop(); });
  end.StartOnce(milliseconds(2));
  loop.Run();
  EXPECT_FALSE(called);
}

TEST(MailboxTest, MessagesOfEachThreadRunOnTheLoopsThreadInTheirOrder) {
  constexpr int kThreads = 4, kMessages = 2000;
  Loop loop;
  Mailbox mailbox(loop);
  const std::thread::id own = std::this_thread::get_id();
  std::vector<std::vector<int>> seen(kThreads);
  bool elsewhere = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kMessages; ++i) {
        mailbox.Post([&, t, i] {
          elsewhere |= std::this_thread::get_id() != own;
          seen[static_cast<size_t>(t)].push_back(i);
        });
      }
    });
  }
  const auto all = [&] {
    size_t count = 0;
    for (const auto& of_thread : seen) count += of_thread.size();
    return count == size_t{kThreads} * kMessages;
  };
  EXPECT_TRUE(TurnUntil(loop, all));
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(elsewhere);
  for (const auto& of_thread : seen)
    EXPECT_TRUE(std::is_sorted(of_thread.begin(), of_thread.end()));
}

TEST(MailboxTest, MessageMayPostAnother) {
  Loop loop;
  Mailbox mailbox(loop);
  bool second = false;
  mailbox.Post([&] { mailbox.Post([&] { second = true; }); });
  EXPECT_TRUE(TurnUntil(loop, [&] { return second; }));
}

TEST(MailboxTest, DropsWhatWasNotRunWhenItGoes) {
  Loop loop;
  auto token = std::make_shared<int>(1);
  {
    Mailbox mailbox(loop);
    mailbox.Post([token] {});
  }
  EXPECT_EQ(token.use_count(), 1);
}

// The callbacks that are to come before the loop gives up.
constexpr int kFirings = 200;

TEST(TimerTest, ThoseThatStartThemselvesAgainLetTheLoopTurn) {
  for (const Duration after : {Duration(0), Duration(std::chrono::microseconds(300))}) {
    Loop loop;
    int fired = 0;
    Timer* self = nullptr;
    Timer timer(loop, [&] {
      if (++fired < kFirings) return self->StartOnce(after);
      loop.Stop();
    });
    self = &timer;
    timer.StartOnce(after);
    loop.Run();
    EXPECT_EQ(fired, kFirings);
    EXPECT_GE(loop.turns(), static_cast<uint64_t>(kFirings - 1));
  }
}

// Together they take longer than any of them waits: when the last one was served the first is due.
TEST(TimerTest, ManyThatTakeLongLetTheLoopTurn) {
  constexpr int kTimers = 20;
  Loop loop;
  int fired = 0;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < kTimers; ++i) {
    timers.push_back(std::make_unique<Timer>(loop, [&, i] {
      const TimePoint until = MonotonicNow() + std::chrono::microseconds(200);
      while (MonotonicNow() < until) {
      }
      if (++fired < kFirings) return timers[static_cast<size_t>(i)]->StartOnce(milliseconds(1));
      loop.Stop();
    }));
    timers.back()->StartOnce(milliseconds(1));
  }
  loop.Run();
  EXPECT_GE(loop.turns(), static_cast<uint64_t>(kFirings / kTimers - 1));
}

TEST(TimerTest, NeverFiresBeforeItsTimeIsOver) {
  for (const int micros : {1, 400, 999, 1001, 1500, 2999}) {
    Loop loop;
    const Duration after = std::chrono::microseconds(micros);
    Timer timer(loop, [&] { loop.Stop(); });
    const TimePoint since = MonotonicNow();
    timer.StartOnce(after);
    loop.Run();
    EXPECT_GE(loop.Now() - since, after) << micros;
  }
}

}  // namespace
}  // namespace ringmaster
