// The embedded default: real redis-servers in a temporary folder, for trying the proxy out.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace ringmaster {

class DemoServers {
 public:
  // Starts `count` redis-servers on free ports of 127.0.0.1 and waits until they answer.
  static Result<std::unique_ptr<DemoServers>> Start(int count);
  // Ends them and removes their folder.
  ~DemoServers();
  DemoServers(const DemoServers&) = delete;
  DemoServers& operator=(const DemoServers&) = delete;

  // A pool over them that listens on `port` of 127.0.0.1.
  Config MakeConfig(uint16_t port) const;

 private:
  DemoServers() = default;
  Status StartOne(int index);
  Status WaitUntilReady(uint16_t port) const;

  std::string folder_;
  std::vector<pid_t> processes_;
  std::vector<uint16_t> ports_;
};

}  // namespace ringmaster
