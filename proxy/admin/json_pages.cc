#include "admin/json_pages.h"

#include <nlohmann/json.hpp>

namespace ringmaster {
namespace {

using Json = nlohmann::ordered_json;

// Names of keys and errors may hold any bytes: what is not UTF-8 is replaced, not refused.
std::string Text(const Json& page) {
  return page.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json LatencyOf(const HistogramSnapshot& latency) {
  return {{"count", latency.count()},
          {"p50_us", latency.Percentile(0.5)},
          {"p99_us", latency.Percentile(0.99)},
          {"p999_us", latency.Percentile(0.999)}};
}

Json StatusOf(const WorkerOverview& total, const Overview& all) {
  return {{"version", all.version},
          {"run_id", all.run_id},
          {"pid", all.pid},
          {"config_file", all.config_file},
          {"started_unix", all.started_unix},
          {"uptime_seconds", all.uptime_seconds},
          {"serving", all.serving},
          {"cpu_seconds", all.cpu_seconds},
          {"resident_bytes", all.resident_bytes},
          {"open_files", all.open_files},
          {"reloads", all.reloads},
          {"reloads_refused", all.reloads_refused},
          {"workers", all.workers.size()},
          {"clients", total.clients},
          {"clients_limit", all.max_clients},
          {"clients_refused", all.clients_refused},
          {"requests", total.requests},
          {"in_flight", total.in_flight},
          {"bytes_in", total.bytes_in},
          {"bytes_out", total.bytes_out},
          {"error_replies", total.error_replies},
          {"buffer_bytes", total.buffer_bytes},
          {"latency", LatencyOf(total.latency)}};
}

std::string StatusPage(const Overview& all) {
  WorkerOverview total;
  for (const WorkerOverview& worker : all.workers) {
    total.clients += worker.clients;
    total.requests += worker.requests;
    total.in_flight += worker.in_flight;
    total.bytes_in += worker.bytes_in;
    total.bytes_out += worker.bytes_out;
    total.error_replies += worker.error_replies;
    total.buffer_bytes += worker.buffer_bytes;
    total.latency.Add(worker.latency);
  }
  Json page = StatusOf(total, all);
  page["journal"] = {{"open", all.journal.open},
                     {"why_not", all.journal.why_not},
                     {"trouble", all.journal.trouble},
                     {"records", all.journal.records},
                     {"transactions", all.journal.transactions},
                     {"failures", all.journal.failures}};
  return Text(page);
}

std::string WorkersPage(const Overview& all) {
  Json list = Json::array();
  for (const WorkerOverview& worker : all.workers) {
    list.push_back({{"worker", worker.index},
                    {"clients", worker.clients},
                    {"blocked", worker.blocked},
                    {"paused", worker.paused},
                    {"accepted", worker.accepted},
                    {"closed", worker.closed},
                    {"requests", worker.requests},
                    {"in_flight", worker.in_flight},
                    {"bytes_in", worker.bytes_in},
                    {"bytes_out", worker.bytes_out},
                    {"error_replies", worker.error_replies},
                    {"protocol_errors", worker.protocol_errors},
                    {"slow_readers_closed", worker.slow_readers},
                    {"standstills", worker.standstills},
                    {"idle_clients_closed", worker.idle_closed},
                    {"memory_refused", worker.memory_refused},
                    {"buffer_bytes", worker.buffer_bytes},
                    {"busy_ratio", worker.busy_ratio},
                    {"busy_seconds", worker.busy_seconds},
                    {"cpu_seconds", worker.cpu_seconds},
                    {"moved_in", worker.moved_in},
                    {"pulled_in", worker.pulled_in},
                    {"moved_out", worker.moved_out},
                    {"moves_given_up", worker.stayed},
                    {"latency", LatencyOf(worker.latency)}});
  }
  return Text({{"workers", std::move(list)}});
}

std::string CommandsPage(const Overview& all) {
  Json list = Json::array();
  for (const CommandOverview& command : all.commands) {
    const double calls = command.calls == 0 ? 1 : static_cast<double>(command.calls);
    list.push_back({{"command", command.name},
                    {"class", command.kind},
                    {"calls", command.calls},
                    {"failed", command.failed},
                    {"rejected", command.rejected},
                    {"average_us", static_cast<double>(command.micros) / calls}});
  }
  return Text({{"commands", std::move(list)}});
}

std::string ShardsPage(const Overview& all) {
  Json list = Json::array();
  for (const ShardOverview& shard : all.shards) {
    Json refusals = Json::object();
    for (size_t i = 0; i < kShardRefusals; ++i) {
      refusals[NameOf(static_cast<ShardRefusal>(i))] = shard.refusals[i];
    }
    list.push_back({{"pool", shard.pool},
                    {"shard", shard.name},
                    {"address", shard.address},
                    {"in_ring", shard.in_ring},
                    {"up", !shard.failing},
                    {"role", shard.role},
                    {"role_since_unix", shard.role_since_unix},
                    {"switches", shard.switches},
                    {"asked_unix", shard.asked_unix},
                    {"trouble", shard.trouble},
                    {"ping_seconds", shard.ping_seconds},
                    {"replicas", shard.replicas},
                    {"replica_lag_bytes", shard.lag_bytes},
                    {"last_error", shard.last_error},
                    {"ring_share", shard.share},
                    {"connections", shard.connections},
                    {"in_flight", shard.in_flight},
                    {"requests", shard.requests},
                    {"replies", shard.replies},
                    {"bytes_out", shard.bytes_out},
                    {"bytes_in", shard.bytes_in},
                    {"connects", shard.connects},
                    {"connections_lost", shard.losses},
                    {"failures", shard.failures},
                    {"timeouts", shard.timeouts},
                    {"resent", shard.resent},
                    {"not_applied", shard.not_applied},
                    {"uncertain", shard.uncertain},
                    {"refusals", std::move(refusals)},
                    {"latency", LatencyOf(shard.latency)}});
  }
  return Text({{"shards", std::move(list)}});
}

std::string SagasPage(const Overview& all) {
  Json pools = Json::array();
  for (const SagaOverview& sagas : all.sagas) {
    const double started = sagas.started == 0 ? 1 : static_cast<double>(sagas.started);
    pools.push_back({{"pool", sagas.pool},
                     {"running", sagas.running()},
                     {"started", sagas.started},
                     {"committed", sagas.committed},
                     {"undone", sagas.undone},
                     {"uncertain", sagas.uncertain},
                     {"interfered", sagas.interfered},
                     {"conflicts", sagas.conflicts},
                     {"poisoned", sagas.poisoned},
                     {"recovered", sagas.recovered},
                     {"average_us", static_cast<double>(sagas.micros) / started}});
  }
  Json open = Json::array();
  for (const OpenSagaOverview& saga : all.open_sagas) {
    open.push_back({{"pool", saga.pool},
                    {"id", saga.id},
                    {"command", saga.command},
                    {"state", saga.state},
                    {"age_seconds", saga.age_seconds},
                    {"steps", saga.steps},
                    {"poisoned", saga.poisoned},
                    {"recovered", saga.recovered},
                    {"notes", saga.notes}});
  }
  return Text({{"pools", std::move(pools)}, {"open", std::move(open)}});
}

std::string RebalancePage(const Overview& all) {
  Json pools = Json::array();
  for (const RebalanceOverview& ring : all.rebalances) {
    Json donors = Json::array();
    for (const DonorOverview& donor : ring.donors) {
      Json slowest = Json::array();
      for (const auto& [key, seconds] : donor.slowest) {
        slowest.push_back({{"key", key}, {"seconds", seconds}});
      }
      donors.push_back({{"shard", donor.shard},
                        {"swept", donor.swept},
                        {"keys", donor.keys},
                        {"bytes", donor.bytes},
                        {"pulls", donor.pulls},
                        {"pass", donor.passes},
                        {"scanned", donor.scanned},
                        {"largest", donor.largest},
                        {"slowest", std::move(slowest)},
                        {"keys_left", donor.keys_left},
                        {"bytes_left", donor.bytes_left},
                        {"trouble", donor.trouble}});
    }
    pools.push_back({{"pool", ring.pool},
                     {"state", ring.state},
                     {"epoch", ring.epoch},
                     {"share_moving", ring.share_moving},
                     {"paused", ring.paused},
                     {"seconds", ring.seconds},
                     {"moves", ring.moves},
                     {"keys", ring.keys},
                     {"bytes", ring.bytes},
                     {"pulls", ring.pulls},
                     {"keys_left", ring.keys_left},
                     {"bytes_left", ring.bytes_left},
                     {"seconds_left", ring.seconds_left},
                     {"freezes", ring.freezes},
                     {"last_freeze_seconds", ring.last_freeze_seconds},
                     {"longest_freeze_seconds", ring.longest_freeze_seconds},
                     {"refused", ring.refused},
                     {"other_proxy", ring.other_proxy},
                     {"last_move", ring.last_moved},
                     {"safe_to_stop", ring.safe_to_stop},
                     {"donors", std::move(donors)}});
  }
  return Text({{"pools", std::move(pools)}});
}

std::string JobsPage(const Overview& all) {
  Json list = Json::array();
  for (const JobOverview& job : all.background.jobs) {
    Json shown = {{"id", job.id},
                  {"name", job.name},
                  {"state", job.state},
                  {"place", job.place},
                  {"age_seconds", job.age_seconds},
                  {"done", job.done},
                  {"total", job.total},
                  {"steps", job.steps},
                  {"rate", job.rate}};
    shown["left_seconds"] = job.left_seconds < 0 ? Json(nullptr) : Json(job.left_seconds);
    list.push_back(std::move(shown));
  }
  return Text({{"pace", all.background.pace},
               {"submitted", all.background.submitted},
               {"steps", all.background.steps},
               {"step_seconds", all.background.step_seconds},
               {"jobs", std::move(list)}});
}

const JsonPage kPages[] = {
    {"/api/status", "the process as a whole", false, StatusPage},
    {"/api/workers", "load, clients and moves of each worker", false, WorkersPage},
    {"/api/commands", "calls and errors of each command", false, CommandsPage},
    {"/api/shards", "each shard, its connections and errors", false, ShardsPage},
    {"/api/sagas", "writes over several shards: counts, and those that are open", true, SagasPage},
    {"/api/rebalance", "the ring and what is on the move", false, RebalancePage},
    {"/api/jobs", "the queue of background work", false, JobsPage},
};

}  // namespace

std::span<const JsonPage> JsonPages() { return kPages; }

}  // namespace ringmaster
