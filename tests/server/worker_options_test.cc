#include "server/worker_options.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

TEST(WorkerOptionsTest, WorkersShareTheMemoryLimit) {
  Config config;
  config.limits.memory = 400;
  EXPECT_EQ(MakeSessionLimits(config, 4).memory, 100U);
}

TEST(WorkerOptionsTest, DefaultsAreThoseOfTheConfiguration) {
  const BalanceOptions balance;
  const BalanceOptions configured = MakeBalanceOptions(BalanceConfig());
  EXPECT_EQ(configured.push, balance.push);
  EXPECT_EQ(configured.pull, balance.pull);
  EXPECT_EQ(configured.interval, balance.interval);
  EXPECT_EQ(configured.threshold, balance.threshold);
  EXPECT_EQ(configured.gather, balance.gather);
  const TurnOptions turns = MakeTurnOptions(ScheduleConfig());
  EXPECT_EQ(turns.quantum, TurnOptions().quantum);
  EXPECT_EQ(turns.window, TurnOptions().window);
}

TEST(WorkerOptionsTest, EachPoolGetsItsOwnFacts) {
  Config config;
  config.pools.resize(2);
  config.pools[0].name = "first";
  config.pools[1].name = "second";
  config.pools[1].databases = 3;
  auto compiled = std::make_shared<CompiledConfig>();
  compiled->file = ConfigFile::Of(config, "a test");
  compiled->background = std::make_shared<const BackgroundClass>();
  ServerStatus status;
  status.run_id = "abc";
  status.workers = 7;
  status.compiled = compiled;
  const PoolSettings settings = MakePoolSettings(status, 1);
  EXPECT_EQ(settings.facts.pool, "second");
  EXPECT_EQ(settings.facts.databases, 3);
  EXPECT_EQ(settings.facts.run_id, "abc");
  EXPECT_EQ(settings.facts.workers, 7U);
  EXPECT_EQ(settings.background, compiled->background);
}

}  // namespace
}  // namespace ringmaster
