// Groups of a primary and its replicas, three Sentinels that watch all of them, and a proxy that
// follows: shard "s0" is group 0 and so on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/proxy_process.h"
#include "support/redis_server.h"
#include "support/sentinels.h"

namespace ringmaster::integration {

struct GroupsOptions {
  int groups = 3;
  int shards = 0;    // so many of them are in the proxy's first configuration; 0: all
  int replicas = 2;  // of each
  std::vector<std::string> server = {};  // lines of every redis.conf
  std::string timeouts = "command: 5s, connect: 300ms";
  std::string more = {};  // of the configuration: whole lines
};

class Groups {
 public:
  explicit Groups(const GroupsOptions& options = {});

  ProxyProcess& proxy() { return *proxy_; }
  const Sentinels& sentinels() const { return *sentinels_; }
  Client Connect() const { return proxy_->Connect(); }
  // Of the group, as its members say now; nullptr: none of them says so, or two.
  RedisServer* Primary(size_t group);
  // The members but the primary that answer.
  std::vector<RedisServer*> Replicas(size_t group);
  // Where the proxy says that shard "s<group>" is.
  std::string ShardAddress(size_t group) const { return ShardField(group, "address"); }
  std::string ShardField(size_t group, const std::string& field) const;
  // The proxy's configuration with so many groups.
  ConfigText Config(int shards) const;
  // The proxy is at another address of the group than `before`, and that takes writes.
  bool Follows(size_t group, const std::string& before);

 private:
  const GroupsOptions options_;
  std::vector<std::vector<std::unique_ptr<RedisServer>>> members_;  // first the first primary
  std::unique_ptr<Sentinels> sentinels_;
  std::unique_ptr<ProxyProcess> proxy_;
};

}  // namespace ringmaster::integration
