// What PROXY REBALANCE STATUS says, for tests of moves.
#pragma once

#include <string>

#include "support/proxy_process.h"
#include "support/redis_server.h"
#include "support/wait.h"

namespace ringmaster::integration {

// The value of "name: value"; the whole text when it says nothing of the kind.
inline std::string StatusField(const ProxyProcess& proxy, const std::string& name) {
  std::string text = proxy.Connect().CommandRaw({"PROXY", "REBALANCE", "STATUS"});
  const size_t at = text.find("\n" + name + ": ");
  if (at == std::string::npos) return text;
  const size_t begin = at + name.size() + 3;
  return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
}

// For all keys to arrive: far more than a slow and busy machine needs.
inline constexpr Duration kMovePatience = std::chrono::seconds(90);

// Every key has arrived.
inline bool Settled(const ProxyProcess& proxy, const std::string& epoch) {
  return Eventually(
      [&] {
        return StatusField(proxy, "state") == "stable" && StatusField(proxy, "epoch") == epoch;
      },
      kMovePatience);
}

inline int64_t KeysOn(const RedisServer& server) {
  const std::string size = server.Command({"DBSIZE"});
  return std::stoll(size.substr(size.find(' ') + 1));
}

}  // namespace ringmaster::integration
