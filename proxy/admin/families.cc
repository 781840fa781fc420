#include "admin/families.h"

#include <algorithm>
#include <utility>

namespace ringmaster {
namespace {

using Collect = void (*)(const Overview&, Samples&);

template <typename T, typename Owner>
double Get(const Owner& owner, T Owner::*field) {
  return static_cast<double>(owner.*field);
}
template <typename T, typename Owner>
double Get(const Owner& owner, T (Owner::*function)() const) {
  return static_cast<double>((owner.*function)());
}

template <auto Field>
void Process(const Overview& all, Samples& out) {
  out.Add({}, Get(all, Field));
}
template <auto Field>
void EachWorker(const Overview& all, Samples& out) {
  for (const auto& worker : all.workers) out.Add({{"worker", worker.index}}, Get(worker, Field));
}
template <auto Field>
void EachCommand(const Overview& all, Samples& out) {
  for (const auto& command : all.commands) {
    out.Add({{"command", command.name}, {"class", command.kind}}, Get(command, Field));
  }
}
template <auto Field>
void EachShard(const Overview& all, Samples& out) {
  for (const auto& shard : all.shards) {
    out.Add({{"pool", shard.pool}, {"shard", shard.name}}, Get(shard, Field));
  }
}
template <auto Field>
void EachSagaPool(const Overview& all, Samples& out) {
  for (const auto& sagas : all.sagas) out.Add({{"pool", sagas.pool}}, Get(sagas, Field));
}
template <auto Field>
void EachRing(const Overview& all, Samples& out) {
  for (const auto& ring : all.rebalances) out.Add({{"pool", ring.pool}}, Get(ring, Field));
}
template <auto Field>
void EachDonor(const Overview& all, Samples& out) {
  for (const auto& ring : all.rebalances) {
    for (const auto& donor : ring.donors) {
      out.Add({{"pool", donor.pool}, {"shard", donor.shard}}, Get(donor, Field));
    }
  }
}
template <auto Field>
void Background(const Overview& all, Samples& out) {
  out.Add({}, Get(all.background, Field));
}
template <auto Field>
void Journal(const Overview& all, Samples& out) {
  out.Add({}, Get(all.journal, Field));
}

void Build(const Overview& all, Samples& out) {
  out.Add({{"version", all.version}, {"run_id", all.run_id}}, 1);
}
void WorkerLatency(const Overview& all, Samples& out) {
  for (const auto& worker : all.workers) {
    out.Add({{"worker", worker.index}}, BucketsOf(worker.latency));
  }
}
void MovesIn(const Overview& all, Samples& out) {
  for (const auto& worker : all.workers) {
    const uint64_t pulled = std::min(worker.pulled_in, worker.moved_in);
    out.Add({{"worker", worker.index}, {"reason", "push"}},
            static_cast<double>(worker.moved_in - pulled));
    out.Add({{"worker", worker.index}, {"reason", "pull"}}, static_cast<double>(pulled));
  }
}
void CommandLatency(const Overview& all, Samples& out) {
  for (const auto& command : all.commands) {
    out.Add({{"command", command.name}, {"class", command.kind}},
            BucketsOf(command.buckets.data(), command.buckets.size(), command.micros));
  }
}
// Clients' mistakes, the proxy's bounds and the shards' losses under one name.
void Errors(const Overview& all, Samples& out) {
  uint64_t replies = 0, protocol = 0, slow = 0, still = 0, idle = 0, memory = 0;
  for (const auto& worker : all.workers) {
    replies += worker.error_replies;
    protocol += worker.protocol_errors;
    slow += worker.slow_readers;
    still += worker.standstills;
    idle += worker.idle_closed;
    memory += worker.memory_refused;
  }
  uint64_t rejected = 0;
  for (const auto& command : all.commands) rejected += command.rejected;
  uint64_t not_applied = 0, uncertain = 0, timeouts = 0, losses = 0;
  for (const auto& shard : all.shards) {
    not_applied += shard.not_applied;
    uncertain += shard.uncertain;
    timeouts += shard.timeouts;
    losses += shard.losses;
  }
  const std::pair<const char*, uint64_t> kinds[] = {{"error_reply", replies},
                                                    {"command_rejected", rejected},
                                                    {"protocol", protocol},
                                                    {"slow_reader_closed", slow},
                                                    {"standstill", still},
                                                    {"idle_client_closed", idle},
                                                    {"client_refused", all.clients_refused},
                                                    {"memory_refused", memory},
                                                    {"shard_timeout", timeouts},
                                                    {"shard_connection_lost", losses},
                                                    {"not_applied", not_applied},
                                                    {"uncertain", uncertain}};
  for (const auto& [kind, count] : kinds) out.Add({{"kind", kind}}, static_cast<double>(count));
}
void Refusals(const Overview& all, Samples& out) {
  for (const auto& shard : all.shards) {
    for (size_t i = 0; i < kShardRefusals; ++i) {
      out.Add({{"pool", shard.pool},
               {"shard", shard.name},
               {"reason", NameOf(static_cast<ShardRefusal>(i))}},
              static_cast<double>(shard.refusals[i]));
    }
  }
}
void Primaries(const Overview& all, Samples& out) {
  for (const auto& shard : all.shards) {
    out.Add({{"pool", shard.pool}, {"shard", shard.name}}, shard.role == "master" ? 1 : 0);
  }
}
void ShardLatency(const Overview& all, Samples& out) {
  for (const auto& shard : all.shards) {
    out.Add({{"pool", shard.pool}, {"shard", shard.name}}, BucketsOf(shard.latency));
  }
}
void SagaLatency(const Overview& all, Samples& out) {
  for (const auto& sagas : all.sagas) {
    out.Add({{"pool", sagas.pool}},
            BucketsOf(sagas.buckets.data(), sagas.buckets.size(), sagas.micros));
  }
}
void DonorsRate(const Overview& all, Samples& out) {
  for (const auto& ring : all.rebalances) {
    uint64_t keys = 0;
    for (const auto& donor : ring.donors) keys += donor.keys;
    const double rate = ring.seconds > 0 ? static_cast<double>(keys) / ring.seconds : 0;
    out.Add({{"pool", ring.pool}}, rate);
  }
}

constexpr const char* kCounter = "counter";
constexpr const char* kGauge = "gauge";
constexpr const char* kHistogram = "histogram";

using W = WorkerOverview;
using C = CommandOverview;
using S = ShardOverview;
using R = RebalanceOverview;
using B = BackgroundOverview;

const MetricFamily kFamilies[] = {
    // clang-format off
    {"ringmaster_build_info", kGauge, "version, run_id", "Always 1; the labels say which program this is, and which life of it.", Build},
    {"ringmaster_start_time_seconds", kGauge, "", "When the process began, in Unix time.", Process<&Overview::started_unix>},
    {"ringmaster_uptime_seconds", kGauge, "", "How long it has been running.", Process<&Overview::uptime_seconds>},
    {"ringmaster_serving", kGauge, "", "1 while clients are accepted, 0 while the process stops.", Process<&Overview::serving>},
    {"ringmaster_cpu_seconds_total", kCounter, "", "Processor time of the whole process.", Process<&Overview::cpu_seconds>},
    {"ringmaster_resident_memory_bytes", kGauge, "", "Memory of the process that is in use (RSS).", Process<&Overview::resident_bytes>},
    {"ringmaster_open_files", kGauge, "", "Open file descriptors, sockets included.", Process<&Overview::open_files>},
    {"ringmaster_reloads_total", kCounter, "", "Times the configuration was read again and taken.", Process<&Overview::reloads>},
    {"ringmaster_reloads_refused_total", kCounter, "", "Times it was read again and something was wrong with it.", Process<&Overview::reloads_refused>},
    {"ringmaster_clients_limit", kGauge, "", "limits.clients.", Process<&Overview::max_clients>},
    {"ringmaster_clients_refused_total", kCounter, "", "Clients turned away because of limits.clients.", Process<&Overview::clients_refused>},

    {"ringmaster_clients", kGauge, "worker", "Clients connected now.", EachWorker<&W::clients>},
    {"ringmaster_clients_blocked", kGauge, "worker", "Of them, waiting for data (BLPOP, XREAD BLOCK, ...).", EachWorker<&W::blocked>},
    {"ringmaster_clients_paused", kGauge, "worker", "Of them, held back by CLIENT PAUSE.", EachWorker<&W::paused>},
    {"ringmaster_clients_accepted_total", kCounter, "worker", "Clients that came to this worker first.", EachWorker<&W::accepted>},
    {"ringmaster_clients_closed_total", kCounter, "worker", "Clients whose connection ended.", EachWorker<&W::closed>},
    {"ringmaster_requests_total", kCounter, "worker", "Requests read from clients.", EachWorker<&W::requests>},
    {"ringmaster_requests_in_flight", kGauge, "worker", "Requests under way when the worker last went to sleep.", EachWorker<&W::in_flight>},
    {"ringmaster_client_received_bytes_total", kCounter, "worker", "Bytes read from clients.", EachWorker<&W::bytes_in>},
    {"ringmaster_client_sent_bytes_total", kCounter, "worker", "Bytes written to clients.", EachWorker<&W::bytes_out>},
    {"ringmaster_error_replies_total", kCounter, "worker", "Error replies to clients; CONFIG RESETSTAT counts anew.", EachWorker<&W::error_replies>},
    {"ringmaster_request_duration_seconds", kHistogram, "worker", "From reading a request to its reply, all commands.", WorkerLatency},
    {"ringmaster_buffer_bytes", kGauge, "worker", "Bytes in the worker's buffers.", EachWorker<&W::buffer_bytes>},
    {"ringmaster_errors_total", kCounter, "kind", "What went wrong, by kind; see below.", Errors},

    {"ringmaster_commands_total", kCounter, "command, class", "Calls that were answered; CONFIG RESETSTAT counts anew, here and below.", EachCommand<&C::calls>},
    {"ringmaster_commands_failed_total", kCounter, "command, class", "Of them, answered with an error.", EachCommand<&C::failed>},
    {"ringmaster_commands_rejected_total", kCounter, "command, class", "Calls refused before they ran: wrong arity, no permission.", EachCommand<&C::rejected>},
    {"ringmaster_command_duration_seconds", kHistogram, "command, class", "From reading the request to its reply.", CommandLatency},

    {"ringmaster_worker_busy_ratio", kGauge, "worker", "Share of the last second in which the loop was not asleep.", EachWorker<&W::busy_ratio>},
    {"ringmaster_worker_busy_seconds_total", kCounter, "worker", "Time in which the loop was not asleep; its rate is the worker's load.", EachWorker<&W::busy_seconds>},
    {"ringmaster_worker_cpu_seconds_total", kCounter, "worker", "Processor time of the worker's thread. Where it falls behind the busy time the worker waits for a processor.", EachWorker<&W::cpu_seconds>},
    {"ringmaster_worker_moves_in_total", kCounter, "worker, reason", "Clients that came from other workers: pushed by the balancer, or pulled by this worker because it was idle.", MovesIn},
    {"ringmaster_worker_moves_out_total", kCounter, "worker", "Clients that went to other workers.", EachWorker<&W::moved_out>},
    {"ringmaster_worker_moves_given_up_total", kCounter, "worker", "Clients that were to move and stayed: never quiet, or gone.", EachWorker<&W::stayed>},

    {"ringmaster_background_jobs", kGauge, "", "Background jobs that run or wait.", Background<&B::waiting>},
    {"ringmaster_background_oldest_seconds", kGauge, "", "Age of the first background job in the queue.", Background<&B::oldest_seconds>},
    {"ringmaster_background_submitted_total", kCounter, "", "Background jobs that joined the queue.", Background<&B::submitted>},
    {"ringmaster_background_steps_total", kCounter, "", "Steps of background jobs.", Background<&B::steps>},
    {"ringmaster_background_step_seconds_total", kCounter, "", "Time that they took.", Background<&B::step_seconds>},
    {"ringmaster_background_pace_ratio", kGauge, "", "Share of the time that background work may take now; it falls when the clients' p99 rises.", Background<&B::pace>},

    {"ringmaster_shard_up", kGauge, "pool, shard", "0 while the shard counts as gone and its commands fail at once.", [](const Overview& all, Samples& out) { for (const auto& shard : all.shards) out.Add({{"pool", shard.pool}, {"shard", shard.name}}, shard.failing ? 0 : 1); }},
    {"ringmaster_shard_primary", kGauge, "pool, shard", "1 while its server says that it is a primary. 0: it says another role, or none so far; a replica gets no commands.", Primaries},
    {"ringmaster_shard_role_since_seconds", kGauge, "pool, shard", "Since when it says its role, in Unix time; 0: it never said one.", EachShard<&S::role_since_unix>},
    {"ringmaster_shard_switches_total", kCounter, "pool, shard", "Times that its commands went to another primary from then on, because the Sentinels or its servers said so.", EachShard<&S::switches>},
    {"ringmaster_shard_replicas", kGauge, "pool, shard", "Replicas that are up, by its primary; asked of shards that are groups, otherwise 0.", EachShard<&S::replicas>},
    {"ringmaster_shard_replica_lag_bytes", kGauge, "pool, shard", "How far the last of them is behind.", EachShard<&S::lag_bytes>},
    {"ringmaster_shard_ping_seconds", kGauge, "pool, shard", "How long it took for the last PING that asked how it is, of shards that are groups.", EachShard<&S::ping_seconds>},
    {"ringmaster_shard_ring_share_ratio", kGauge, "pool, shard", "Share of the ring that it owns.", EachShard<&S::share>},
    {"ringmaster_shard_connections", kGauge, "pool, shard", "Connections to it now, of all workers.", EachShard<&S::connections>},
    {"ringmaster_shard_in_flight", kGauge, "pool, shard", "Requests sent or waiting to be sent to it, looked at every 0.1 s.", EachShard<&S::in_flight>},
    {"ringmaster_shard_requests_total", kCounter, "pool, shard", "Requests queued for it.", EachShard<&S::requests>},
    {"ringmaster_shard_replies_total", kCounter, "pool, shard", "Replies from it.", EachShard<&S::replies>},
    {"ringmaster_shard_sent_bytes_total", kCounter, "pool, shard", "Bytes of requests to it.", EachShard<&S::bytes_out>},
    {"ringmaster_shard_received_bytes_total", kCounter, "pool, shard", "Bytes read from it.", EachShard<&S::bytes_in>},
    {"ringmaster_shard_connects_total", kCounter, "pool, shard", "Connections that came up.", EachShard<&S::connects>},
    {"ringmaster_shard_connections_lost_total", kCounter, "pool, shard", "Connections lost after they were up.", EachShard<&S::losses>},
    {"ringmaster_shard_failures_total", kCounter, "pool, shard", "Failed attempts to connect and lost connections, as the breaker counts them.", EachShard<&S::failures>},
    {"ringmaster_shard_timeouts_total", kCounter, "pool, shard", "Requests without a reply within timeouts.command.", EachShard<&S::timeouts>},
    {"ringmaster_shard_resent_total", kCounter, "pool, shard", "Reads sent a second time after a loss.", EachShard<&S::resent>},
    {"ringmaster_shard_not_applied_total", kCounter, "pool, shard", "Requests answered -NOTAPPLIED.", EachShard<&S::not_applied>},
    {"ringmaster_shard_uncertain_total", kCounter, "pool, shard", "Requests answered -UNCERTAIN.", EachShard<&S::uncertain>},
    {"ringmaster_shard_refusals_total", kCounter, "pool, shard, reason", "Answers by which it says that it does not serve now; see below.", Refusals},
    {"ringmaster_shard_request_duration_seconds", kHistogram, "pool, shard", "From queueing a request to the shard's reply.", ShardLatency},

    {"ringmaster_sagas_running", kGauge, "pool", "Writes over several shards whose client has no answer yet.", EachSagaPool<&SagaOverview::running>},
    {"ringmaster_sagas_started_total", kCounter, "pool", "Writes over several shards that began.", EachSagaPool<&SagaOverview::started>},
    {"ringmaster_sagas_committed_total", kCounter, "pool", "Applied as a whole.", EachSagaPool<&SagaOverview::committed>},
    {"ringmaster_sagas_undone_total", kCounter, "pool", "Undone as a whole.", EachSagaPool<&SagaOverview::undone>},
    {"ringmaster_sagas_uncertain_total", kCounter, "pool", "Could not be undone as a whole; their client was told.", EachSagaPool<&SagaOverview::uncertain>},
    {"ringmaster_saga_interfered_total", kCounter, "pool", "Steps that found that what they had read was written past the proxy since; undone and tried again.", EachSagaPool<&SagaOverview::interfered>},
    {"ringmaster_saga_conflicts_total", kCounter, "pool", "Steps not undone because others wrote the key since, or lost with a primary after they were answered.", EachSagaPool<&SagaOverview::conflicts>},
    {"ringmaster_saga_poisoned_total", kCounter, "pool", "Steps that cannot be undone; PROXY SAGAS shows them and what can be done.", EachSagaPool<&SagaOverview::poisoned>},
    {"ringmaster_sagas_recovered_total", kCounter, "pool", "Left open by a former process, and settled.", EachSagaPool<&SagaOverview::recovered>},
    {"ringmaster_saga_duration_seconds", kHistogram, "pool", "From the locks to the answer.", SagaLatency},
    {"ringmaster_journal_open", kGauge, "", "1 when there is a state database (saga.journal).", Journal<&JournalOverview::open>},
    {"ringmaster_journal_records_total", kCounter, "", "Changes handed to the state database.", Journal<&JournalOverview::records>},
    {"ringmaster_journal_transactions_total", kCounter, "", "Its transactions; one holds many changes.", Journal<&JournalOverview::transactions>},
    {"ringmaster_journal_failures_total", kCounter, "", "Transactions that failed.", Journal<&JournalOverview::failures>},

    {"ringmaster_rebalance_epoch", kGauge, "pool", "The ring's epoch; it grows with each change of the shards.", EachRing<&R::epoch>},
    {"ringmaster_rebalance_active", kGauge, "pool", "1 from the plan of a move to its end.", EachRing<&R::moving>},
    {"ringmaster_rebalance_waiting", kGauge, "pool", "1 while keys are to move and do not: the move was refused and is tried again; PROXY REBALANCE STATUS says why.", EachRing<&R::waiting>},
    {"ringmaster_rebalance_paused", kGauge, "pool", "1 while the operator holds the sweep.", EachRing<&R::paused>},
    {"ringmaster_rebalance_moving_share_ratio", kGauge, "pool", "Share of the ring whose keys change their shard.", EachRing<&R::share_moving>},
    {"ringmaster_rebalance_moves_total", kCounter, "pool", "Moves that ended with every key in its place.", EachRing<&R::moves>},
    {"ringmaster_rebalance_keys_total", kCounter, "pool", "Keys moved.", EachRing<&R::keys>},
    {"ringmaster_rebalance_bytes_total", kCounter, "pool", "Bytes of the keys moved.", EachRing<&R::bytes>},
    {"ringmaster_rebalance_pulls_total", kCounter, "pool", "Keys that moved ahead of the sweep because a client asked for them.", EachRing<&R::pulls>},
    {"ringmaster_rebalance_keys_per_second", kGauge, "pool", "Of the move under way, since it began.", DonorsRate},
    {"ringmaster_rebalance_left_keys", kGauge, "pool", "Still to move, estimated from the shards' numbers of keys when the move began.", EachRing<&R::keys_left>},
    {"ringmaster_rebalance_left_bytes", kGauge, "pool", "The same in bytes, at the mean size of those moved.", EachRing<&R::bytes_left>},
    {"ringmaster_rebalance_left_seconds", kGauge, "pool", "Until the move ends, at its rate so far.", EachRing<&R::seconds_left>},
    {"ringmaster_rebalance_freezes_total", kCounter, "pool", "Switches to a new ring, each with a moment in which moving keys wait.", EachRing<&R::freezes>},
    {"ringmaster_rebalance_last_freeze_seconds", kGauge, "pool", "How long the last such moment was.", EachRing<&R::last_freeze_seconds>},
    {"ringmaster_rebalance_longest_freeze_seconds", kGauge, "pool", "How long the longest was.", EachRing<&R::longest_freeze_seconds>},
    {"ringmaster_rebalance_donor_keys", kGauge, "pool, shard", "Keys that the move under way took from the shard.", EachDonor<&DonorOverview::keys>},
    {"ringmaster_rebalance_donor_left_keys", kGauge, "pool, shard", "Keys still to take from the shard, estimated.", EachDonor<&DonorOverview::keys_left>},
    {"ringmaster_rebalance_donor_pulls", kGauge, "pool, shard", "Keys that the move under way took from the shard because a client asked for them.", EachDonor<&DonorOverview::pulls>},
    {"ringmaster_rebalance_donor_scanned_keys", kGauge, "pool, shard", "Keys of the shard looked at in this pass of the sweep.", EachDonor<&DonorOverview::scanned>},
    {"ringmaster_rebalance_donor_swept", kGauge, "pool, shard", "1 when nothing is left there to move.", EachDonor<&DonorOverview::swept>},
    // clang-format on
};

}  // namespace

const char* NameOf(ShardRefusal refusal) {
  switch (refusal) {
    case ShardRefusal::kReadOnly:
      return "readonly";
    case ShardRefusal::kLoading:
      return "loading";
    case ShardRefusal::kOutOfMemory:
      return "oom";
    case ShardRefusal::kMisconf:
      return "misconf";
    case ShardRefusal::kMasterDown:
      return "masterdown";
    case ShardRefusal::kNoReplicas:
      return "noreplicas";
  }
  return "";
}

std::span<const MetricFamily> MetricFamilies() { return kFamilies; }

std::string MetricsPage(const Overview& overview) {
  std::string page;
  page.reserve(64U << 10);
  for (const MetricFamily& family : kFamilies) {
    const size_t before = page.size();
    WriteFamilyHead(page, family.name, family.type, family.help);
    const size_t head = page.size();
    Samples samples(page, family.name);
    family.collect(overview, samples);
    if (page.size() == head) page.resize(before);  // a family without samples is left out
  }
  return page;
}

std::string DescribeMetrics() {
  std::string text =
      "# Metrics\n\n"
      "What `http://<admin.listen>/metrics` shows, for Prometheus. This page is made from the rows "
      "of `proxy/admin/families.cc`; a\ntest keeps it true. Counters count since the start of the "
      "process. Histograms have bounds of powers of two from 16 us to\n33.5 s; a worker's share of "
      "all is in its label, so `sum without(worker)` gives the process.\n\n"
      "| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricFamily& family : kFamilies) {
    text += "| `" + std::string(family.name) + "` | " + family.type + " | " + family.labels +
            " | " + family.help + " |\n";
  }
  text +=
      "\n`class` of a command is `write`, `read`, `script`, `pubsub`, `admin` or `other`.\n\n"
      "`kind` of `ringmaster_errors_total`: `error_reply` (any error that a client got), "
      "`command_rejected`, `protocol` (what a client\nsent is not RESP), `slow_reader_closed`, "
      "`standstill` (shard connections waited for a client for seconds),\n"
      "`idle_client_closed`, `client_refused` (limits.clients), `memory_refused`\n(limits.memory), "
      "`shard_timeout`, `shard_connection_lost`, `not_applied`, `uncertain` "
      "([failures.md](failures.md)).\n\n"
      "`reason` of `ringmaster_shard_refusals_total`: `readonly` (a replica stands where a primary "
      "was), `loading`, `oom`, `misconf`,\n`masterdown`, `noreplicas`, as the errors of Redis are "
      "called. The log has each once, until a minute passes without.\n\n"
      "Worth an alert: `ringmaster_shard_up == 0`, `ringmaster_shard_primary == 0`, "
      "`increase(ringmaster_saga_poisoned_total[1h]) > 0`, "
      "`ringmaster_journal_open == 0`,\n`rate(ringmaster_errors_total{kind=\"uncertain\"}[5m]) > "
      "0`, "
      "`increase(ringmaster_shard_refusals_total[5m]) > 0`, `ringmaster_rebalance_waiting == 1` "
      "for long,\n"
      "`ringmaster_clients > 0.9 * ringmaster_clients_limit` after summing.\n";
  return text;
}

}  // namespace ringmaster
