// INFO: one big Redis. What counts is summed over the shards, what is the proxy's own is said by
// the proxy, and the rest comes from the first shard that answers. A `# Ringmaster` section
// follows.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "command/handlers.h"
#include "command/info_merge.h"
#include "command/recipe.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

struct Totals {
  uint64_t clients = 0;
  uint64_t accepted = 0;
  uint64_t requests = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t errors = 0;
  uint64_t slow_readers = 0;
  uint64_t memory = 0;
};

// Each worker reports its figures as numbers in a line.
void ReportWorker(WorkerView& worker, std::string& out) {
  const WorkerMetrics& m = worker.metrics();
  out = fmt::format("{} {} {} {} {} {} {} {}", m.clients.value(), m.accepted.value(),
                    m.requests.value(), m.bytes_in.value(), m.bytes_out.value(),
                    m.error_replies.value(), m.slow_readers.value(), m.memory.value());
}

Totals Sum(const std::vector<std::string>& reports) {
  Totals totals;
  uint64_t* const fields[] = {&totals.clients,      &totals.accepted,  &totals.requests,
                              &totals.bytes_in,     &totals.bytes_out, &totals.errors,
                              &totals.slow_readers, &totals.memory};
  for (const std::string& report : reports) {
    Bytes rest = report;
    for (uint64_t* field : fields) {
      const size_t end = std::min(rest.find(' '), rest.size());
      *field += static_cast<uint64_t>(ParseInteger(rest.substr(0, end)).value_or(0));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return totals;
}

// What a tool that asks a server about itself means here: the proxy.
std::map<std::string, std::string> OwnFields(const ProxyFacts& facts, const Totals& totals,
                                             TimePoint now) {
  const int64_t uptime = Milliseconds(now - facts.started_at) / 1000;
  int port = 0;
  for (const Address& address : facts.listen) {
    if (address.kind == Address::kTcp && port == 0) port = address.port;
  }
  return {{"run_id", facts.run_id},
          {"tcp_port", std::to_string(port)},
          {"process_id", std::to_string(getpid())},
          {"config_file", facts.config_file},
          {"redis_mode", "standalone"},
          {"uptime_in_seconds", std::to_string(uptime)},
          {"uptime_in_days", std::to_string(uptime / 86400)},
          {"connected_clients", std::to_string(totals.clients)},
          {"maxclients", std::to_string(facts.max_clients)},
          {"total_connections_received", std::to_string(totals.accepted)},
          {"total_commands_processed", std::to_string(totals.requests)},
          {"total_net_input_bytes", std::to_string(totals.bytes_in)},
          {"total_net_output_bytes", std::to_string(totals.bytes_out)},
          {"total_error_replies", std::to_string(totals.errors)},
          {"role", "master"},
          {"connected_slaves", "0"}};
}

std::string RingmasterSection(RecipeCall& call, const Totals& totals) {
  const ProxyFacts& facts = call.context().proxy.facts();
  std::string text = fmt::format(
      "# Ringmaster\r\nringmaster_version:{}\r\npool:{}\r\nworkers:{}\r\nclients:{}\r\n"
      "requests:{}\r\nslow_readers_closed:{}\r\nbuffer_bytes:{}\r\n",
      facts.version, facts.pool, facts.workers, totals.clients, totals.requests,
      totals.slow_readers, totals.memory);
  Router& router = call.router();
  const Topology& topology = router.topology();
  text += fmt::format("distribution:{}\r\nhash:{}\r\nshards:{}\r\n",
                      DistributionName(topology.spec().distribution),
                      HashName(topology.spec().hash), router.shard_count());
  for (uint32_t i = 0; i < router.shard_count(); ++i) {
    const ShardLink& link = router.backend(i).link();
    text += fmt::format("shard{}:name={},address={},state={},share={:.4f},failures={}\r\n", i,
                        link.name(), link.shard().address.ToString(),
                        link.failing() ? "down" : "up", topology.ShareOf(i), link.failures());
  }
  return text;
}

bool OnlyRingmaster(std::span<const Bytes> sections) {
  return !sections.empty() && std::all_of(sections.begin(), sections.end(), [](Bytes section) {
    return EqualsIgnoreCase(section, "ringmaster");
  });
}

bool WantsRingmaster(std::span<const Bytes> sections) {
  return sections.empty() || std::any_of(sections.begin(), sections.end(), [](Bytes section) {
           return EqualsIgnoreCase(section, "ringmaster") || EqualsIgnoreCase(section, "default") ||
                  EqualsIgnoreCase(section, "all") || EqualsIgnoreCase(section, "everything");
         });
}

}  // namespace

Task<std::string> InfoRecipe(RecipeCall& call) {
  const std::vector<std::string> reports = co_await call.VisitWorkers(ReportWorker);
  const Totals totals = Sum(reports);
  const std::span<const Bytes> sections = call.args().subspan(1);
  std::string text;
  if (!OnlyRingmaster(sections)) {
    const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
    std::vector<std::string> infos;
    for (const Answer& answer : answers) {
      // A shard that is down is missing from the sums, and named in our own section.
      if (!answer.is_error()) infos.emplace_back(InfoText(ReadReply(answer.reply)));
    }
    ProxyFacts facts = call.context().proxy.facts();
    text = MergeInfo(infos, OwnFields(facts, totals, call.context().proxy.Now()));
  }
  if (WantsRingmaster(sections)) {
    if (!text.empty()) text += "\r\n";
    text += RingmasterSection(call, totals);
  }
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", text);
  co_return reply;
}

}  // namespace ringmaster
