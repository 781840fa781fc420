#include "command/whole/info_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace ringmaster {
namespace {

enum class Rule : uint8_t {
  kSum,            // numbers; of anything else the first
  kSumUnlessZero,  // where zero means without limit
  kFirst,
  kMax,
  kMin,
  kWorst,       // the first that is not "ok"
  kPairs,       // a=1,b=2: pair by pair
  kLargePairs,  // the same, the largest of each
  kDrop,
};

struct NamedRule {
  const char* name;  // a star at the end stands for any rest
  Rule rule;
};

// Where a sum would lie. The first that fits counts.
constexpr NamedRule kRules[] = {
    {"maxmemory", Rule::kSumUnlessZero},
    {"client_recent_max_*", Rule::kMax},
    {"total_system_memory", Rule::kMax},
    {"number_of_*", Rule::kMax},  // scripts and functions are loaded on every shard
    {"active_defrag_running", Rule::kMax},
    {"used_memory_lua*", Rule::kMax},  // of the largest interpreter: each shard has its own
    {"loading", Rule::kMax},
    {"async_loading", Rule::kMax},
    {"loading_start_time", Rule::kMin},
    {"loading_loaded_perc", Rule::kMin},
    {"loading_eta_seconds", Rule::kMax},
    {"current_cow_size_age", Rule::kMax},
    {"current_fork_perc", Rule::kMax},
    {"rdb_last_save_time", Rule::kMin},
    {"rdb_last_bgsave_status", Rule::kWorst},
    {"rdb_last_bgsave_time_sec", Rule::kMax},
    {"rdb_current_bgsave_time_sec", Rule::kMax},
    {"rdb_bgsave_in_progress", Rule::kMax},
    {"aof_enabled", Rule::kMax},
    {"aof_rewrite_in_progress", Rule::kMax},
    {"aof_rewrite_scheduled", Rule::kMax},
    {"aof_last_rewrite_time_sec", Rule::kMax},
    {"aof_current_rewrite_time_sec", Rule::kMax},
    {"aof_last_bgrewrite_status", Rule::kWorst},
    {"aof_rewrites_consecutive_failures", Rule::kMax},
    {"aof_last_write_status", Rule::kWorst},
    {"module_fork_in_progress", Rule::kMax},
    {"latest_fork_usec", Rule::kMax},
    {"expired_stale_perc", Rule::kMax},
    {"current_eviction_exceeded_time", Rule::kMax},
    {"current_active_defrag_time", Rule::kMax},
    // To a client there is one master, whose replicas are not to be read from.
    {"slave_expires_tracked_keys", Rule::kSum},
    {"slave*", Rule::kDrop},
    {"master_host", Rule::kDrop},
    {"master_port", Rule::kDrop},
    {"master_link_*", Rule::kDrop},
    {"master_last_io_*", Rule::kDrop},
    {"master_sync_*", Rule::kDrop},
    {"second_repl_offset", Rule::kFirst},
    {"repl_backlog_active", Rule::kMax},
};

// Worked out from merged fields: numerator / (denominator - less).
struct Ratio {
  const char* name;
  const char* numerator;
  const char* denominator;
  const char* less = nullptr;
  bool percent = false;
};
constexpr Ratio kRatios[] = {
    {"used_memory_peak_perc", "used_memory", "used_memory_peak", nullptr, true},
    {"used_memory_dataset_perc", "used_memory_dataset", "used_memory", "used_memory_startup", true},
    {"allocator_frag_ratio", "allocator_active", "allocator_allocated"},
    {"allocator_rss_ratio", "allocator_resident", "allocator_active"},
    {"rss_overhead_ratio", "used_memory_rss", "allocator_resident"},
    {"mem_fragmentation_ratio", "used_memory_rss", "used_memory"},
};

using Values = std::vector<std::string>;

std::vector<InfoSection> Split(const std::string& info) {
  std::vector<InfoSection> sections;
  for (size_t at = 0; at < info.size();) {
    const size_t end = std::min(info.find("\r\n", at), info.size());
    const std::string line = info.substr(at, end - at);
    at = end + 2;
    const size_t colon = line.find(':');
    if (line.starts_with("# ")) {
      sections.push_back({line.substr(2), {}});
    } else if (colon != std::string::npos && !sections.empty()) {
      sections.back().fields.push_back({line.substr(0, colon), line.substr(colon + 1)});
    }
  }
  return sections;
}

bool Fits(Bytes pattern, Bytes name) {
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

Rule RuleOf(const std::string& section, const std::string& name) {
  if (section == "Keyspace" || section == "Commandstats" || section == "Errorstats") {
    return Rule::kPairs;
  }
  if (section == "Latencystats") return Rule::kLargePairs;
  for (const NamedRule& known : kRules) {
    if (Fits(known.name, name)) return known.rule;
  }
  // Counts of others are summed, of newer servers too.
  static constexpr Bytes kSummed[] = {"Clients", "Memory",      "Persistence",
                                      "Stats",   "Replication", "CPU"};
  const bool counts =
      std::find(std::begin(kSummed), std::end(kSummed), section) != std::end(kSummed);
  return counts ? Rule::kSum : Rule::kFirst;
}

// As many digits behind the point as the first value has.
std::string Format(double number, const std::string& like) {
  const size_t point = like.find('.');
  return fmt::format("{:.{}f}", number, point == std::string::npos ? 0 : like.size() - point - 1);
}

std::string Largest(const Values& values, bool smallest) {
  std::string best = values[0];
  for (const std::string& value : values) {
    const auto number = ParseDouble(value);
    const auto so_far = ParseDouble(best);
    if (!number || !so_far) return values[0];
    if (smallest ? *number < *so_far : *number > *so_far) best = value;
  }
  return best;
}

std::string Sum(const Values& values) {
  int64_t whole = 0;
  double sum = 0;
  bool all_whole = true;
  for (const std::string& value : values) {
    const auto number = ParseDouble(value);
    if (!number) return values[0];
    const auto integer = ParseInteger(value);
    all_whole = all_whole && integer && !__builtin_add_overflow(whole, integer.value_or(0), &whole);
    sum += *number;
  }
  return all_whole ? std::to_string(whole) : Format(sum, values[0]);
}

std::vector<InfoField> Pairs(const std::string& value) {
  std::vector<InfoField> pairs;
  for (size_t at = 0; at < value.size();) {
    const size_t end = std::min(value.find(',', at), value.size());
    const std::string pair = value.substr(at, end - at);
    const size_t equals = std::min(pair.find('='), pair.size());
    pairs.push_back({pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size()))});
    at = end + 1;
  }
  return pairs;
}

