#include "command/info_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace ringmaster {
namespace {

struct Field {
  std::string name;  // empty: a section's head or an empty line, in value
  std::string value;
};

std::vector<Field> Split(const std::string& info) {
  std::vector<Field> fields;
  size_t at = 0;
  while (at < info.size()) {
    size_t end = info.find("\r\n", at);
    if (end == std::string::npos) end = info.size();
    const std::string line = info.substr(at, end - at);
    at = end + 2;
    const size_t colon = line.find(':');
    if (line.empty() || line[0] == '#' || colon == std::string::npos) {
      fields.push_back({"", line});
    } else {
      fields.push_back({line.substr(0, colon), line.substr(colon + 1)});
    }
  }
  return fields;
}

bool Among(const std::string& name, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* n) { return name == n; });
}

bool StartsWith(const std::string& name, std::initializer_list<const char*> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const char* p) { return name.starts_with(p); });
}

enum class Rule : uint8_t { kFirst, kSum, kMax, kMin, kSubfields };

Rule RuleOf(const std::string& name) {
  if (StartsWith(name, {"db", "cmdstat_", "errorstat_"}) && !Among(name, {"db_"})) {
    return Rule::kSubfields;
  }
  if (Among(name, {"rdb_last_save_time", "lru_clock"})) return Rule::kMin;
  if (StartsWith(name, {"client_recent_max", "latest_fork"}) ||
      Among(name, {"loading", "async_loading", "rdb_bgsave_in_progress", "aof_rewrite_in_progress",
                   "aof_enabled", "slowlog_len"})) {
    return Rule::kMax;
  }
  if (StartsWith(
          name,
          {"used_memory",   "used_cpu",       "total_",       "instantaneous_", "expired_",
           "evicted_",      "keyspace_",      "pubsub",       "rejected_",      "sync_",
           "tracking_",     "unexpected_",    "dump_payload", "io_threaded",    "reply_buffer",
           "acl_access",    "mem_clients",    "mem_not",      "mem_aof",        "mem_cluster",
           "mem_replica",   "number_of_",     "rdb_changes",  "lazyfree",       "migrate_",
           "slave_expires", "active_defrag_", "allocator_a",  "allocator_r"}) ||
      Among(name, {"maxmemory", "blocked_clients", "clients_in_timeout_table", "connected_clients",
                   "maxclients", "client_query_buffer_limit_disconnections",
                   "client_output_buffer_limit_disconnections"})) {
    return name.ends_with("_human") || name.ends_with("_perc") || name.ends_with("_ratio") ||
                   name.ends_with("_policy")
               ? Rule::kFirst
               : Rule::kSum;
  }
  return Rule::kFirst;
}

// Sums numbers in the form of the first: whole ones stay whole.
std::string Combine(const std::vector<std::string>& values, Rule rule) {
  const bool whole = std::all_of(values.begin(), values.end(), [](const std::string& value) {
    return ParseInteger(value).has_value();
  });
  double result = 0;
  int64_t whole_result = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto number = ParseDouble(values[i]);
    if (!number) return values[0];
    const int64_t integer = whole ? *ParseInteger(values[i]) : 0;
    if (i == 0) {
      result = *number;
      whole_result = integer;
    } else if (rule == Rule::kSum) {
      result += *number;
      whole_result += integer;
    } else if (rule == Rule::kMax ? *number > result : *number < result) {
      result = *number;
      whole_result = integer;
    }
  }
  if (whole) return std::to_string(whole_result);
  const size_t point = values[0].find('.');
  const size_t digits = point == std::string::npos ? 2 : values[0].size() - point - 1;
  return fmt::format("{:.{}f}", result, digits);
}

std::vector<Field> Subfields(const std::string& value) {
  std::vector<Field> fields;
  size_t at = 0;
  while (at <= value.size()) {
    const size_t end = std::min(value.find(',', at), value.size());
    const std::string part = value.substr(at, end - at);
    const size_t equals = part.find('=');
    if (equals != std::string::npos) {
      fields.push_back({part.substr(0, equals), part.substr(equals + 1)});
    }
    at = end + 1;
  }
  return fields;
}

