// Breaks the connections over which keys are carried, as a network would.
#pragma once

#include <string>

#include "support/redis_server.h"

namespace ringmaster::integration {

// How many of them the server had.
inline int BreakMovers(const RedisServer& server) {
  Client direct = server.Connect();
  const std::string list = direct.CommandRaw({"CLIENT", "LIST"});
  int broken = 0;
  for (size_t at = list.find("id="); at != std::string::npos; at = list.find("\nid=", at + 1)) {
    const std::string line = list.substr(at, list.find('\n', at + 1) - at);
    if (line.find(":mover") == std::string::npos) continue;
    const size_t id = line.find("id=") + 3;
    const std::string killed =
        direct.Command({"CLIENT", "KILL", "ID", line.substr(id, line.find(' ', id) - id)});
    if (killed == "(integer) 1") ++broken;
  }
  return broken;
}

}  // namespace ringmaster::integration
