// Positions in sorted sets.
#include "command/table/families.h"
#include "command/table/keys.h"

namespace ringmaster {
namespace {

constexpr Row kRows[] = {
    {.name = "geoadd",
     .arity = -5,
     .flags = kWrite | kDenyOom,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RW update", 1)}},
    {.name = "geodist",
     .arity = -4,
     .flags = kReadOnly,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RO access", 1)}},
    {.name = "geohash",
     .arity = -2,
     .flags = kReadOnly,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RO access", 1)}},
    {.name = "geopos",
     .arity = -2,
     .flags = kReadOnly,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RO access", 1)}},
    {.name = "georadius",
     .arity = -6,
     .flags = kWrite | kDenyOom | kMovableKeys,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RO access", 1), KeyAfter("OW update", "STORE", 6),
               KeyAfter("OW update", "STOREDIST", 6)},
     .finder = GeoradiusKeys},
    {.name = "georadius_ro",
     .arity = -6,
     .flags = kReadOnly,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RO access", 1)}},
    {.name = "georadiusbymember",
     .arity = -5,
     .flags = kWrite | kDenyOom | kMovableKeys,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RO access", 1), KeyAfter("OW update", "STORE", 5),
               KeyAfter("OW update", "STOREDIST", 5)},
     .finder = GeoradiusByMemberKeys},
    {.name = "georadiusbymember_ro",
     .arity = -5,
     .flags = kReadOnly,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RO access", 1)}},
    {.name = "geosearch",
     .arity = -7,
     .flags = kReadOnly,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("RO access", 1)}},
    {.name = "geosearchstore",
     .arity = -8,
     .flags = kWrite | kDenyOom,
     .plan = Forward(),
     .categories = "geo",
     .specs = {Key("OW update", 1), Key("RO access", 2)}},
};

}  // namespace

std::span<const Row> GeoFamily() { return kRows; }

}  // namespace ringmaster
