// MULTI and its kin.
#include "command/families.h"
#include "command/handlers.h"

namespace ringmaster {
namespace {

constexpr Row kRows[] = {
    {.name = "discard",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .plan = Refuse(kTransactionsLater),
     .categories = "transaction"},
    {.name = "exec",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kSkipSlowlog,
     .plan = Refuse(kTransactionsLater),
     .categories = "transaction"},
    {.name = "multi",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .plan = Refuse(kTransactionsLater),
     .categories = "transaction"},
    {.name = "unwatch",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .plan = Refuse(kTransactionsLater),
     .categories = "transaction"},
    {.name = "watch",
     .arity = -2,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .plan = Refuse(kTransactionsLater),
     .categories = "transaction",
     .specs = {KeyRange("RO", 1, -1, 1)}},
};

}  // namespace

std::span<const Row> TransactionsFamily() { return kRows; }

}  // namespace ringmaster
