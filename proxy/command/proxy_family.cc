// PROXY: the operator's command.
#include <fmt/format.h>

#include "command/call.h"
#include "command/families.h"
#include "command/handlers.h"
#include "command/recipe.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

constexpr char kLater[] = "is not served by this version";

void Lines(ReplyWriter& out, const std::vector<std::string>& lines) {
  out.Array(lines.size());
  for (const std::string& line : lines) out.Bulk(line);
}

void ProxyHelp(Call&, ReplyWriter& out) {
  Lines(out,
        {"PROXY <subcommand> [<arg> ...]. Subcommands are:",
         "INFO -- version, configuration file, pool, workers",
         "RING -- distribution, hash and the share of each shard",
         "LOCATE key [key ...] -- the shard of each key",
         "RELOAD -- read the configuration again, as SIGHUP does",
         "SHARDS -- state and figures of each shard", "WORKERS -- load and figures of each worker",
         "LOGLEVEL [level] -- show or change what is logged", "HELP -- this text"});
}

void ProxyInfo(Call& call, ReplyWriter& out) {
  const ProxyFacts& facts = call.context.proxy.facts();
  std::vector<std::string> lines = {
      "version: " + facts.version,
      "config_file: " + facts.config_file,
      "run_id: " + facts.run_id,
      "pool: " + facts.pool,
      fmt::format("workers: {}", facts.workers),
      fmt::format("databases: {}", facts.databases),
      fmt::format("uptime_seconds: {}",
                  Milliseconds(call.context.proxy.Now() - facts.started_at) / 1000)};
  for (const Address& address : facts.listen) lines.push_back("listen: " + address.ToString());
  Lines(out, lines);
}

void ProxyRing(Call& call, ReplyWriter& out) {
  const Topology& topology = call.context.router.topology();
  const TopologySpec& spec = topology.spec();
  std::vector<std::string> lines = {
      fmt::format("distribution: {}", DistributionName(spec.distribution)),
      fmt::format("hash: {}", HashName(spec.hash)),
      fmt::format("virtual_nodes: {}", spec.virtual_nodes), "hash_tag: " + spec.hash_tag,
      fmt::format("epoch: {}", topology.epoch())};
  for (uint32_t i = 0; i < spec.shards.size(); ++i) {
    lines.push_back(fmt::format("shard: name={},address={},weight={},share={:.4f}",
                                spec.shards[i].name, spec.shards[i].address, spec.shards[i].weight,
                                topology.ShareOf(i)));
  }
  Lines(out, lines);
}

void ProxyLocate(Call& call, ReplyWriter& out) {
  const Router& router = call.context.router;
  out.Array(call.args.size() - 2);
  for (const Bytes key : call.args.subspan(2)) out.Bulk(router.shard_name(router.ShardOf(key)));
}

void ProxyLogLevel(Call& call, ReplyWriter& out) {
  if (call.args.size() == 2) return out.Bulk(LogLevelName(CurrentLogLevel()));
  const Result<LogLevel> level = ParseLogLevel(call.args[2]);
  if (!level) return out.Error("ERR " + level.error().text);
  SetLogLevel(*level);
  LogWarning("log level is now {}", LogLevelName(*level));
  out.Ok();
}

Task<std::string> ProxyReload(RecipeCall& call) {
  const Result<std::string> changed = co_await call.Reload();
  std::string reply;
  ReplyWriter writer(reply, call.resp());
  if (changed) {
    writer.Simple(*changed);
  } else {
    writer.Error("ERR the configuration was not changed: " + changed.error().text);
  }
  co_return reply;
}

