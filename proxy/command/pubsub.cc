// Channels.
#include "command/families.h"
#include "command/handlers.h"

namespace ringmaster {
namespace {

constexpr Row kPubsubSubcommands[] = {
    {.name = "channels",
     .arity = -2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Refuse(kPubSubLater)},
    {.name = "help", .arity = 2, .flags = kLoading | kStale, .plan = Forward()},
    {.name = "numpat",
     .arity = 2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Refuse(kPubSubLater)},
    {.name = "numsub",
     .arity = -2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Refuse(kPubSubLater)},
    {.name = "shardchannels",
     .arity = -2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Refuse(kPubSubLater)},
    {.name = "shardnumsub",
     .arity = -2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Refuse(kPubSubLater)},
};

constexpr Row kRows[] = {
    {.name = "psubscribe",
     .arity = -2,
     .flags = kPubSub | kNoScript | kLoading | kStale | kChannels | kChannelPatterns,
     .plan = Refuse(kPubSubLater)},
    {.name = "publish",
     .arity = 3,
     .flags = kPubSub | kLoading | kStale | kFast | kMayWrite | kChannels,
     .plan = Refuse(kPubSubLater)},
    {.name = "pubsub",
     .arity = -2,
     .flags = 0,
     .plan = Forward(),
     .subcommands = kPubsubSubcommands},
    {.name = "punsubscribe",
     .arity = -1,
     .flags = kPubSub | kNoScript | kLoading | kStale,
     .plan = Refuse(kPubSubLater)},
    {.name = "spublish",
     .arity = 3,
     .flags = kPubSub | kLoading | kStale | kFast | kMayWrite | kChannels,
     .plan = Refuse(kPubSubLater),
     .specs = {Key("not_key", 1)}},
    {.name = "ssubscribe",
     .arity = -2,
     .flags = kPubSub | kNoScript | kLoading | kStale | kChannels,
     .plan = Refuse(kPubSubLater),
     .specs = {KeyRange("not_key", 1, -1, 1)}},
    {.name = "subscribe",
     .arity = -2,
     .flags = kPubSub | kNoScript | kLoading | kStale | kChannels,
     .plan = Refuse(kPubSubLater)},
    {.name = "sunsubscribe",
     .arity = -1,
     .flags = kPubSub | kNoScript | kLoading | kStale,
     .plan = Refuse(kPubSubLater),
     .specs = {KeyRange("not_key", 1, -1, 1)}},
    {.name = "unsubscribe",
     .arity = -1,
     .flags = kPubSub | kNoScript | kLoading | kStale,
     .plan = Refuse(kPubSubLater)},
};

}  // namespace

std::span<const Row> PubsubFamily() { return kRows; }

}  // namespace ringmaster