// "keys=1,expires=0,avg_ttl=0" and the like: counts are summed, averages weighted by what they
// are averages of.
std::string CombineSubfields(const std::vector<std::string>& values) {
  std::vector<Field> names = Subfields(values[0]);
  std::vector<double> sums(names.size());
  double weight = 0;
  for (const std::string& value : values) {
    const std::vector<Field> fields = Subfields(value);
    if (fields.size() != names.size()) return values[0];
    const double count = ParseDouble(fields[fields.size() > 1 ? 1 : 0].value).value_or(0);
    const double calls = ParseDouble(fields[0].value).value_or(0);
    for (size_t i = 0; i < fields.size(); ++i) {
      const double number = ParseDouble(fields[i].value).value_or(0);
      sums[i] += names[i].name == "avg_ttl" ? number * count : number;
    }
    weight += names.back().name == "avg_ttl" ? count : calls;
  }
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ",";
    const bool average = names[i].name == "avg_ttl";
    if (average) sums[i] = weight > 0 ? sums[i] / weight : 0;
    if (names[i].name == "usec_per_call") {
      out += fmt::format("{}={:.2f}", names[i].name, sums[0] > 0 ? sums[1] / sums[0] : 0);
    } else {
      out += fmt::format("{}={:.0f}", names[i].name, sums[i]);
    }
  }
  return out;
}

// As Redis's bytesToHuman.
std::string HumanSize(double bytes) {
  static constexpr const char* kUnits[] = {"B", "K", "M", "G", "T", "P"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f}B", bytes) : fmt::format("{:.2f}{}", bytes, kUnits[unit]);
}

// Every field name of `infos`, in the order of the first, others' own lines behind those of their
// section (a database or a command that only one shard has).
std::vector<Field> Frame(const std::vector<std::vector<Field>>& infos) {
  std::vector<Field> frame = infos[0];
  for (size_t i = 1; i < infos.size(); ++i) {
    std::string section;
    for (const Field& field : infos[i]) {
      if (field.name.empty()) {
        if (!field.value.empty()) section = field.value;
        continue;
      }
      if (RuleOf(field.name) != Rule::kSubfields) continue;
      const auto known = std::find_if(frame.begin(), frame.end(),
                                      [&](const Field& f) { return f.name == field.name; });
      if (known != frame.end()) continue;
      auto at = std::find_if(frame.begin(), frame.end(),
                             [&](const Field& f) { return f.name.empty() && f.value == section; });
      if (at == frame.end()) {
        frame.push_back({"", section});
        at = frame.end() - 1;
      }
      ++at;
      while (at != frame.end() && !at->name.empty() && at->name < field.name) ++at;
      frame.insert(at, field);
    }
  }
  return frame;
}

}  // namespace

Bytes InfoText(const ReplyElement& reply) {
  return reply.type == '=' && reply.text.size() >= 4 ? reply.text.substr(4) : reply.text;
}

std::string MergeInfo(std::span<const std::string> infos,
                      const std::map<std::string, std::string>& own) {
  if (infos.empty()) return "";
  std::vector<std::vector<Field>> split;
  std::vector<std::map<std::string, std::string>> by_name;
  for (const std::string& info : infos) {
    split.push_back(Split(info));
    by_name.emplace_back();
    for (const Field& field : split.back()) by_name.back()[field.name] = field.value;
  }
  std::map<std::string, std::string> merged;
  std::string out;
  for (const Field& field : Frame(split)) {
    if (field.name.empty()) {
      out += field.value + "\r\n";
      continue;
    }
    std::vector<std::string> values;
    for (const auto& shard : by_name) {
      const auto found = shard.find(field.name);
      if (found != shard.end()) values.push_back(found->second);
    }
    const Rule rule = RuleOf(field.name);
    std::string value = rule == Rule::kFirst       ? values[0]
                        : rule == Rule::kSubfields ? CombineSubfields(values)
                                                   : Combine(values, rule);
    if (const auto mine = own.find(field.name); mine != own.end()) value = mine->second;
    if (field.name.ends_with("_human")) {
      const auto plain = merged.find(field.name.substr(0, field.name.size() - 6));
      if (plain != merged.end()) value = HumanSize(ParseDouble(plain->second).value_or(0));
    }
    merged[field.name] = value;
    out += field.name + ":" + value + "\r\n";
  }
  return out;
}

}  // namespace ringmaster
