// Functions that rows name, of messages out of turn: commands answered in the proxy, and recipes.
// Each is described by the Redis documentation of its command; what differs is said where it is
// implemented.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;
struct Call;

// pubsub_commands.cc
void SubscribeStart(Call& call);
void PSubscribeStart(Call& call);
void SSubscribeStart(Call& call);
void UnsubscribeStart(Call& call);
void PUnsubscribeStart(Call& call);
void SUnsubscribeStart(Call& call);
void PublishStart(Call& call);
void SPublishStart(Call& call);
void MonitorStart(Call& call);
void ClientTrackingStart(Call& call);
Task<std::string> PubsubChannelsRecipe(RecipeCall& call);
Task<std::string> PubsubNumSubRecipe(RecipeCall& call);
Task<std::string> PubsubNumPatRecipe(RecipeCall& call);

}  // namespace ringmaster
