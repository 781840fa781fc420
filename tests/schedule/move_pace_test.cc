#include "schedule/move_pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "schedule/grain.h"

namespace ringmaster {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Clients, shards and movers, in simulated time. A command takes its base time, with a long tail;
// one that meets a working mover waits for what is left of a request as well, and now and then, as
// `contention` says, for a core.
class Plant {
 public:
  double rate = 0;  // commands a second
  double base_micros = 150;
  double harm = 1;                  // how much of a grain a command waits for
  double contention = 0;            // chance that a command beside a mover takes four times as long
  double slowed = 1;                // of their rate clients keep beside a mover
  Duration step = milliseconds(1);  // of a mover, as long as the grain allows
  Duration latency{};               // of a shard, in each step
  Duration round_trip = microseconds(40);
  size_t movers = 1;
  double busiest = 0.3;

  explicit Plant(const MovePaceRule& rule = {}, size_t number = 1)
      : movers(number), pace_(rule, number), asks_at_(number, TimePoint(seconds(100))) {}

  void Run(Duration time) {
    const TimePoint end = now_ + time;
    while (now_ < end) Step();
  }
  // From here on.
  void Forget() {
    worked_ = Duration(0);
    shares_.assign(shares_.size(), Duration(0));
    began_ = now_;
    latencies_.clear();
    least_share_ = 1;
    most_share_ = 0;
  }

  MovePace& pace() { return pace_; }
  // Share of the time in which movers worked.
  double worked() const {
    return static_cast<double>(worked_.count()) / static_cast<double>((now_ - began_).count());
  }
  double worked(size_t mover) const {
    return static_cast<double>(shares_[mover].count()) /
           static_cast<double>((now_ - began_).count());
  }
  double p99() {
    if (latencies_.empty()) return 0;
    std::sort(latencies_.begin(), latencies_.end());
    return latencies_[latencies_.size() * 99 / 100];
  }
  double least_share() const { return least_share_; }
  double most_share() const { return most_share_; }

 private:
  // The mover that asks next does, and if it may, works.
  void Step() {
    const size_t mover =
        static_cast<size_t>(std::min_element(asks_at_.begin(), asks_at_.end()) - asks_at_.begin());
    Pass(asks_at_[mover], working_);
    if (done_at_ <= now_) working_ = false;
    MovePace::Turn turn = pace_.Ask(mover, false, now_);
    while (turn.what == MovePace::Do::kLook) {
      pace_.OnBusiest(busiest);
      pace_.OnLatencies(Since(), now_);
      turn = pace_.Ask(mover, false, now_);
    }
    least_share_ = std::min(least_share_, pace_.share());
    most_share_ = std::max(most_share_, pace_.share());
    if (turn.what == MovePace::Do::kWait) {
      // Timers are late.
      asks_at_[mover] = now_ + turn.wait + microseconds(random_() % 80);
      return;
    }
    if (turn.probe) pace_.OnRoundTrip(0, round_trip + microseconds(random_() % 20));
    grain_ = turn.grain > Duration(0) ? turn.grain : milliseconds(1);
    const Duration took = std::min(step, 3 * grain_) + latency;
    pace_.OnStep(took);
    worked_ += took;
    shares_[mover] += took;
    working_ = true;
    done_at_ = now_ + took;
    asks_at_[mover] = done_at_;
  }

  void Pass(TimePoint until, bool beside) {
    const double seconds = std::chrono::duration<double>(until - now_).count();
    owed_ += rate * (beside ? slowed : 1) * std::max(seconds, 0.0);
    for (; owed_ >= 1; --owed_) Command(beside);
    now_ = std::max(now_, until);
  }
  void Command(bool beside) {
    double took = base_micros * std::exp(0.25 * normal_(random_));
    if (beside) {
      const auto grain = static_cast<double>(grain_.count()) / 1000;
      took += harm * grain * unit_(random_);
      if (unit_(random_) < contention) took *= 4;
    }
    latencies_.push_back(took);
    recorded_.push_back(took);
  }
  // As the workers' histograms have it: an eighth is the finest that they tell apart.
  std::vector<MovePace::Latency> Since() {
    std::sort(recorded_.begin(), recorded_.end());
    std::vector<MovePace::Latency> since;
    for (const double took : recorded_) {
      const double step = std::exp2(std::floor(std::log2(std::max(took, 8.0))) - 3);
      const auto micros = static_cast<uint32_t>(std::ceil(took / step) * step);
      if (since.empty() || since.back().micros != micros) since.push_back({micros, 0});
      ++since.back().commands;
    }
    recorded_.clear();
    return since;
  }

