// Lua scripts and functions.
#include "command/script/handlers.h"
#include "command/table/families.h"

namespace ringmaster {
namespace {

constexpr Row kFunctionSubcommands[] = {
    {.name = "delete",
     .arity = 3,
     .flags = kWrite | kNoScript | kAlone,
     .plan = Recipe(ChangeFunctionsRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "dump", .arity = 2, .flags = kNoScript, .plan = Forward(), .categories = "scripting"},
    {.name = "flush",
     .arity = -2,
     .flags = kWrite | kNoScript | kAlone,
     .plan = Recipe(ChangeFunctionsRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "help",
     .arity = 2,
     .flags = kLoading | kStale,
     .plan = Forward(),
     .categories = "scripting"},
    {.name = "kill",
     .arity = 2,
     .flags = kNoScript | kAllowBusy,
     .plan = Recipe(KillScriptRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_shards response_policy:one_succeeded"},
    {.name = "list",
     .arity = -2,
     .flags = kNoScript,
     .plan = Forward(),
     .categories = "scripting",
     .tips = "nondeterministic_output_order"},
    {.name = "load",
     .arity = -3,
     .flags = kWrite | kDenyOom | kNoScript | kAlone,
     .plan = Recipe(ChangeFunctionsRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "restore",
     .arity = -3,
     .flags = kWrite | kDenyOom | kNoScript | kAlone,
     .plan = Recipe(ChangeFunctionsRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "stats",
     .arity = 2,
     .flags = kNoScript | kAllowBusy,
     .plan = Forward(),
     .categories = "scripting",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
};

constexpr Row kScriptSubcommands[] = {
    {.name = "debug",
     .arity = 3,
     .flags = kNoScript,
     .plan = Refuse("is not served by a proxy; debug scripts on a shard"),
     .categories = "scripting"},
    {.name = "exists",
     .arity = -3,
     .flags = kNoScript | kAlone,
     .plan = Recipe(ScriptExistsRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_shards response_policy:agg_logical_and"},
    {.name = "flush",
     .arity = -2,
     .flags = kNoScript | kAlone,
     .plan = Recipe(ScriptFlushRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {.name = "help",
     .arity = 2,
     .flags = kLoading | kStale,
     .plan = Forward(),
     .categories = "scripting"},
    {.name = "kill",
     .arity = 2,
     .flags = kNoScript | kAllowBusy,
     .plan = Recipe(KillScriptRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_shards response_policy:one_succeeded"},
    {.name = "load",
     .arity = 3,
     .flags = kNoScript | kStale | kAlone,
     .plan = Recipe(ScriptLoadRecipe),
     .categories = "scripting",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
};

// The script alone knows what it does to its keys.
constexpr KeySpec kAssumedWrites =
    Noted(CountedKeys("RW access update", 2),
          "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE");
constexpr KeySpec kAssumedReads =
    Noted(CountedKeys("RO access", 2),
          "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS");

constexpr Row kRows[] = {
    {.name = "eval",
     .arity = -3,
     .flags = kRunsScript | kNoScript | kStale | kSkipMonitor | kNoMandatoryKeys | kMovableKeys |
              kMayWrite,
     .plan = Forward(),
     .categories = "scripting",
     .specs = {kAssumedWrites}},
    {.name = "eval_ro",
     .arity = -3,
     .flags = kRunsScript | kReadOnly | kNoScript | kStale | kSkipMonitor | kNoMandatoryKeys |
              kMovableKeys,
     .plan = Forward(),
     .categories = "scripting",
     .specs = {kAssumedReads}},
    {.name = "evalsha",
     .arity = -3,
     .flags = kRunsScript | kScriptBySha | kNoScript | kStale | kSkipMonitor | kNoMandatoryKeys |
              kMovableKeys | kMayWrite,
     .plan = Forward(),
     .categories = "scripting",
     .specs = {CountedKeys("RW access update", 2)}},
    {.name = "evalsha_ro",
     .arity = -3,
     .flags = kRunsScript | kScriptBySha | kReadOnly | kNoScript | kStale | kSkipMonitor |
              kNoMandatoryKeys | kMovableKeys,
     .plan = Forward(),
     .categories = "scripting",
     .specs = {CountedKeys("RO access", 2)}},
    {.name = "fcall",
     .arity = -3,
     .flags = kRunsScript | kFunctionByName | kNoScript | kStale | kSkipMonitor | kNoMandatoryKeys |
              kMovableKeys | kMayWrite,
     .plan = Forward(),
     .categories = "scripting",
     .specs = {kAssumedWrites}},
    {.name = "fcall_ro",
     .arity = -3,
     .flags = kRunsScript | kFunctionByName | kReadOnly | kNoScript | kStale | kSkipMonitor |
              kNoMandatoryKeys | kMovableKeys,
     .plan = Forward(),
     .categories = "scripting",
     .specs = {kAssumedReads}},
    {.name = "function",
     .arity = -2,
     .flags = 0,
     .plan = Forward(),
     .subcommands = kFunctionSubcommands},
    {.name = "script",
     .arity = -2,
     .flags = 0,
     .plan = Forward(),
     .subcommands = kScriptSubcommands},
};

}  // namespace

std::span<const Row> ScriptingFamily() { return kRows; }

}  // namespace ringmaster
