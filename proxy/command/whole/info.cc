// INFO: one big Redis. What counts is summed over the shards, what a tool asks a server about
// itself is said by the proxy, and a `# Ringmaster` section follows.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "command/serve/recipe.h"
#include "command/whole/command_stats.h"
#include "command/whole/handlers.h"
#include "command/whole/info_merge.h"
#include "command/whole/pool_version.h"
#include "command/whole/stats.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"
#include "saga/saga_set.h"

namespace ringmaster {
namespace {

std::string Number(uint64_t value) { return std::to_string(value); }

std::string Executable() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : "";
}

// The port of the first TCP address, as Redis's tcp_port.
int Port(const ProxyFacts& facts) {
  for (const Address& address : facts.listen) {
    if (address.kind == Address::kTcp) return address.port;
  }
  return 0;
}

std::vector<InfoSection> OwnSections(Proxy& proxy, const PoolVersion& version,
                                     const WorkerFigures& total) {
  const ProxyFacts& facts = proxy.facts();
  const int64_t uptime = Milliseconds(proxy.Now() - facts.started_at) / 1000;
  InfoSection server{"Server",
                     {{"redis_version", version.redis_version},
                      {"redis_mode", "standalone"},
                      {"process_id", std::to_string(getpid())},
                      {"run_id", facts.run_id},
                      {"tcp_port", std::to_string(Port(facts))},
                      {"uptime_in_seconds", std::to_string(uptime)},
                      {"uptime_in_days", std::to_string(uptime / 86400)},
                      {"executable", Executable()},
                      {"config_file", facts.config_file}}};
  if (!version.valkey_version.empty()) {
    server.fields.push_back({"server_name", "valkey"});
    server.fields.push_back({"valkey_version", version.valkey_version});
  }
  return {std::move(server),
          {"Clients",
           {{"connected_clients", Number(total.clients)},
            {"maxclients", Number(proxy.max_clients())},
            {"blocked_clients", Number(total.blocked + total.paused)}}},
          {"Stats",
           {{"total_connections_received", Number(total.accepted)},
            {"total_commands_processed", Number(total.requests)},
            {"total_net_input_bytes", Number(total.bytes_in)},
            {"total_net_output_bytes", Number(total.bytes_out)},
            {"rejected_connections", Number(total.refused)},
            {"total_error_replies", Number(total.error_replies)}}},
          {"Replication", {{"role", "master"}, {"connected_slaves", "0"}}}};
}

void AddShards(RecipeCall& call, const Figures& figures, std::vector<InfoField>& fields) {
  const Routes& router = call.routes();
  const Topology& topology = router.topology();
  for (uint32_t i = 0; i < router.shard_count(); ++i) {
    const ShardLink& link = router.backend(i).link();
    const ShardFigures& shard = figures.shards[i];
    const ShardLink::Role role = link.role();
    fields.push_back(
        {fmt::format("shard{}", i),
         fmt::format("name={},address={},state={},role={},role_since={},weight={},share={:.4f},"
                     "connections={},requests={},timeouts={},losses={},failures={},not_applied={},"
                     "uncertain={},{}",
                     link.name(), link.address().ToString(), link.failing() ? "down" : "up",
                     NameOf(role.said.role), role.since_unix(), topology.shards()[i].weight,
                     topology.ShareOf(i), shard.connections, shard.requests, shard.timeouts,
                     shard.losses, link.failures(), shard.not_applied, shard.uncertain,
                     DescribeLatency(shard.latency))});
  }
}

InfoSection RingmasterSection(RecipeCall& call, const Figures& figures) {
  const ProxyFacts& facts = call.context().proxy.facts();
  const WorkerFigures& total = figures.total;
  const TopologySpec& spec = call.routes().topology().spec();
  InfoSection section{"Ringmaster",
                      {{"ringmaster_version", facts.version},
                       {"ringmaster_run_id", facts.run_id},
                       {"pool", facts.pool},
                       {"databases", std::to_string(facts.databases)},
                       {"distribution", std::string(DistributionName(spec.distribution))},
                       {"hash", std::string(HashName(spec.hash))},
                       {"clients", Number(total.clients)},
                       {"requests", Number(total.requests)},
                       {"latency", DescribeLatency(total.latency)},
                       {"protocol_errors", Number(total.protocol_errors)},
                       {"error_replies", Number(total.error_replies)},
                       {"slow_readers_closed", Number(total.slow_readers)},
                       {"idle_clients_closed", Number(total.idle_closed)},
                       {"clients_refused", Number(total.refused)},
                       {"requests_refused_for_memory", Number(total.memory_refused)},
                       {"buffer_bytes", Number(total.memory)},
                       {"clients_moved", Number(total.moved_in)},
                       {"clients_pulled", Number(total.pulled_in)},
                       {"workers", std::to_string(figures.workers.size())}}};
  for (size_t i = 0; i < figures.workers.size(); ++i) {
    const WorkerFigures& worker = figures.workers[i];
    section.fields.push_back(
        {fmt::format("worker{}", i),
         fmt::format("clients={},requests={},busy={:.3f},{}", worker.clients, worker.requests,
                     static_cast<double>(worker.busy_permille) / 1000,
                     DescribeLatency(worker.latency))});
  }
  if (call.context().sagas != nullptr) {
    const SagaFigures& sagas = call.context().sagas->pool().figures;
    const uint64_t started = sagas.started.load();
    section.fields.push_back(
        {"sagas", fmt::format("started={},committed={},undone={},uncertain={},interfered={},"
                              "conflicts={},poisoned={},recovered={},average_us={}",
                              started, sagas.committed.load(), sagas.undone.load(),
                              sagas.uncertain.load(), sagas.interfered.load(),
                              sagas.conflicts.load(), sagas.poisoned.load(), sagas.recovered.load(),
                              started == 0 ? 0 : sagas.microseconds.load() / started)});
  }
  section.fields.push_back({"shards", std::to_string(figures.shards.size())});
  AddShards(call, figures, section.fields);
  return section;
}

std::string Render(const InfoSection& section) {
  std::string text = "# " + section.title + "\r\n";
  for (const InfoField& field : section.fields) text += field.name + ":" + field.value + "\r\n";
  return text;
}

bool Names(Bytes section, std::initializer_list<Bytes> names) {
  return std::any_of(names.begin(), names.end(),
                     [section](Bytes name) { return EqualsIgnoreCase(section, name); });
}

// The sections of our own that were asked for.
std::vector<InfoSection> Wanted(std::vector<InfoSection> own, std::span<const Bytes> sections) {
  if (sections.empty()) return own;
  std::erase_if(own, [sections](const InfoSection& section) {
    return std::none_of(sections.begin(), sections.end(), [&section](Bytes asked) {
      return Names(asked, {section.title, "default", "all", "everything"});
    });
  });
  return own;
}

// How many of the keys that the shards count are the proxy's own marks (move/ring_mark.h).
Task<int64_t> CountMarks(RecipeCall& call) {
  int64_t marks = 0;
  const Routes& router = call.routes();
  for (uint32_t shard = 0; router.topology().epoch() > 1 && shard < router.shard_count(); ++shard) {
    std::string request = MakeRequest({"EXISTS", "__rm:proxy"});
    const AskOptions options{.read_only = true};
    const Answer answer = co_await call.AskOver(call.Shared(shard, 0), std::move(request), options);
    const ReplyElement reply = ReadReply(answer.reply);
    if (reply.type == ':') marks += reply.count;
  }
  co_return marks;
}

void HideMarks(int64_t marks, InfoSection& section) {
  if (marks == 0 || section.fields.empty() || section.fields[0].name != "db0") return;
  std::string& counts = section.fields[0].value;  // "keys=7,expires=..."
  const size_t begin = counts.find('=') + 1;
  const size_t end = std::min(counts.find(','), counts.size());
  const std::optional<int64_t> keys = ParseInteger(Bytes(counts).substr(begin, end - begin));
  if (!keys) return;
  if (*keys <= marks) {
    section.fields.erase(section.fields.begin());
  } else {
    counts.replace(begin, end - begin, std::to_string(*keys - marks));
  }
}

}  // namespace

