#include "command/whole/command_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "command/whole/handlers.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

// Which commands LATENCY HISTOGRAM shows: those named, containers with what they contain; all of
// them when none is named.
std::vector<const Command*> Asked(const CommandTable& table, std::span<const Bytes> names) {
  std::vector<const Command*> asked;
  const auto add = [&asked](const Command* command) {
    if (std::find(asked.begin(), asked.end(), command) == asked.end()) asked.push_back(command);
  };
  if (names.empty()) {
    for (const auto& command : table.all()) add(command.get());
  }
  for (const Bytes name : names) {
    const Command* command = table.FindByName(name);
    if (command == nullptr) continue;
    add(command);
    for (const Command* subcommand : command->subcommands) add(subcommand);
  }
  return asked;
}

void WriteHistogram(const CommandFigures& figures, ReplyWriter& out) {
  std::vector<std::pair<int64_t, int64_t>> steps;
  uint64_t so_far = 0;
  for (size_t i = 0; i < figures.buckets.size(); ++i) {
    if (figures.buckets[i] == 0) continue;
    so_far += figures.buckets[i];
    steps.emplace_back(int64_t{1} << i, static_cast<int64_t>(so_far));
  }
  out.Map(2);
  out.Bulk("calls");
  out.Integer(static_cast<int64_t>(figures.calls));
  out.Bulk("histogram_usec");
  out.Map(steps.size());
  for (const auto& [micros, count] : steps) {
    out.Integer(micros);
    out.Integer(count);
  }
}

bool ShardsCount(const Command& command) { return command.row->plan.kind == PlanKind::kForward; }

}  // namespace

Task<std::vector<CommandFigures>> GatherCommandFigures(RecipeCall& call) {
  const size_t commands = call.context().table.size();
  const Proxy::Visit visit = [commands](WorkerView& worker, std::string& out) {
    const std::vector<CommandMetrics>& metrics = worker.metrics().per_command;
    for (size_t i = 0; i < commands && i < metrics.size(); ++i) {
      CommandFigures figures{metrics[i].calls.value(),
                             metrics[i].failed.value(),
                             metrics[i].rejected.value(),
                             metrics[i].micros.value(),
                             {}};
      for (size_t b = 0; b < figures.buckets.size(); ++b) {
        figures.buckets[b] = metrics[i].buckets[b].value();
      }
      out.append(reinterpret_cast<const char*>(&figures), sizeof(figures));
    }
  };
  const std::vector<std::string> reports = co_await call.VisitWorkers(visit);
  std::vector<CommandFigures> sum(commands);
  for (const std::string& report : reports) {
    for (size_t i = 0; i < commands && (i + 1) * sizeof(CommandFigures) <= report.size(); ++i) {
      CommandFigures part;
      std::memcpy(&part, report.data() + i * sizeof(part), sizeof(part));
      sum[i].calls += part.calls;
      sum[i].failed += part.failed;
      sum[i].rejected += part.rejected;
      sum[i].micros += part.micros;
      for (size_t b = 0; b < part.buckets.size(); ++b) sum[i].buckets[b] += part.buckets[b];
    }
  }
  co_return sum;
}

void AddCommandStats(const CommandTable& table, const std::vector<CommandFigures>& figures,
                     InfoSection& section) {
  for (const auto& command : table.all()) {
    const CommandFigures& own = figures[command->id];
    const std::string name = "cmdstat_" + command->full_name;
    const auto known = std::find_if(section.fields.begin(), section.fields.end(),
                                    [&name](const InfoField& field) { return field.name == name; });
    const bool has = known != section.fields.end();
    if (has && ShardsCount(*command)) continue;
    if (own.calls == 0 && own.rejected == 0) {
      if (has) section.fields.erase(known);
      continue;
    }
    const double each =
        own.calls == 0 ? 0 : static_cast<double>(own.micros) / static_cast<double>(own.calls);
    std::string value =
        fmt::format("calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}",
                    own.calls, own.micros, each, own.rejected, own.failed);
    if (has) {
      known->value = std::move(value);
    } else {
      section.fields.push_back({name, std::move(value)});
    }
  }
}

// Of what clients waited for, as the proxy saw it.
Task<std::string> LatencyHistogramRecipe(RecipeCall& call) {
  const std::vector<CommandFigures> figures = co_await GatherCommandFigures(call);
  std::vector<const Command*> shown = Asked(call.context().table, call.args().subspan(2));
  std::erase_if(shown, [&](const Command* command) { return figures[command->id].calls == 0; });
  std::string reply;
  ReplyWriter writer(reply, call.resp());
  writer.Map(shown.size());
  for (const Command* command : shown) {
    writer.Bulk(command->full_name);
    WriteHistogram(figures[command->id], writer);
  }
  co_return reply;
}

}  // namespace ringmaster