  MovePace pace_;
  std::vector<TimePoint> asks_at_;
  TimePoint now_ = TimePoint(seconds(100));
  TimePoint began_ = now_;
  TimePoint done_at_ = now_;
  bool working_ = false;
  Duration grain_{};
  Duration worked_{};
  std::vector<Duration> shares_ = std::vector<Duration>(movers);
  double owed_ = 0;
  double least_share_ = 1;
  double most_share_ = 0;
  std::vector<double> latencies_;
  std::vector<double> recorded_;
  std::mt19937 random_{7};
  std::normal_distribution<double> normal_{0, 1};
  std::uniform_real_distribution<double> unit_{0, 1};
};

double PastP99(const Plant& plant) { return plant.base_micros * std::exp(0.25 * 2.326); }

TEST(MovePaceTest, NobodyThereIsFullSpeedAtOnce) {
  Plant plant;
  plant.Run(milliseconds(100));
  plant.Forget();
  plant.Run(seconds(1));
  EXPECT_GT(plant.worked(), 0.99);
  EXPECT_TRUE(plant.pace().alone());
}

// What an operator sends is not handed in, so it is as if nobody was there; this holds the rest:
// looks without commands never end the full speed.
TEST(MovePaceTest, LooksThatFindNothingChangeNothing) {
  Plant plant({}, 4);
  plant.Run(seconds(10));
  plant.Forget();
  plant.Run(seconds(10));
  for (size_t i = 0; i < 4; ++i) EXPECT_GT(plant.worked(i), 0.99);
}

TEST(MovePaceTest, BesideCalmClientsItTakesMostOfTheTimeWithinASecond) {
  for (const double rate : {200.0, 1000.0, 10000.0}) {
    Plant plant;
    plant.rate = rate;
    plant.harm = 0.3;
    plant.Run(seconds(1));
    plant.Forget();
    plant.Run(seconds(5));
    EXPECT_GT(plant.worked(), 0.5) << rate;
    EXPECT_LT(plant.p99(), 1.5 * PastP99(plant)) << rate;
  }
}

TEST(MovePaceTest, WhereMoversMakeCommandsLateTheP99StaysWithinItsPast) {
  for (const double contention : {0.02, 0.05, 0.2, 0.5}) {
    Plant plant;
    plant.rate = 5000;
    plant.contention = contention;
    plant.Run(seconds(3));
    plant.Forget();
    plant.Run(seconds(20));
    // At the floor a twentieth meets a mover all the same.
    const double unavoidable = 0.05 * contention;
    if (unavoidable < 0.008) {
      EXPECT_LT(plant.p99(), 1.5 * PastP99(plant)) << contention;
    } else {
      EXPECT_LT(plant.worked(), 0.1) << contention;
    }
    EXPECT_GT(plant.worked(), 0.04) << contention;
  }
}

TEST(MovePaceTest, WhereMoversTakeWhatClientsUseTheyGetLittle) {
  Plant plant;
  plant.rate = 200'000;
  plant.slowed = 0.4;
  plant.busiest = 0.99;
  plant.Run(seconds(1));
  plant.Forget();
  plant.Run(seconds(5));
  EXPECT_LT(plant.worked() * (1 - plant.slowed), 0.15);
  EXPECT_GT(plant.worked(), 0.04);
}

TEST(MovePaceTest, AWorkerWithoutTimeToSpareIsNotPressed) {
  Plant plant;
  plant.rate = 20'000;
  plant.harm = 0;
  plant.busiest = 0.99;
  plant.Run(seconds(3));
  EXPECT_LE(plant.pace().share(), 0.25);
}

TEST(MovePaceTest, ItNeverStarves) {
  Plant plant;
  plant.rate = 50'000;
  plant.contention = 1;
  plant.slowed = 0.1;
  plant.busiest = 1;
  plant.Run(seconds(2));
  plant.Forget();
  plant.Run(seconds(10));
  EXPECT_GT(plant.worked(), 0.04);
  EXPECT_LT(plant.worked(), 0.07);
}

TEST(MovePaceTest, AStepInLoadIsFollowedBothWays) {
  Plant plant;
  plant.rate = 2000;
  plant.harm = 0.2;
  plant.Run(seconds(4));
  EXPECT_GT(plant.pace().share(), 0.6);
  // Now beside a mover one in ten is late.
  plant.contention = 0.1;
  plant.rate = 10'000;
  plant.Run(seconds(1));
  plant.Forget();
  plant.Run(seconds(5));
  EXPECT_LT(plant.worked(), 0.15);
  EXPECT_LT(plant.p99(), 1.6 * PastP99(plant));
  plant.contention = 0;
  plant.Run(seconds(5));
  plant.Forget();
  plant.Run(seconds(3));
  EXPECT_GT(plant.worked(), 0.5);
  plant.rate = 0;
  plant.Run(seconds(1));
  plant.Forget();
  plant.Run(seconds(1));
  EXPECT_GT(plant.worked(), 0.99);
}

// Commands that become slow for reasons of their own slow no mover down.
TEST(MovePaceTest, AStepInLatencyThatIsNotTheMoversDoingChangesLittle) {
  Plant plant;
  plant.rate = 2000;
  plant.harm = 0.1;
  plant.Run(seconds(4));
  plant.base_micros = 1500;
  plant.Run(seconds(2));
  plant.Forget();
  plant.Run(seconds(4));
  EXPECT_GT(plant.worked(), 0.4);
}

TEST(MovePaceTest, OscillationIsBounded) {
  Plant plant;
  plant.rate = 5000;
  plant.contention = 0.05;
  plant.Run(seconds(5));
  plant.Forget();
  plant.Run(seconds(20));
  EXPECT_LT(plant.most_share(), 4.5 * plant.least_share());
}

TEST(MovePaceTest, OneSlowClientHardlyHoldsItUp) {
  for (const double rate : {0.5, 5.0, 20.0}) {
    Plant plant;
    plant.rate = rate;
    plant.base_micros = 40'000;
    plant.Run(seconds(3));
    plant.Forget();
    plant.Run(seconds(10));
    EXPECT_GT(plant.worked(), 0.6) << rate;
  }
}

TEST(MovePaceTest, AShardThatIsSlowInItselfIsUsedAsFullyAsOthers) {
  Plant plant;
  plant.rate = 1000;
  plant.base_micros = 20'000;
  plant.latency = milliseconds(10);
  plant.round_trip = milliseconds(10);
  plant.Run(seconds(4));
  plant.Forget();
  plant.Run(seconds(5));
  EXPECT_GT(plant.worked(), 0.5);
}

TEST(MovePaceTest, AShardThatOthersUseIsNotPressed) {
  Plant plant;
  plant.rate = 1000;
  plant.harm = 0;
  plant.Run(seconds(3));
  EXPECT_GT(plant.pace().share(), 0.8);
  plant.round_trip = milliseconds(3);
  plant.Run(seconds(4));
  EXPECT_LE(plant.pace().share(), 0.12);
}

TEST(MovePaceTest, MoversTakeTurnsAndShareTheTimeEvenly) {
  Plant plant({}, 4);
  plant.rate = 20'000;
  plant.contention = 0.5;
  plant.Run(seconds(3));
  plant.Forget();
  plant.Run(seconds(20));
  EXPECT_LT(plant.worked(), 0.1);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_GT(plant.worked(i), plant.worked() / 8) << i;
    EXPECT_LT(plant.worked(i), plant.worked() / 2) << i;
  }
}

