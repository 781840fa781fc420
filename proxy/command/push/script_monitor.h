// What scripts do on the shards, for MONITOR: Redis shows the commands of a script behind its call.
// One connection to each shard monitors it; of its lines only those of scripts are passed on, and
// of these none that names a key of the proxy's own. Open only while a client monitors, because
// it costs the shards as much as any MONITOR.
//
// Owner: the PushHub of the worker that watches for all of them, on its thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "route/router.h"

namespace ringmaster {

class ScriptMonitor {
 public:
  // Gets each line, with its plus sign and without its end.
  using OnLine = std::function<void(Bytes line)>;

  ScriptMonitor(Router& router, OnLine on_line);
  ~ScriptMonitor();
  ScriptMonitor(const ScriptMonitor&) = delete;
  ScriptMonitor& operator=(const ScriptMonitor&) = delete;

  // Every shard has said that it shows its commands, or that it will not.
  bool ready() const;
  // Several times a second: what was lost is opened again.
  void Tick();
  // After each Router::Use.
  void TopologyChanged();

 private:
  class Feed;

  void Open();

  Router& router_;
  const OnLine on_line_;
  std::vector<std::unique_ptr<Feed>> feeds_;
};

}  // namespace ringmaster
