#include "support/groups.h"

#include <gtest/gtest.h>

#include <utility>

namespace ringmaster::integration {

Groups::Groups(const GroupsOptions& options) : options_(options) {
  std::vector<const RedisServer*> primaries;
  for (int group = 0; group < options.groups; ++group) {
    auto& members = members_.emplace_back();
    for (int i = 0; i <= options.replicas; ++i) {
      RedisServer::Options server{.config = options.server};
      server.config.emplace_back("repl-diskless-sync-delay 0");
      if (i > 0)
        server.config.push_back("replicaof 127.0.0.1 " + std::to_string(members[0]->port()));
      members.push_back(std::make_unique<RedisServer>(server));
    }
    for (int i = 1; i <= options.replicas; ++i) {
      EXPECT_TRUE(Eventually([&] {
        return members[static_cast<size_t>(i)]
                   ->Command({"INFO", "replication"})
                   .find("master_link_status:up") != std::string::npos;
      }));
    }
    primaries.push_back(members[0].get());
  }
  sentinels_ = std::make_unique<Sentinels>(primaries, 3, options.replicas);
  proxy_ =
      std::make_unique<ProxyProcess>(Config(options.shards > 0 ? options.shards : options.groups));
}

ConfigText Groups::Config(int shards) const {
  ConfigText config;
  if (proxy_ != nullptr) config = proxy_->config();
  config.timeouts = options_.timeouts;
  config.more = options_.more;
  config.pool().more = sentinels_->Yaml();
  config.pool().shards.clear();
  for (int i = 0; i < shards; ++i) {
    const std::string name = "s" + std::to_string(i);
    config.pool().Shard(name, members_[static_cast<size_t>(i)][0]->address(), "master: " + name);
  }
  return config;
}

RedisServer* Groups::Primary(size_t group) {
  RedisServer* found = nullptr;
  for (const auto& member : members_[group]) {
    if (!member->serving() || member->Command({"ROLE"}).find("master") == std::string::npos) {
      continue;
    }
    if (found != nullptr) return nullptr;
    found = member.get();
  }
  return found;
}

std::vector<RedisServer*> Groups::Replicas(size_t group) {
  std::vector<RedisServer*> replicas;
  for (const auto& member : members_[group]) {
    if (member->serving() && member->Command({"ROLE"}).find("slave") != std::string::npos) {
      replicas.push_back(member.get());
    }
  }
  return replicas;
}

std::string Groups::ShardField(size_t group, const std::string& field) const {
  const std::string shards = proxy_->Connect().CommandRaw({"PROXY", "SHARDS"});
  const size_t line = shards.find("name=s" + std::to_string(group) + ",");
  const size_t end = shards.find_first_of("\r\n", line);
  const size_t at = shards.find("," + field + "=", line);
  if (line == std::string::npos || at == std::string::npos || at > end) return "";
  const size_t value = at + field.size() + 2;
  return shards.substr(value, shards.find_first_of(",\r\n", value) - value);
}

bool Groups::Follows(size_t group, const std::string& before) {
  return Eventually(
      [&] {
        const std::string now = ShardAddress(group);
        return !now.empty() && now != before && ShardField(group, "role") == "master";
      },
      kPatience * 3);
}

}  // namespace ringmaster::integration