std::optional<double> NumberOf(const std::vector<InfoField>& pairs, Bytes name) {
  for (const InfoField& pair : pairs) {
    if (pair.name == name) return ParseDouble(pair.value);
  }
  return std::nullopt;
}

// The mean of avg_ttl over the keys that expire.
std::string AverageTtl(const std::vector<std::vector<InfoField>>& all) {
  double expires = 0;
  double ttl = 0;
  for (const std::vector<InfoField>& pairs : all) {
    const double count = NumberOf(pairs, "expires").value_or(0);
    expires += count;
    ttl += count * NumberOf(pairs, "avg_ttl").value_or(0);
  }
  return fmt::format("{:.0f}", expires > 0 ? ttl / expires : 0);
}

std::string MergePairs(const Values& values, bool largest) {
  std::vector<std::vector<InfoField>> all;
  for (const std::string& value : values) all.push_back(Pairs(value));
  std::vector<InfoField> merged = all[0];
  for (InfoField& pair : merged) {
    Values same;
    for (const std::vector<InfoField>& pairs : all) {
      for (const InfoField& other : pairs) {
        if (other.name == pair.name) same.push_back(other.value);
      }
    }
    pair.value = largest ? Largest(same, false) : Sum(same);
    if (pair.name == "avg_ttl") pair.value = AverageTtl(all);
  }
  std::string out;
  for (InfoField& pair : merged) {
    if (pair.name == "usec_per_call") {
      const double calls = NumberOf(merged, "calls").value_or(0);
      const double usec = NumberOf(merged, "usec").value_or(0);
      pair.value = fmt::format("{:.2f}", calls > 0 ? usec / calls : 0);
    }
    if (!out.empty()) out += ",";
    out += pair.name + "=" + pair.value;
  }
  return out;
}

std::string Merge(const Values& values, Rule rule) {
  switch (rule) {
    case Rule::kSum:
      return Sum(values);
    case Rule::kSumUnlessZero:
      return std::find(values.begin(), values.end(), "0") != values.end() ? "0" : Sum(values);
    case Rule::kMax:
    case Rule::kMin:
      return Largest(values, rule == Rule::kMin);
    case Rule::kWorst: {
      const auto bad = std::find_if(values.begin(), values.end(),
                                    [](const std::string& value) { return value != "ok"; });
      return bad == values.end() ? values[0] : *bad;
    }
    case Rule::kPairs:
    case Rule::kLargePairs:
      return MergePairs(values, rule == Rule::kLargePairs);
    case Rule::kFirst:
    case Rule::kDrop:
      break;
  }
  return values[0];
}

