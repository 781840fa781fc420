#include "command/whole/stats.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace ringmaster {
namespace {

struct Report {
  WorkerFigures worker;
  std::vector<ShardFigures> shards;
};

void Add(WorkerFigures& to, const WorkerFigures& from) {
  to.clients += from.clients;
  to.blocked += from.blocked;
  to.accepted += from.accepted;
  to.requests += from.requests;
  to.bytes_in += from.bytes_in;
  to.bytes_out += from.bytes_out;
  to.protocol_errors += from.protocol_errors;
  to.error_replies += from.error_replies;
  to.slow_readers += from.slow_readers;
  to.idle_closed += from.idle_closed;
  to.refused += from.refused;
  to.memory_refused += from.memory_refused;
  to.memory += from.memory;
  to.busy_permille += from.busy_permille;
  to.moved_in += from.moved_in;
  to.pulled_in += from.pulled_in;
  to.moved_out += from.moved_out;
  to.paused += from.paused;
  to.latency.Add(from.latency);
}

void Add(ShardFigures& to, const ShardFigures& from) {
  to.requests += from.requests;
  to.replies += from.replies;
  to.connections += from.connections;
  to.connects += from.connects;
  to.losses += from.losses;
  to.timeouts += from.timeouts;
  to.resent += from.resent;
  to.not_applied += from.not_applied;
  to.uncertain += from.uncertain;
  to.latency.Add(from.latency);
}

WorkerFigures Read(const WorkerMetrics& metrics) {
  WorkerFigures figures{.clients = metrics.clients.value(),
                        .blocked = metrics.blocked.value(),
                        .accepted = metrics.accepted.value(),
                        .requests = metrics.requests.value(),
                        .bytes_in = metrics.bytes_in.value(),
                        .bytes_out = metrics.bytes_out.value(),
                        .protocol_errors = metrics.protocol_errors.value(),
                        .error_replies = metrics.error_replies.value(),
                        .slow_readers = metrics.slow_readers.value(),
                        .idle_closed = metrics.idle_closed.value(),
                        .refused = metrics.refused.value(),
                        .memory_refused = metrics.memory_refused.value(),
                        .memory = metrics.memory.value(),
                        .busy_permille = metrics.busy_permille.value(),
                        .moved_in = metrics.moved_in.value(),
                        .pulled_in = metrics.pulled_in.value(),
                        .moved_out = metrics.moved_out.value(),
                        .paused = metrics.paused.value(),
                        .latency = {}};
  figures.latency.Add(metrics.latency());
  return figures;
}

ShardFigures Read(const std::string& name, const ShardMetrics& metrics) {
  ShardFigures figures{.name = name,
                       .requests = metrics.requests.value(),
                       .replies = metrics.replies.value(),
                       .connections = metrics.connections.value(),
                       .connects = metrics.connects.value(),
                       .losses = metrics.losses.value(),
                       .timeouts = metrics.timeouts.value(),
                       .resent = metrics.resent.value(),
                       .not_applied = metrics.not_applied.value(),
                       .uncertain = metrics.uncertain.value(),
                       .latency = {}};
  figures.latency.Add(metrics.latency);
  return figures;
}

Report ReportOf(WorkerView& worker) {
  Report report{Read(worker.metrics()), {}};
  worker.router().EachMetrics([&report](const std::string& shard, const ShardMetrics& metrics) {
    report.shards.push_back(Read(shard, metrics));
  });
  return report;
}

}  // namespace

std::string DescribeLatency(const HistogramSnapshot& latency) {
  return fmt::format("p50_usec={},p99_usec={},p99.9_usec={}", latency.Percentile(0.5),
                     latency.Percentile(0.99), latency.Percentile(0.999));
}

Task<Figures> GatherFigures(RecipeCall& call) {
  // Each worker fills in its own place; we look when all have.
  auto reports = std::make_shared<std::vector<Report>>(call.context().proxy.facts().workers);
  Proxy::Visit visit = [reports](WorkerView& worker, std::string&) {
    if (worker.index() < reports->size()) (*reports)[worker.index()] = ReportOf(worker);
  };
  co_await call.VisitWorkers(std::move(visit));

  Figures figures;
  const Routes& router = call.routes();
  for (uint32_t i = 0; i < router.shard_count(); ++i) {
    figures.shards.emplace_back().name = router.shard_name(i);
  }
  for (const Report& report : *reports) {
    figures.workers.push_back(report.worker);
    Add(figures.total, report.worker);
    for (ShardFigures& shard : figures.shards) {
      for (const ShardFigures& part : report.shards) {
        if (part.name == shard.name) Add(shard, part);
      }
    }
  }
  if (!reports->empty()) figures.total.busy_permille /= reports->size();
  co_return figures;
}

}  // namespace ringmaster
