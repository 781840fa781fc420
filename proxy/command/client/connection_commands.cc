// AUTH, ECHO, HELLO, PING, QUIT, RESET, SELECT: the proxy itself is the server the client talks to.
#include "command/access/access_control.h"
#include "command/call/call.h"
#include "command/call/request.h"
#include "command/client/handlers.h"
#include "command/push/push_hub.h"
#include "command/whole/pool_version.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

bool ValidName(Bytes name) {
  for (const char c : name) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

bool Authenticate(Call& call, Bytes name, Bytes password, ReplyWriter& out) {
  AccessControl& access = call.context.proxy.access();
  if (auto user = access.Login(name, password)) {
    LogIn(call.client, std::move(user));
    return true;
  }
  AclLogEntry entry;
  entry.reason = Denial::Reason::kAuth;
  entry.object = call.command.full_name;
  entry.user = std::string(name);
  entry.client = "id=" + std::to_string(call.client.id) + " name=" + call.client.name();
  entry.at = call.context.proxy.Now();
  access.Log(std::move(entry));
  out.out() += errors::WrongPass();
  return false;
}

// The options of HELLO behind the version. False: answered with an error.
bool HelloOptions(Call& call, ReplyWriter& out) {
  for (size_t i = 2; i < call.args.size(); ++i) {
    const size_t left = call.args.size() - i - 1;
    if (EqualsIgnoreCase(call.args[i], "auth") && left >= 2) {
      if (!Authenticate(call, call.args[i + 1], call.args[i + 2], out)) return false;
      i += 2;
    } else if (EqualsIgnoreCase(call.args[i], "setname") && left >= 1) {
      if (!ValidName(call.args[i + 1])) {
        out.Error("ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
      }
      call.client.MutableDetails().name = std::string(call.args[++i]);
      call.client.details->Charge(call.context.blocks);
    } else {
      out.Error("ERR Syntax error in HELLO option '" + std::string(call.args[i]) + "'");
      return false;
    }
  }
  return true;
}

// Where replies must look like messages.
bool InSubscriberMode(const ClientState& client) {
  return client.push != nullptr && client.resp == 2 && client.push->subscriber();
}

}  // namespace

void Auth(Call& call, ReplyWriter& out) {
  if (call.args.size() > 3) {
    out.out() += errors::Syntax();
  } else if (call.args.size() == 2) {
    if (call.context.proxy.access().Find("default")->any_password) {
      out.out() += errors::NoPasswordSet();
    } else if (Authenticate(call, "default", call.args[1], out)) {
      out.Ok();
    }
  } else if (Authenticate(call, call.args[1], call.args[2], out)) {
    out.Ok();
  }
}

void Hello(Call& call, ReplyWriter& out) {
  int resp = call.client.resp;
  if (call.args.size() > 1) {
    const auto version = ParseInteger(call.args[1]);
    if (!version) {
      out.Error("ERR Protocol version is not an integer or out of range");
      return;
    }
    if (*version != 2 && *version != 3) {
      out.out() += errors::NoProto();
      return;
    }
    resp = static_cast<int>(*version);
    if (!HelloOptions(call, out)) return;
  }
  if (!call.client.authenticated) {
    out.out() += errors::HelloNeedsAuth();
    return;
  }
  call.client.resp = resp;
  const PoolVersion version = VersionOf(call.context.router);
  ReplyWriter reply(out.out(), resp);
  reply.Map(7);
  reply.Bulk("server");
  reply.Bulk(version.server());
  reply.Bulk("version");
  reply.Bulk(version.version());
  reply.Bulk("proto");
  reply.Integer(resp);
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(call.client.id));
  reply.Bulk("mode");
  reply.Bulk("standalone");
  reply.Bulk("role");
  reply.Bulk("master");
  reply.Bulk("modules");
  reply.Array(0);
}

void Echo(Call& call, ReplyWriter& out) { out.Bulk(call.args[1]); }

void Ping(Call& call, ReplyWriter& out) {
  if (call.args.size() > 2) {
    out.out() += errors::WrongArity("ping");
  } else if (InSubscriberMode(call.client)) {
    out.Array(2);
    out.Bulk("pong");
    out.Bulk(call.args.size() == 2 ? call.args[1] : Bytes());
  } else if (call.args.size() == 2) {
    out.Bulk(call.args[1]);
  } else {
    out.Simple("PONG");
  }
}

void Quit(Call& call, ReplyWriter& out) {
  call.client.close_after_reply = true;
  out.Ok();
}

void HangUp(Call& call, ReplyWriter&) { call.client.close_after_reply = true; }

void Reset(Call& call, ReplyWriter& out) {
  ClientState& client = call.client;
  client.transaction.reset();
  if (client.push != nullptr) call.context.push->Reset(client);
  client.database = 0;
  client.resp = 2;
  client.reply_mode = ClientState::ReplyMode::kOn;
  Request::Of(call.exchange).silent = false;
  client.no_evict = false;
  client.no_touch = false;
  call.context.proxy.access().Welcome(client);
  if (client.details != nullptr) {
    client.details->name = std::string();
    client.details->Charge(call.context.blocks);
  }
  out.Simple("RESET");
}

void Select(Call& call, ReplyWriter& out) {
  const auto index = ParseInteger(call.args[1]);
  if (!index) {
    out.out() += errors::NotAnInteger();
  } else if (*index < INT32_MIN || *index > INT32_MAX) {
    out.Error("ERR value is out of range, value must between -2147483648 and 2147483647");
  } else if (*index < 0 || *index >= call.context.proxy.facts().databases) {
    out.out() += errors::DbOutOfRange();
  } else {
    call.client.database = static_cast<int>(*index);
    out.Ok();
  }
}

}  // namespace ringmaster