// As Redis writes sizes for people (bytesToHuman).
std::string HumanSize(double bytes) {
  static constexpr const char* kUnits[] = {"B", "K", "M", "G", "T", "P"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f}B", bytes) : fmt::format("{:.2f}{}", bytes, kUnits[unit]);
}

// What follows from other fields of the section.
void WorkOut(InfoSection& section) {
  const auto number = [&section](const char* name) {
    return name == nullptr ? 0 : NumberOf(section.fields, name).value_or(0);
  };
  for (InfoField& field : section.fields) {
    constexpr Bytes kHuman = "_human";
    if (field.name.ends_with(kHuman)) {
      const std::string plain = field.name.substr(0, field.name.size() - kHuman.size());
      field.value = HumanSize(number(plain.c_str()));
    }
    for (const Ratio& ratio : kRatios) {
      const double denominator = number(ratio.denominator) - number(ratio.less);
      if (field.name != ratio.name || denominator <= 0) continue;
      const double share = number(ratio.numerator) / denominator;
      field.value =
          ratio.percent ? fmt::format("{:.2f}%", share * 100) : fmt::format("{:.2f}", share);
    }
  }
}

// One section of all texts together.
InfoSection MergeSection(const std::string& title,
                         const std::vector<std::vector<InfoSection>>& infos) {
  InfoSection merged{title, {}};
  std::map<std::string, Values> values;
  bool first = true;
  for (const std::vector<InfoSection>& info : infos) {
    for (const InfoSection& section : info) {
      if (section.title != title) continue;
      for (const InfoField& field : section.fields) {
        Values& known = values[field.name];
        // A name that comes more than once (module) is a list: the first shard's.
        const bool repeated = first && !known.empty();
        if (known.empty() || repeated) merged.fields.push_back(field);
        if (!repeated) known.push_back(field.value);
      }
      first = false;
    }
  }
  for (InfoField& field : merged.fields) {
    const Rule rule = RuleOf(title, field.name);
    if (rule != Rule::kFirst) field.value = Merge(values[field.name], rule);
  }
  std::erase_if(merged.fields, [&title](const InfoField& field) {
    return RuleOf(title, field.name) == Rule::kDrop;
  });
  if (title == "Keyspace") {
    // By number, though shards have different databases in use.
    std::sort(merged.fields.begin(), merged.fields.end(),
              [](const InfoField& a, const InfoField& b) {
                return std::pair(a.name.size(), a.name) < std::pair(b.name.size(), b.name);
              });
  }
  WorkOut(merged);
  return merged;
}

void Replace(InfoSection& section, std::span<const InfoSection> own) {
  for (const InfoSection& mine : own) {
    if (mine.title != section.title) continue;
    for (const InfoField& field : mine.fields) {
      for (InfoField& theirs : section.fields) {
        if (theirs.name == field.name) theirs.value = field.value;
      }
    }
  }
}

}  // namespace

Bytes InfoText(const ReplyElement& reply) {
  return reply.type == '=' && reply.text.size() >= 4 ? reply.text.substr(4) : reply.text;
}

std::string MergeInfo(std::span<const std::string> infos, std::span<const InfoSection> own,
                      const std::function<void(InfoSection&)>& finish) {
  std::vector<std::vector<InfoSection>> split;
  for (const std::string& info : infos) split.push_back(Split(info));
  std::vector<InfoSection> merged;
  if (split.empty()) merged.assign(own.begin(), own.end());
  for (const std::vector<InfoSection>& info : split) {
    for (const InfoSection& section : info) {
      const bool known = std::any_of(merged.begin(), merged.end(), [&section](const auto& other) {
        return other.title == section.title;
      });
      if (!known) merged.push_back(MergeSection(section.title, split));
    }
  }
  std::string out;
  for (InfoSection& section : merged) {
    Replace(section, own);
    if (finish) finish(section);
    if (!out.empty()) out += "\r\n";
    out += "# " + section.title + "\r\n";
    for (const InfoField& field : section.fields) out += field.name + ":" + field.value + "\r\n";
  }
  return out;
}

}  // namespace ringmaster
