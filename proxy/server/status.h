// What the main thread knows of the process as a whole. Written by the Server alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "server/compile.h"
#include "server/shard_places.h"

namespace ringmaster {

struct ServerStatus {
  const Config& config() const { return compiled->config(); }

  std::string version;
  std::string config_file;  // empty: there is none, and nothing to reload
  std::string run_id;       // 40 hex digits, new at each start
  TimePoint started_at{};
  Duration started_unix{};  // since 1970
  size_t workers = 1;
  std::shared_ptr<const CompiledConfig> compiled;  // the one that serves
  std::shared_ptr<ShardPlaces> places = std::make_shared<ShardPlaces>();
  uint64_t reloads = 0;
  uint64_t reloads_refused = 0;
  bool stopping = false;
};

}  // namespace ringmaster