Task<std::string> ProxyShards(RecipeCall& call) {
  const std::vector<std::string> reports =
      co_await call.VisitWorkers([](WorkerView& worker, std::string& out) {
        for (const Router::NamedMetrics& shard : worker.router().metrics()) {
          HistogramSnapshot latency;
          latency.Add(shard.metrics->latency);
          out += fmt::format(
              "worker={},name={},requests={},replies={},connections={},connects={},losses={},"
              "timeouts={},resent={},not_applied={},uncertain={},p50_us={},p99_us={}\n",
              worker.index(), shard.name, shard.metrics->requests.value(),
              shard.metrics->replies.value(), shard.metrics->connections.value(),
              shard.metrics->connects.value(), shard.metrics->losses.value(),
              shard.metrics->timeouts.value(), shard.metrics->resent.value(),
              shard.metrics->not_applied.value(), shard.metrics->uncertain.value(),
              latency.Percentile(0.5), latency.Percentile(0.99));
        }
      });
  std::string text;
  Router& router = call.router();
  for (uint32_t i = 0; i < router.shard_count(); ++i) {
    ShardLink& link = router.backend(i).link();
    text += fmt::format("shard={},address={},state={},failures={},last_error={}\n", link.name(),
                        link.shard().address.ToString(), link.failing() ? "down" : "up",
                        link.failures(), link.last_error());
  }
  for (const std::string& report : reports) text += report;
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", text);
  co_return reply;
}

Task<std::string> ProxyWorkers(RecipeCall& call) {
  const std::vector<std::string> reports =
      co_await call.VisitWorkers([](WorkerView& worker, std::string& out) {
        const WorkerMetrics& metrics = worker.metrics();
        HistogramSnapshot latency;
        latency.Add(metrics.latency);
        out = fmt::format(
            "worker={},clients={},accepted={},requests={},busy={:.3f},bytes_in={},bytes_out={},"
            "error_replies={},slow_readers={},p50_us={},p99_us={}\n",
            worker.index(), metrics.clients.value(), metrics.accepted.value(),
            metrics.requests.value(), static_cast<double>(metrics.busy_permille.value()) / 1000,
            metrics.bytes_in.value(), metrics.bytes_out.value(), metrics.error_replies.value(),
            metrics.slow_readers.value(), latency.Percentile(0.5), latency.Percentile(0.99));
      });
  std::string text;
  for (const std::string& report : reports) text += report;
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", text);
  co_return reply;
}

constexpr Row kSubcommands[] = {
    {.name = "explain", .arity = -3, .flags = kHidden, .plan = Refuse(kLater)},
    {.name = "help", .arity = 2, .flags = kHidden, .plan = Local(ProxyHelp)},
    {.name = "info", .arity = 2, .flags = kHidden, .plan = Local(ProxyInfo)},
    {.name = "jobs", .arity = -2, .flags = kHidden, .plan = Refuse(kLater)},
    {.name = "locate", .arity = -3, .flags = kHidden, .plan = Local(ProxyLocate)},
    {.name = "loglevel", .arity = -2, .flags = kHidden, .plan = Local(ProxyLogLevel)},
    {.name = "rebalance", .arity = -2, .flags = kHidden, .plan = Refuse(kLater)},
    {.name = "reload", .arity = 2, .flags = kHidden, .plan = Recipe(ProxyReload)},
    {.name = "ring", .arity = 2, .flags = kHidden, .plan = Local(ProxyRing)},
    {.name = "sagas", .arity = -2, .flags = kHidden, .plan = Refuse(kLater)},
    {.name = "shards", .arity = 2, .flags = kHidden, .plan = Recipe(ProxyShards)},
    {.name = "verify", .arity = -2, .flags = kHidden, .plan = Refuse(kLater)},
    {.name = "workers", .arity = 2, .flags = kHidden, .plan = Recipe(ProxyWorkers)},
};

constexpr Row kRows[] = {
    {.name = "proxy",
     .arity = -2,
     .flags = kHidden,
     .plan = Local(ProxyHelp),
     .subcommands = kSubcommands},
};

}  // namespace

std::span<const Row> ProxyFamily() { return kRows; }

}  // namespace ringmaster