TEST(MovePaceTest, WhatSomebodyWaitsForHasAQuarterOfTheTime) {
  MovePaceRule rule;
  rule.first = 0.05;
  MovePace pace(rule, 1);
  TimePoint now(seconds(100));
  Duration worked{};
  const TimePoint began = now;
  const std::vector<MovePace::Latency> some = {{100, 20}};
  while (now - began < seconds(2)) {
    const MovePace::Turn turn = pace.Ask(0, true, now);
    if (turn.what == MovePace::Do::kLook) {
      pace.OnLatencies(some, now);
    } else if (turn.what == MovePace::Do::kWait) {
      now += turn.wait;
    } else {
      now += microseconds(500);
      worked += microseconds(500);
      pace.OnStep(microseconds(500));
    }
  }
  EXPECT_GT(worked, milliseconds(400));
}

TEST(GrainTest, LearnsWhatFitsWhateverARoundTripTakes) {
  for (const int64_t each : {100, 3000, 100'000}) {
    Grain grain(3000);
    for (int i = 0; i < 60; ++i) {
      const uint64_t amount = grain.Amount(microseconds(100), 1, 10'000);
      const Duration took = Duration(each * static_cast<int64_t>(amount)) + milliseconds(20);
      grain.OnRequest(amount, took, milliseconds(20));
    }
    const auto fits = static_cast<double>(100'000 / each);
    EXPECT_NEAR(static_cast<double>(grain.Amount(microseconds(100), 1, 10'000)), fits,
                fits / 5 + 1);
  }
}

TEST(GrainTest, OneThatWasHeldUpSaysLittle) {
  Grain grain(1000);
  grain.OnRequest(100, milliseconds(500), Duration(0));
  EXPECT_GE(grain.Amount(microseconds(100), 1, 1000), 50U);
}

}  // namespace
}  // namespace ringmaster
