// Channels.
#include "command/push/handlers.h"
#include "command/table/families.h"
#include "command/table/keys.h"

namespace ringmaster {
namespace {

constexpr Row kPubsubSubcommands[] = {
    {.name = "channels",
     .arity = -2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Recipe(PubsubChannelsRecipe)},
    {.name = "help", .arity = 2, .flags = kLoading | kStale, .plan = Forward()},
    {.name = "numpat",
     .arity = 2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Recipe(PubsubNumPatRecipe)},
    {.name = "numsub",
     .arity = -2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Recipe(PubsubNumSubRecipe)},
    {.name = "shardchannels",
     .arity = -2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Recipe(PubsubChannelsRecipe)},
    {.name = "shardnumsub",
     .arity = -2,
     .flags = kPubSub | kLoading | kStale,
     .plan = Recipe(PubsubNumSubRecipe)},
};

constexpr Row kRows[] = {
    {.name = "psubscribe",
     .arity = -2,
     .flags = kPubSub | kNoScript | kLoading | kStale | kChannels | kChannelPatterns | kAlone,
     .plan = Start(PSubscribeStart)},
    {.name = "publish",
     .arity = 3,
     .flags = kPubSub | kLoading | kStale | kFast | kMayWrite | kChannels,
     .plan = Start(PublishStart)},
    {.name = "pubsub",
     .arity = -2,
     .flags = 0,
     .plan = Forward(),
     .subcommands = kPubsubSubcommands},
    {.name = "punsubscribe",
     .arity = -1,
     .flags = kPubSub | kNoScript | kLoading | kStale | kAlone,
     .plan = Start(PUnsubscribeStart)},
    {.name = "spublish",
     .arity = 3,
     .flags = kPubSub | kLoading | kStale | kFast | kMayWrite | kChannels,
     .plan = Start(SPublishStart),
     .specs = {Key("not_key", 1)}},
    {.name = "ssubscribe",
     .arity = -2,
     .flags = kPubSub | kNoScript | kLoading | kStale | kChannels | kAlone,
     .plan = Start(SSubscribeStart),
     .specs = {KeyRange("not_key", 1, -1, 1)}},
    {.name = "subscribe",
     .arity = -2,
     .flags = kPubSub | kNoScript | kLoading | kStale | kChannels | kAlone,
     .plan = Start(SubscribeStart)},
    {.name = "sunsubscribe",
     .arity = -1,
     .flags = kPubSub | kNoScript | kLoading | kStale | kAlone,
     .plan = Start(SUnsubscribeStart),
     .specs = {KeyRange("not_key", 1, -1, 1)}},
    {.name = "unsubscribe",
     .arity = -1,
     .flags = kPubSub | kNoScript | kLoading | kStale | kAlone,
     .plan = Start(UnsubscribeStart)},
};

}  // namespace

std::span<const Row> PubsubFamily() { return kRows; }

}  // namespace ringmaster
