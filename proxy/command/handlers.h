// Functions that rows name: commands answered in the proxy, and recipes. Each is described by
// the Redis documentation of its command; what differs is said where it is implemented.
#pragma once

#include <string>

#include "base/clock.h"
#include "command/keys.h"
#include "command/row.h"

namespace ringmaster {

class ClientView;
class Connection;
struct Command;
struct CommandContext;

// connection_commands.cc
void Auth(Call& call, ReplyWriter& out);
void Hello(Call& call, ReplyWriter& out);
void Echo(Call& call, ReplyWriter& out);
void Ping(Call& call, ReplyWriter& out);
void Quit(Call& call, ReplyWriter& out);
// A browser was made to send commands (cross-protocol scripting): no reply, and the end, as in
// Redis.
void HangUp(Call& call, ReplyWriter& out);
void Reset(Call& call, ReplyWriter& out);
void Select(Call& call, ReplyWriter& out);

// dispatch.cc
// Whether one of the call's keys belongs to the proxy.
bool NamesReserved(const Call& call);

// module_recipes.cc
Task<std::string> UnknownCommandRecipe(RecipeCall& call);
Task<std::string> QueueUnknownCommandRecipe(RecipeCall& call);
// Of a module's keys nobody knows which it writes, and what could be undone: refuses it.
Task<std::string> NotOverShardsRecipe(RecipeCall& call);
// Asks a shard where the keys are, for commands whose positions alone do not tell.
Task<std::string> KeysSaidByShardRecipe(RecipeCall& call);

// script_recipes.cc
// Whether a client would have to be told -BUSY, were all shards one Redis.
bool SomeShardRunsScript(const Call& call);
// What a shard says whose script is late; empty: there is none.
Task<std::string> BusyReply(RecipeCall& call);
Task<std::string> PingRecipe(RecipeCall& call);
// What MULTI's client is told of a command that was queued meanwhile.
Task<std::string> QueuedWhileBusyRecipe(RecipeCall& call);
Task<std::string> KillScriptRecipe(RecipeCall& call);
Task<std::string> ScriptExistsRecipe(RecipeCall& call);
Task<std::string> ScriptFlushRecipe(RecipeCall& call);
Task<std::string> ScriptLoadRecipe(RecipeCall& call);
Task<std::string> ChangeFunctionsRecipe(RecipeCall& call);

// script_telling.cc
// Before a command that runs a script goes out on `connection`: sends ahead what its shard may not
// know. Does nothing for other commands.
void TellScript(CommandContext& context, const Command& command, std::span<const Bytes> args,
                Connection& connection);

// client_commands.cc
// One line of CLIENT LIST, with Redis 7.0's fields in its order.
// `own_request`: bytes of the request that asks, which Redis still has in its buffer.
void DescribeClient(ClientView& client, TimePoint now, std::string& out, size_t own_request = 0);
void ClientId(Call& call, ReplyWriter& out);
void ClientSetName(Call& call, ReplyWriter& out);
void ClientGetName(Call& call, ReplyWriter& out);
void ClientSetInfo(Call& call, ReplyWriter& out);
void ClientNoEvict(Call& call, ReplyWriter& out);
void ClientNoTouch(Call& call, ReplyWriter& out);
void ClientReply(Call& call, ReplyWriter& out);
void ClientHelp(Call& call, ReplyWriter& out);
void ClientGetRedir(Call& call, ReplyWriter& out);
void ClientTrackingInfo(Call& call, ReplyWriter& out);
void ClientCaching(Call& call, ReplyWriter& out);
Task<std::string> ClientInfoRecipe(RecipeCall& call);
Task<std::string> ClientListRecipe(RecipeCall& call);
Task<std::string> ClientKillRecipe(RecipeCall& call);
Task<std::string> ClientUnblockRecipe(RecipeCall& call);

// client_pause.cc
Task<std::string> ClientPauseRecipe(RecipeCall& call);
Task<std::string> ClientUnpauseRecipe(RecipeCall& call);

// config_recipes.cc
Task<std::string> ConfigGetRecipe(RecipeCall& call);
Task<std::string> ConfigResetStatRecipe(RecipeCall& call);
Task<std::string> ConfigSetRecipe(RecipeCall& call);

// statistics.cc
Task<std::string> LatencyHistogramRecipe(RecipeCall& call);

// verify.cc
Task<std::string> ProxyVerify(RecipeCall& call);

// introspection.cc
void CommandAll(Call& call, ReplyWriter& out);
void CommandCount(Call& call, ReplyWriter& out);
void CommandInfo(Call& call, ReplyWriter& out);
void CommandList(Call& call, ReplyWriter& out);
void CommandGetKeys(Call& call, ReplyWriter& out);
void CommandGetKeysAndFlags(Call& call, ReplyWriter& out);
void CommandHelp(Call& call, ReplyWriter& out);

// server_commands.cc
void Time(Call& call, ReplyWriter& out);
void Role(Call& call, ReplyWriter& out);
void SlowlogGet(Call& call, ReplyWriter& out);
void SlowlogLen(Call& call, ReplyWriter& out);
void SlowlogReset(Call& call, ReplyWriter& out);
void ClusterDisabled(Call& call, ReplyWriter& out);

// acl_commands.cc
void AclCat(Call& call, ReplyWriter& out);
void AclGetUser(Call& call, ReplyWriter& out);
void AclList(Call& call, ReplyWriter& out);
void AclLog(Call& call, ReplyWriter& out);
void AclNoFile(Call& call, ReplyWriter& out);
void AclUsers(Call& call, ReplyWriter& out);
void AclWhoAmI(Call& call, ReplyWriter& out);
// RenewUser of all clients, on every worker, that are logged in as one of `names`.
Task<void> RenewUsers(RecipeCall& call, std::vector<std::string> names);
Task<std::string> AclDelUserRecipe(RecipeCall& call);
Task<std::string> AclDryRunRecipe(RecipeCall& call);
Task<std::string> AclSetUserRecipe(RecipeCall& call);

// server_recipes.cc
Task<std::string> EachShardsTextRecipe(RecipeCall& call);

// info.cc
Task<std::string> InfoRecipe(RecipeCall& call);

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

// keyspace_recipes.cc
Task<std::string> ScanRecipe(RecipeCall& call);
Task<std::string> KeysRecipe(RecipeCall& call);
Task<std::string> RandomKeyRecipe(RecipeCall& call);

// blocking.cc
Task<std::string> BlockingPopRecipe(RecipeCall& call);
Task<std::string> BlockingMultiPopRecipe(RecipeCall& call);
Task<std::string> BlockingMoveRecipe(RecipeCall& call);
Task<std::string> StreamReadRecipe(RecipeCall& call);

// over_shards.cc, sort_over_shards.cc
Task<std::string> FirstOfShardsRecipe(RecipeCall& call);
Task<std::string> SortOverShardsRecipe(RecipeCall& call);

// proxy_sagas.cc
Task<std::string> ProxySagasRecipe(RecipeCall& call);

// saga_calls.cc
Task<std::string> MsetSagaRecipe(RecipeCall& call);
Task<std::string> RemoveSagaRecipe(RecipeCall& call);

// script_rights.cc
Task<std::string> CheckedScriptRecipe(RecipeCall& call);

// wait.cc
Task<std::string> WaitRecipe(RecipeCall& call);

}  // namespace ringmaster
