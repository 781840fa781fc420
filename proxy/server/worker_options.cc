#include "server/worker_options.h"

#include <algorithm>

namespace ringmaster {
namespace {

ProxyFacts FactsOf(const ServerStatus& status, const PoolConfig& pool) {
  const Config& config = status.config();
  ProxyFacts facts;
  facts.version = status.version;
  facts.config_file = status.config_file;
  facts.run_id = status.run_id;
  facts.pool = pool.name;
  for (const ListenConfig& listen : pool.listen) facts.listen.push_back(listen.address);
  facts.databases = static_cast<int>(pool.databases);
  facts.workers = status.workers;
  facts.max_bulk = config.limits.max_bulk;
  facts.query_buffer = config.limits.query_buffer;
  facts.reply_buffer = config.limits.reply_buffer;
  facts.client_memory = config.limits.memory;
  facts.idle_timeout = config.timeouts.idle_client;
  facts.started_at = status.started_at;
  facts.started_unix =
      std::chrono::duration_cast<std::chrono::seconds>(status.started_unix).count();
  return facts;
}

}  // namespace

SessionLimits MakeSessionLimits(const Config& config, size_t workers) {
  SessionLimits limits;
  limits.request.max_args = config.limits.max_args;
  limits.request.max_bulk = config.limits.max_bulk;
  limits.guest = GuestLimits(limits.request);
  limits.query_buffer = config.limits.query_buffer;
  limits.reply_buffer = config.limits.reply_buffer;
  limits.memory = config.limits.memory / std::max<size_t>(1, workers);
  limits.idle_timeout = config.timeouts.idle_client;
  return limits;
}

BalanceOptions MakeBalanceOptions(const BalanceConfig& config) {
  BalanceOptions options;
  options.push = config.push;
  options.pull = config.pull;
  options.interval = config.interval;
  options.threshold = config.threshold;
  options.gather = config.gather;
  return options;
}

TurnOptions MakeTurnOptions(const ScheduleConfig& config) {
  TurnOptions options;
  options.quantum = config.quantum;
  options.window = config.window;
  return options;
}

PoolSettings MakePoolSettings(const ServerStatus& status, size_t pool) {
  PoolSettings settings;
  settings.facts = FactsOf(status, status.config().pools[pool]);
  settings.limits = MakeSessionLimits(status.config(), status.workers);
  settings.background = status.compiled->background;
  settings.saga_rules = status.compiled->saga_rules;
  return settings;
}

}  // namespace ringmaster
