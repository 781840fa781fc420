// What a server says that it is. Only a primary gets commands: what a replica takes is lost, what
// it tells may be old.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace ringmaster {

enum class ServerRole : uint8_t {
  kUnknown,  // it does not say: a Redis before 6.0, a user who may not ask
  kPrimary,
  kReplica,
  kSentinel,
};

struct RoleAnswer {
  ServerRole role = ServerRole::kUnknown;
  std::string primary = {};  // of a replica that tells: "host:port" of whom it follows
  bool operator==(const RoleAnswer&) const = default;

  // Commands are for others.
  bool serves() const { return role == ServerRole::kUnknown || role == ServerRole::kPrimary; }
  // "it is a replica of 10.0.0.1:6379", behind the shard's name.
  std::string Text() const;
};

// From the answer to HELLO, in either version of the protocol, which never names the primary.
ServerRole RoleInHello(Bytes reply);
// From the answer to ROLE.
RoleAnswer ReadRole(Bytes reply);
// In Redis's words: "master", "slave", "sentinel"; "unknown".
const char* NameOf(ServerRole role);

}  // namespace ringmaster