// A shard that is down is missing from the sums, and our own section says that it is down.
Task<std::string> InfoRecipe(RecipeCall& call) {
  const std::span<const Bytes> sections = call.args().subspan(1);
  const bool only_ours = !sections.empty() &&
                         std::all_of(sections.begin(), sections.end(),
                                     [](Bytes section) { return Names(section, {"ringmaster"}); });
  std::vector<std::string> infos;
  if (!only_ours) {
    const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
    for (const Answer& answer : answers) {
      if (!answer.is_error()) infos.emplace_back(InfoText(ReadReply(answer.reply)));
    }
  }
  const Figures figures = co_await GatherFigures(call);
  const std::vector<CommandFigures> commands = co_await GatherCommandFigures(call);
  const CommandTable& table = call.context().table;
  const auto shows_keys = [](Bytes section) {
    return Names(section, {"keyspace", "default", "all", "everything"});
  };
  const bool keys_shown =
      sections.empty() || std::any_of(sections.begin(), sections.end(), shows_keys);
  const int64_t marks = keys_shown ? co_await CountMarks(call) : 0;
  const auto finish = [&table, &commands, marks](InfoSection& section) {
    if (section.title == "Keyspace") HideMarks(marks, section);
    if (section.title == "Commandstats") AddCommandStats(table, commands, section);
  };
  std::string text = MergeInfo(
      infos,
      Wanted(OwnSections(call.context().proxy, VersionOf(call.routes()), figures.total), sections),
      finish);
  if (sections.empty() || !Wanted({{"Ringmaster", {}}}, sections).empty()) {
    if (!text.empty()) text += "\r\n";
    text += Render(RingmasterSection(call, figures));
  }
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", text);
  co_return reply;
}

}  // namespace ringmaster
