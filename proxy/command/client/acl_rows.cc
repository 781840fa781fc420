// ACL: the proxy's own users. A shard knows the proxy only.
#include "command/client/handlers.h"
#include "command/table/families.h"

namespace ringmaster {
namespace {

constexpr uint32_t kFlags = kNoScript | kLoading | kStale;

constexpr Row kSubcommands[] = {
    {.name = "cat", .arity = -2, .flags = kFlags, .plan = Local(AclCat)},
    {.name = "deluser", .arity = -3, .flags = kAdmin | kFlags, .plan = Recipe(AclDelUserRecipe)},
    {.name = "dryrun", .arity = -4, .flags = kAdmin | kFlags, .plan = Recipe(AclDryRunRecipe)},
    {.name = "genpass", .arity = -2, .flags = kFlags, .plan = Forward()},
    {.name = "getuser", .arity = 3, .flags = kAdmin | kFlags, .plan = Local(AclGetUser)},
    {.name = "help", .arity = 2, .flags = kLoading | kStale, .plan = Forward()},
    {.name = "list", .arity = 2, .flags = kAdmin | kFlags, .plan = Local(AclList)},
    {.name = "load", .arity = 2, .flags = kAdmin | kFlags, .plan = Local(AclNoFile)},
    {.name = "log", .arity = -2, .flags = kAdmin | kFlags, .plan = Local(AclLog)},
    {.name = "save", .arity = 2, .flags = kAdmin | kFlags, .plan = Local(AclNoFile)},
    {.name = "setuser",
     .arity = -3,
     .flags = kAdmin | kFlags | kSecret,
     .plan = Recipe(AclSetUserRecipe)},
    {.name = "users", .arity = 2, .flags = kAdmin | kFlags, .plan = Local(AclUsers)},
    {.name = "whoami", .arity = 2, .flags = kFlags, .plan = Local(AclWhoAmI)},
};

constexpr Row kRows[] = {
    {.name = "acl", .arity = -2, .flags = 0, .plan = Forward(), .subcommands = kSubcommands},
};

}  // namespace

std::span<const Row> AclFamily() { return kRows; }

}  // namespace ringmaster
