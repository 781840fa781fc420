// DEBUG: what helps tests and looks at one key is passed on; what breaks a server is not. COMMAND
// knows no subcommands of it, so their rows are hidden.
#include "command/table/families.h"

namespace ringmaster {
namespace {

constexpr uint32_t kFlags = kAdmin | kNoScript | kLoading | kStale;
constexpr char kOneServer[] = "is about one server alone; run it on a shard";

constexpr Row Subcommand(const char* name, int arity, const PlanSpec& plan) {
  Row row;
  row.name = name;
  row.arity = arity;
  row.flags = kFlags | kHidden;
  row.plan = plan;
  return row;
}
constexpr Row OfKeys(const char* name, int arity, int16_t last) {
  Row row = Subcommand(name, arity, Forward());
  row.flags |= kReadOnly;
  row.specs[0] = KeyRange("RO", 2, last, 1);
  return row;
}
constexpr Row OfKey(const char* name, int arity) { return OfKeys(name, arity, 0); }
constexpr Row OnEveryShard(const char* name, int arity) {
  return Subcommand(name, arity, EveryShard(Merge::kAllSucceeded));
}
constexpr Row OnAnyShard(const char* name, int arity) { return Subcommand(name, arity, Forward()); }
constexpr Row Refused(const char* name) { return Subcommand(name, -2, Refuse(kOneServer)); }

constexpr Row kSubcommands[] = {
    Refused("assert"),
    OnEveryShard("aof-flush-sleep", 3),
    OnEveryShard("change-repl-id", 2),
    Refused("client-eviction"),
    Refused("clusterlink"),
    OnEveryShard("config-rewrite-force-all", 2),
    Refused("crash-and-recover"),
    Refused("digest"),
    OfKeys("digest-value", -3, -1),
    Refused("drop-cluster-packet-filter"),
    OnAnyShard("error", 3),
    OnAnyShard("help", 2),
    Refused("htstats"),
    OfKey("htstats-key", 3),
    Refused("leak"),
    OfKey("listpack", 3),
    OnEveryShard("loadaof", 2),
    OnEveryShard("log", 3),
    Refused("mallctl"),
    Refused("mallctl-str"),
    OfKey("object", -3),
    Refused("oom"),
    Refused("panic"),
    OnEveryShard("pause-cron", 3),
    Refused("populate"),
    OnAnyShard("protocol", 3),
    OfKey("quicklist", -3),
    OnEveryShard("quicklist-packed-threshold", 3),
    OnEveryShard("reload", -2),
    Refused("replicate"),
    OnEveryShard("replybuffer", -2),
    Refused("restart"),
    OfKey("sdslen", 3),
    Refused("segfault"),
    OnEveryShard("set-active-expire", 3),
    OnEveryShard("set-skip-checksum-validation", 3),
    OnEveryShard("sleep", 3),
    Refused("stringmatch-test"),
    OnAnyShard("structsize", -2),
};

constexpr Row kRows[] = {
    {.name = "debug",
     .arity = -2,
     .flags = kFlags,
     .plan = Refuse(kOneServer),
     .subcommands = kSubcommands},
};

}  // namespace

std::span<const Row> DebugFamily() { return kRows; }

}  // namespace ringmaster
