// Functions that rows name, of CLIENT, ACL, and a connection's own commands: commands answered in
// the proxy, and recipes. Each is described by the Redis documentation of its command; what differs
// is said where it is implemented.
#pragma once

#include <string>

#include "coro/task.h"

namespace ringmaster {

class RecipeCall;
class ReplyWriter;
struct Call;

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

// client_commands.cc
void ClientId(Call& call, ReplyWriter& out);
void ClientSetName(Call& call, ReplyWriter& out);
void ClientGetName(Call& call, ReplyWriter& out);
void ClientSetInfo(Call& call, ReplyWriter& out);
void ClientNoEvict(Call& call, ReplyWriter& out);
void ClientNoTouch(Call& call, ReplyWriter& out);
void ClientCapa(Call& call, ReplyWriter& out);
void ClientImportSource(Call& call, ReplyWriter& out);
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

// acl_commands.cc
void AclCat(Call& call, ReplyWriter& out);
void AclGetUser(Call& call, ReplyWriter& out);
void AclList(Call& call, ReplyWriter& out);
void AclLog(Call& call, ReplyWriter& out);
void AclNoFile(Call& call, ReplyWriter& out);
void AclUsers(Call& call, ReplyWriter& out);
void AclWhoAmI(Call& call, ReplyWriter& out);
Task<std::string> AclDelUserRecipe(RecipeCall& call);
Task<std::string> AclDryRunRecipe(RecipeCall& call);
Task<std::string> AclSetUserRecipe(RecipeCall& call);

}  // namespace ringmaster
