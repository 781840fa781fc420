#include "backend/server_role.h"

#include <optional>
#include <vector>

#include "resp/reply_reader.h"

namespace ringmaster {
namespace {

// Redis says "slave" in ROLE and "replica" in HELLO.
ServerRole RoleNamed(Bytes name) {
  if (name == "master") return ServerRole::kPrimary;
  if (name == "slave" || name == "replica") return ServerRole::kReplica;
  if (name == "sentinel") return ServerRole::kSentinel;
  return ServerRole::kUnknown;
}

}  // namespace

std::string RoleAnswer::Text() const {
  switch (role) {
    case ServerRole::kUnknown:
      return "it does not say whether it is a primary";
    case ServerRole::kPrimary:
      return "it is a primary";
    case ServerRole::kReplica:
      return primary.empty() ? "it is a replica" : "it is a replica of " + primary;
    case ServerRole::kSentinel:
      return "it is a Sentinel, which has no keys";
  }
  return "";
}

// Names and values take turns. A Sentinel says so as its mode.
ServerRole RoleInHello(Bytes reply) {
  const std::vector<ReplyElement> all = ReadArray(reply);
  ServerRole role = ServerRole::kUnknown;
  for (size_t i = 0; i + 1 < all.size(); i += 2) {
    if (all[i].text == "mode" && all[i + 1].text == "sentinel") return ServerRole::kSentinel;
    if (all[i].text == "role") role = RoleNamed(all[i + 1].text);
  }
  return role;
}

RoleAnswer ReadRole(Bytes reply) {
  const std::vector<ReplyElement> all = ReadArray(reply);
  if (all.empty()) return {};
  RoleAnswer answer{.role = RoleNamed(all[0].text)};
  if (answer.role == ServerRole::kReplica && all.size() >= 3 && all[2].type == ':') {
    answer.primary = std::string(all[1].text) + ":" + std::to_string(all[2].count);
  }
  return answer;
}

const char* NameOf(ServerRole role) {
  switch (role) {
    case ServerRole::kUnknown:
      return "unknown";
    case ServerRole::kPrimary:
      return "master";
    case ServerRole::kReplica:
      return "slave";
    case ServerRole::kSentinel:
      return "sentinel";
  }
  return "";
}

}  // namespace ringmaster
