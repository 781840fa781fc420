#include "support/sentinels.h"

#include <gtest/gtest.h>

namespace ringmaster::integration {

Sentinels::Sentinels(const std::vector<const RedisServer*>& primaries, size_t count, int replicas) {
  for (size_t i = 0; i < count; ++i) {
    const std::string name = "sentinel" + std::to_string(i);
    ports_.push_back(std::make_unique<Port>());
    std::string config = "port " + std::to_string(ports_[i]->number()) + "\nbind 127.0.0.1\ndir " +
                         folder_.path().string() + "\n";
    for (size_t k = 0; k < primaries.size(); ++k) {
      const std::string group = "s" + std::to_string(k);
      config += "sentinel monitor " + group + " 127.0.0.1 " + std::to_string(primaries[k]->port()) +
                " " + std::to_string(count / 2 + 1) + "\nsentinel down-after-milliseconds " +
                group + " 1000\nsentinel failover-timeout " + group + " 5000\n";
    }
    processes_.emplace_back(
        std::vector<std::string>{"redis-server", folder_.Write(name + ".conf", config),
                                 "--sentinel"},
        folder_.File(name + ".log"));
  }
  const std::string known =
      "slaves=" + std::to_string(replicas) + ",sentinels=" + std::to_string(count);
  for (size_t i = 0; i < count; ++i) {
    const bool know = Eventually(
        [&] {
          const std::string info = Command(i, {"INFO", "sentinel"});
          size_t groups = 0;
          for (size_t at = info.find(known); at != std::string::npos; at = info.find(known, at + 1))
            ++groups;
          return groups == primaries.size();
        },
        kPatience * 2);
    if (!know) ADD_FAILURE() << "Sentinel " << i << ": " << Command(i, {"INFO", "sentinel"});
  }
}

std::string Sentinels::Log(size_t i) const {
  return ReadFile(folder_.File("sentinel" + std::to_string(i) + ".log"));
}

std::string Sentinels::Yaml() const {
  std::string yaml = "sentinels: {addresses: [";
  for (size_t i = 0; i < size(); ++i) yaml += (i > 0 ? ", " : "") + address(i).ToString();
  return yaml + "]}";
}

}  // namespace ringmaster::integration
