// PROXY: the operator's command.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "command/call/call.h"
#include "command/call/slow_log.h"
#include "command/operator/explain.h"
#include "command/operator/handlers.h"
#include "command/serve/recipe.h"
#include "command/table/families.h"
#include "command/whole/stats.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

void Lines(ReplyWriter& out, const std::vector<std::string>& lines) {
  out.Array(lines.size());
  for (const std::string& line : lines) out.Bulk(line);
}

void ProxyHelp(Call&, ReplyWriter& out) {
  Lines(
      out,
      {"PROXY <subcommand> [<arg> ...]. Subcommands are:",
       "INFO -- version, configuration file, pool, workers",
       "RING -- distribution, hash and the share of each shard",
       "LOCATE key [key ...] -- the shard of each key",
       "EXPLAIN command [arg ...] -- its shards, how it would be served, and what is atomic",
       "REBALANCE [STATUS] -- which keys are on the move, and how far",
       "REBALANCE PLAN file | text -- what would move under that configuration: a file in the "
       "folder of "
       "the one in force, or its text",
       "REBALANCE PAUSE | RESUME -- the sweep; keys that clients ask for still move",
       "REBALANCE REVERSE -- take the keys back where they came from",
       "REBALANCE ABANDON [shard] -- keep the old ring, or give up what a dead donor holds",
       "REBALANCE CLAIM -- take over shards that followed another proxy's ring",
       "RELOAD -- read the configuration again, as SIGHUP does",
       "SAGAS [LIST] | RECENT | SHOW id | EXPORT -- writes over several shards that are open, or "
       "were undone",
       "SAGAS RETRY | ROLLBACK id -- undo once more what could not be; over others' writes",
       "SAGAS SKIP id step | FORGET id reason -- leave it as it is",
       "SAGAS JOURNAL STATUS | VERIFY -- the state database",
       "SHARDS -- state and figures of each shard",
       "SLOWLOG -- slow requests: how long they waited here, and at which shard then",
       "WORKERS -- load and figures of each worker",
       "JOBS [LIST | PAUSE id | RESUME id | CANCEL id] -- background jobs in their order",
       "VERIFY [DIGEST] -- looks at every key, in the background: which are not where the ring has "
       "them; DIGEST: of all values",
       "LOGLEVEL [level] -- show or change what is logged",
       "HELP -- this text"});
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
  for (const std::string& rule : spec.together) lines.push_back("together: " + rule);
  for (uint32_t i = 0; i < spec.shards.size(); ++i) {
    lines.push_back(fmt::format("shard: name={},address={},weight={},share={:.4f}",
                                spec.shards[i].name,
                                call.context.router.link(i)->address().ToString(),
                                spec.shards[i].weight, topology.ShareOf(i)));
  }
  Lines(out, lines);
}

void ProxyLocate(Call& call, ReplyWriter& out) {
  const Router& router = call.context.router;
  out.Array(call.args.size() - 2);
  for (const Bytes key : call.args.subspan(2)) out.Bulk(router.shard_name(router.ShardOf(key)));
}

