// Some redis-servers and one proxy in front of them, which is what most tests start from.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/client.h"
#include "support/fault_proxy.h"
#include "support/proxy_process.h"
#include "support/redis_server.h"

namespace ringmaster::integration {

struct ClusterOptions {
  int shards = 4;  // named s0, s1, ...
  int workers = 2;
  bool faults = false;  // a FaultProxy between the proxy and each shard
  std::string timeouts = {};
  std::string limits = {};
  std::string ring = {};
  std::string more = {};  // of the configuration: whole lines
  RedisServer::Options server = {};
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options = {}) {
    ConfigText config;
    config.workers = options.workers;
    config.timeouts = options.timeouts;
    config.limits = options.limits;
    config.more = options.more;
    config.pool().ring = options.ring;
    for (int i = 0; i < options.shards; ++i) {
      servers_.push_back(std::make_unique<RedisServer>(options.server));
      Address address = servers_.back()->address();
      if (options.faults) {
        faults_.push_back(std::make_unique<FaultProxy>(address));
        address = faults_.back()->address();
      }
      config.pool().Shard("s" + std::to_string(i), address);
    }
    proxy_ = std::make_unique<ProxyProcess>(std::move(config));
  }

  size_t size() const { return servers_.size(); }
  RedisServer& server(size_t i) { return *servers_[i]; }
  FaultProxy& fault(size_t i) { return *faults_[i]; }  // REQUIRES: options.faults
  ProxyProcess& proxy() { return *proxy_; }
  Client Connect() const { return proxy_->Connect(); }
  // For another proxy in front of the same servers.
  ConfigText Shards() const {
    ConfigText config;
    for (size_t i = 0; i < size(); ++i) {
      config.pool().Shard("s" + std::to_string(i), servers_[i]->address());
    }
    return config;
  }

  // The n-th key (from 0) that the ring gives to shard `i`. Finds out by writing: the shard's own
  // copy tells; leaves nothing behind.
  std::string KeyOn(size_t i, size_t n = 0) {
    if (keys_.empty()) LearnKeys();
    return keys_[i].at(n);
  }

 private:
  void LearnKeys() {
    static constexpr size_t kKeys = 256;
    keys_.resize(size());
    Client client = Connect();
    std::vector<std::vector<std::string>> writes, deletes;
    for (size_t k = 0; k < kKeys; ++k) {
      writes.push_back({"SET", "placed:" + std::to_string(k), "x"});
      deletes.push_back({"DEL", "placed:" + std::to_string(k)});
    }
    client.Pipeline(writes);
    for (size_t i = 0; i < size(); ++i) {
      Client shard = servers_[i]->Connect();
      for (size_t k = 0; k < kKeys; ++k) {
        if (shard.Command({"EXISTS", writes[k][1]}) == "(integer) 1") {
          keys_[i].push_back(writes[k][1]);
        }
      }
    }
    client.Pipeline(deletes);
  }

  std::vector<std::unique_ptr<RedisServer>> servers_;
  std::vector<std::unique_ptr<FaultProxy>> faults_;
  std::unique_ptr<ProxyProcess> proxy_;
  std::vector<std::vector<std::string>> keys_;
};

}  // namespace ringmaster::integration
