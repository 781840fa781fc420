// ACL: without configured users there is Redis's default user, who may do everything and cannot be
// changed here.
#include "command/families.h"
#include "command/handlers.h"

namespace ringmaster {
namespace {

constexpr char kOnlyDefault[] =
    "is not served by this version: the proxy has the default user only, and its shards' users are "
    "their own";
constexpr uint32_t kFlags = kNoScript | kLoading | kStale;

constexpr Row kSubcommands[] = {
    {.name = "cat", .arity = -2, .flags = kFlags, .plan = Forward()},
    {.name = "deluser", .arity = -3, .flags = kAdmin | kFlags, .plan = Refuse(kOnlyDefault)},
    {.name = "dryrun", .arity = -4, .flags = kAdmin | kFlags, .plan = Refuse(kOnlyDefault)},
    {.name = "genpass", .arity = -2, .flags = kFlags, .plan = Forward()},
    {.name = "getuser", .arity = 3, .flags = kAdmin | kFlags, .plan = Local(AclGetUser)},
    {.name = "help", .arity = 2, .flags = kLoading | kStale, .plan = Forward()},
    {.name = "list", .arity = 2, .flags = kAdmin | kFlags, .plan = Local(AclList)},
    {.name = "load", .arity = 2, .flags = kAdmin | kFlags, .plan = Refuse(kOnlyDefault)},
    {.name = "log", .arity = -2, .flags = kAdmin | kFlags, .plan = Refuse(kOnlyDefault)},
    {.name = "save", .arity = 2, .flags = kAdmin | kFlags, .plan = Refuse(kOnlyDefault)},
    {.name = "setuser", .arity = -3, .flags = kAdmin | kFlags, .plan = Refuse(kOnlyDefault)},
    {.name = "users", .arity = 2, .flags = kAdmin | kFlags, .plan = Local(AclUsers)},
    {.name = "whoami", .arity = 2, .flags = kFlags, .plan = Local(AclWhoAmI)},
};

constexpr Row kRows[] = {
    {.name = "acl", .arity = -2, .flags = 0, .plan = Forward(), .subcommands = kSubcommands},
};

}  // namespace

std::span<const Row> AclFamily() { return kRows; }

}  // namespace ringmaster
