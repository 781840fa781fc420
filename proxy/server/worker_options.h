// From the configuration to what workers and their pools go by.
#pragma once

#include <cstddef>

#include "config/config.h"
#include "server/status.h"
#include "session/session.h"
#include "worker/options.h"
#include "worker/pool_worker.h"

namespace ringmaster {

SessionLimits MakeSessionLimits(const Config& config, size_t workers);
BalanceOptions MakeBalanceOptions(const BalanceConfig& config);
TurnOptions MakeTurnOptions(const ScheduleConfig& config);
// `pool` is its number.
PoolSettings MakePoolSettings(const ServerStatus& status, size_t pool);

}  // namespace ringmaster
