// Bits and bit fields in strings.
#include "command/table/families.h"
#include "command/table/keys.h"

namespace ringmaster {
namespace {

constexpr Row kRows[] = {
    {.name = "bitcount",
     .arity = -2,
     .flags = kReadOnly,
     .plan = Forward(),
     .categories = "bitmap",
     .specs = {Key("RO access", 1)}},
    {.name = "bitfield",
     .arity = -2,
     .flags = kWrite | kDenyOom,
     .plan = Forward(),
     .categories = "bitmap",
     .specs = {Noted(Key("RW access update variable_flags", 1),
                     "This command allows both access and modification of the key")},
     .finder = BitfieldKeys},
    {.name = "bitfield_ro",
     .arity = -2,
     .flags = kReadOnly | kFast,
     .plan = Forward(),
     .categories = "bitmap",
     .specs = {Key("RO access", 1)}},
    {.name = "bitop",
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .plan = Forward(),
     .categories = "bitmap",
     .specs = {Key("OW update", 2), KeyRange("RO access", 3, -1, 1)}},
    {.name = "bitpos",
     .arity = -3,
     .flags = kReadOnly,
     .plan = Forward(),
     .categories = "bitmap",
     .specs = {Key("RO access", 1)}},
    {.name = "getbit",
     .arity = 3,
     .flags = kReadOnly | kFast,
     .plan = Forward(),
     .categories = "bitmap",
     .specs = {Key("RO access", 1)}},
    {.name = "setbit",
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .plan = Forward(),
     .categories = "bitmap",
     .specs = {Key("RW access update", 1)}},
};

}  // namespace

std::span<const Row> BitmapFamily() { return kRows; }

}  // namespace ringmaster
