#include "support/sentinels.h"

#include <gtest/gtest.h>

namespace ringmaster::integration {

Sentinels::Sentinels(const RedisServer& primary, size_t count, int replicas) {
  for (size_t i = 0; i < count; ++i) {
    const std::string name = "sentinel" + std::to_string(i);
    ports_.push_back(std::make_unique<Port>());
    const std::string config =
        "port " + std::to_string(ports_[i]->number()) + "\nbind 127.0.0.1\ndir " +
        folder_.path().string() + "\nsentinel monitor s0 127.0.0.1 " +
        std::to_string(primary.port()) + " " + std::to_string(count / 2 + 1) +
        "\nsentinel down-after-milliseconds s0 1000\nsentinel failover-timeout s0 5000\n";
    processes_.emplace_back(
        std::vector<std::string>{"redis-server", folder_.Write(name + ".conf", config),
                                 "--sentinel"},
        folder_.File(name + ".log"));
  }
  for (size_t i = 0; i < count; ++i) {
    const bool know = Eventually(
        [&] {
          const std::string info = Command(i, {"INFO", "sentinel"});
          return info.find("slaves=" + std::to_string(replicas) +
                           ",sentinels=" + std::to_string(count)) != std::string::npos;
        },
        kPatience * 2);
    if (!know) ADD_FAILURE() << "Sentinel " << i << ": " << Command(i, {"INFO", "sentinel"});
  }
}

std::string Sentinels::Yaml() const {
  std::string yaml = "sentinels: {addresses: [";
  for (size_t i = 0; i < size(); ++i) yaml += (i > 0 ? ", " : "") + address(i).ToString();
  return yaml + "]}";
}

}  // namespace ringmaster::integration