void ProxyExplain(Call& call, ReplyWriter& out) {
  out.Verbatim("txt", Explain(call.context, call.client, call.args.subspan(2)));
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

std::string TextReply(RecipeCall& call, Bytes text) {
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", text);
  return reply;
}

Task<std::string> ProxyShards(RecipeCall& call) {
  const Figures figures = co_await GatherFigures(call);
  const Routes& router = call.routes();
  const Topology& topology = router.topology();
  std::string text;
  for (uint32_t i = 0; i < figures.shards.size(); ++i) {
    const ShardFigures& shard = figures.shards[i];
    const ShardLink& link = router.backend(i).link();
    const std::shared_ptr<const ServerFacts> facts = link.facts();
    const ShardLink::Role role = link.role();
    const ShardHealth health = link.place()->health();
    text += fmt::format(
        "name={},address={},state={},role={},role_since={},switches={},replicas={},lag_bytes={},"
        "asked={},ping_usec={},weight={},share={:.4f},"
        "connections={},"
        "requests={},replies={},"
        "connects={},losses={},timeouts={},resent={},not_applied={},uncertain={},failures={},{},"
        "version={},run_id={},last_error={}\n",
        shard.name, link.address().ToString(), link.failing() ? "down" : "up",
        NameOf(role.said.role), role.since_unix(), link.place()->switches(), health.replicas,
        health.lag_bytes, Milliseconds(health.at) / 1000, Microseconds(health.round_trip),
        topology.shards()[i].weight, topology.ShareOf(i), shard.connections, shard.requests,
        shard.replies, shard.connects, shard.losses, shard.timeouts, shard.resent,
        shard.not_applied, shard.uncertain, link.failures(), DescribeLatency(shard.latency),
        facts == nullptr ? "" : facts->program(), facts == nullptr ? "" : facts->run_id,
        link.last_error());
  }
  co_return TextReply(call, text);
}

Task<std::string> ProxyWorkers(RecipeCall& call) {
  const Figures figures = co_await GatherFigures(call);
  std::string text;
  for (size_t i = 0; i < figures.workers.size(); ++i) {
    const WorkerFigures& worker = figures.workers[i];
    text += fmt::format(
        "worker={},clients={},accepted={},requests={},busy={:.3f},bytes_in={},bytes_out={},"
        "error_replies={},slow_readers={},buffer_bytes={},moved_in={},pulled_in={},moved_out={},{}"
        "\n",
        i, worker.clients, worker.accepted, worker.requests,
        static_cast<double>(worker.busy_permille) / 1000, worker.bytes_in, worker.bytes_out,
        worker.error_replies, worker.slow_readers, worker.memory, worker.moved_in, worker.pulled_in,
        worker.moved_out, DescribeLatency(worker.latency));
  }
  co_return TextReply(call, text);
}

std::optional<JobOrder> ParseJobOrder(std::span<const Bytes> args) {
  if (args.size() == 2 || (args.size() == 3 && EqualsIgnoreCase(args[2], "list"))) {
    return JobOrder{};
  }
  if (args.size() != 4) return std::nullopt;
  JobOrder order;
  if (EqualsIgnoreCase(args[2], "pause")) {
    order.what = JobOrder::What::kPause;
  } else if (EqualsIgnoreCase(args[2], "resume")) {
    order.what = JobOrder::What::kResume;
  } else if (EqualsIgnoreCase(args[2], "cancel")) {
    order.what = JobOrder::What::kCancel;
  } else {
    return std::nullopt;
  }
  const auto id = ParseInteger(args[3]);
  if (!id || *id <= 0) return std::nullopt;
  order.id = static_cast<uint64_t>(*id);
  return order;
}

std::string DescribeJob(const JobFigures& job) {
  const std::string left =
      job.left ? fmt::format("{:.1f}", static_cast<double>(Milliseconds(*job.left)) / 1000) : "";
  return fmt::format(
      "id={},name={},state={},place={},done={},total={},steps={},rate={:.1f},seconds_left={}",
      job.id, job.name, job.state, job.place, job.done, job.total, job.steps, job.rate, left);
}

Task<std::string> ProxyJobs(RecipeCall& call) {
  std::string reply;
  ReplyWriter writer(reply, call.resp());
  const std::optional<JobOrder> order = ParseJobOrder(call.args());
  if (!order) {
    writer.Error("ERR PROXY JOBS takes LIST, or PAUSE, RESUME or CANCEL with the id of a job");
    co_return reply;
  }
  const Result<std::vector<JobFigures>> jobs = co_await call.Jobs(*order);
  if (!jobs) {
    writer.Error("ERR " + jobs.error().text);
  } else if (order->what != JobOrder::What::kList) {
    writer.Ok();
  } else {
    std::vector<std::string> lines;
    for (const JobFigures& job : *jobs) lines.push_back(DescribeJob(job));
    Lines(writer, lines);
  }
  co_return reply;
}

Task<std::string> ProxyRebalance(RecipeCall& call) {
  std::vector<std::string> words;
  for (const Bytes arg : call.args().subspan(2)) words.emplace_back(arg);
  const Result<std::string> said = co_await call.Rebalance(std::move(words));
  if (said) co_return TextReply(call, *said);
  std::string reply;
  ReplyWriter(reply, call.resp()).Error("ERR " + said.error().text);
  co_return reply;
}

// What SLOWLOG GET has no place for: where the time went.
void ProxySlowLog(Call& call, ReplyWriter& out) {
  std::string text;
  for (const SlowEntry& entry : call.context.proxy.slow_log().Latest(SIZE_MAX)) {
    text += fmt::format("id={} at={} micros={} waited_here={} shard={} addr={} command=", entry.id,
                        entry.at_unix, entry.micros, entry.waited_micros,
                        entry.shard.empty() ? "-" : entry.shard, entry.address);
    for (const std::string& arg : entry.args) text += Printable(arg, 128) + " ";
    text.back() = '\n';
  }
  out.Verbatim("txt", text);
}

// Users need another right for a subcommand's orders than to look: "proxy|<subcommand>-order".
// What only looks is named; whatever else stands there is taken for an order.
bool OnlyLooks(std::span<const Bytes> args, std::initializer_list<Bytes> words) {
  return args.size() < 3 || std::any_of(words.begin(), words.end(), [&](Bytes word) {
           return EqualsIgnoreCase(args[2], word);
         });
}

const char* JobsNeeds(std::span<const Bytes> args) {
  return OnlyLooks(args, {"list"}) ? nullptr : "jobs-order";
}

const char* LogLevelNeeds(std::span<const Bytes> args) {
  return OnlyLooks(args, {}) ? nullptr : "loglevel-order";
}

const char* RebalanceNeeds(std::span<const Bytes> args) {
  return OnlyLooks(args, {"status", "plan"}) ? nullptr : "rebalance-order";
}

const char* SagasNeeds(std::span<const Bytes> args) {
  return OnlyLooks(args, {"list", "recent", "show", "export", "journal"}) ? nullptr : "sagas-order";
}

// Looking is @read. Orders are @admin and @dangerous, as is what shows other clients' arguments.
constexpr uint32_t kLooks = kHidden;
constexpr uint32_t kOrders = kHidden | kAdmin;
constexpr PlanSpec kNameOfARight = Refuse("is the name of a right; call it without '-order'");

constexpr Row kSubcommands[] = {
    {.name = "explain",
     .arity = -3,
     .flags = kLooks,
     .plan = Local(ProxyExplain),
     .categories = "read"},
    {.name = "help", .arity = 2, .flags = kLooks, .plan = Local(ProxyHelp), .categories = "read"},
    {.name = "info", .arity = 2, .flags = kLooks, .plan = Local(ProxyInfo), .categories = "read"},
    {.name = "jobs",
     .arity = -2,
     .flags = kLooks,
     .plan = Recipe(ProxyJobs),
     .categories = "read",
     .needs = JobsNeeds},
    {.name = "jobs-order", .arity = -2, .flags = kOrders, .plan = kNameOfARight},
    {.name = "locate",
     .arity = -3,
     .flags = kLooks,
     .plan = Local(ProxyLocate),
     .categories = "read"},
    {.name = "loglevel",
     .arity = -2,
     .flags = kLooks,
     .plan = Local(ProxyLogLevel),
     .categories = "read",
     .needs = LogLevelNeeds},
    {.name = "loglevel-order", .arity = -2, .flags = kOrders, .plan = kNameOfARight},
    {.name = "rebalance",
     .arity = -2,
     .flags = kLooks,
     .plan = Recipe(ProxyRebalance),
     .categories = "read",
     .needs = RebalanceNeeds},
    {.name = "rebalance-order", .arity = -2, .flags = kOrders, .plan = kNameOfARight},
    {.name = "reload", .arity = 2, .flags = kOrders, .plan = Recipe(ProxyReload)},
    {.name = "ring", .arity = 2, .flags = kLooks, .plan = Local(ProxyRing), .categories = "read"},
    {.name = "sagas",
     .arity = -2,
     .flags = kLooks,
     .plan = Recipe(ProxySagasRecipe),
     .categories = "read",
     .needs = SagasNeeds},
    {.name = "sagas-order", .arity = -2, .flags = kOrders, .plan = kNameOfARight},
    {.name = "shards",
     .arity = 2,
     .flags = kLooks,
     .plan = Recipe(ProxyShards),
     .categories = "read"},
    {.name = "slowlog", .arity = 2, .flags = kOrders, .plan = Local(ProxySlowLog)},
    {.name = "verify", .arity = -2, .flags = kOrders | kWaits, .plan = Recipe(ProxyVerify)},
    {.name = "workers",
     .arity = 2,
     .flags = kLooks,
     .plan = Recipe(ProxyWorkers),
     .categories = "read"},
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
