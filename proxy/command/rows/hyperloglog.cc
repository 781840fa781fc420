// Cardinality sketches.
#include "command/table/families.h"
#include "command/table/keys.h"

namespace ringmaster {
namespace {

constexpr Row kRows[] = {
    {.name = "pfadd",
     .arity = -2,
     .flags = kWrite | kDenyOom | kFast,
     .plan = Forward(),
     .categories = "hyperloglog",
     .specs = {Key("RW insert", 1)}},
    {.name = "pfcount",
     .arity = -2,
     .flags = kReadOnly | kMayWrite,
     .plan = Forward(),
     .categories = "hyperloglog",
     .specs = {Noted(KeyRange("RW access", 1, -1, 1),
                     "RW because it may change the internal representation of the key, and "
                     "propagate to replicas")}},
    {.name = "pfdebug",
     .arity = 3,
     .flags = kWrite | kDenyOom | kAdmin,
     .plan = Forward(),
     .categories = "hyperloglog",
     .specs = {Key("RW access", 2)}},
    {.name = "pfmerge",
     .arity = -2,
     .flags = kWrite | kDenyOom,
     .plan = Forward(),
     .categories = "hyperloglog",
     .specs = {Key("RW access insert", 1), KeyRange("RO access", 2, -1, 1)}},
    {.name = "pfselftest",
     .arity = 1,
     .flags = kAdmin,
     .plan = Forward(),
     .categories = "hyperloglog"},
};

}  // namespace

std::span<const Row> HyperloglogFamily() { return kRows; }

}  // namespace ringmaster
