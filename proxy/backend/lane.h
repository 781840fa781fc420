// A client with connections of its own to shards: while it is served, they stand in front of the
// shared ones. Set and asked on the worker's thread.
#pragma once

#include <utility>

#include "backend/connection.h"

namespace ringmaster {

class Backend;

// Stands in front of the shared connections while a client with connections of its own is served
// (BackendContext::lane).
class ConnectionLane {
 public:
  virtual Connection& For(Backend& backend, int database, int resp) = 0;

 protected:
  ~ConnectionLane() = default;
};

// While it lives, the shared connections are the client's own.
class LaneScope {
 public:
  LaneScope(BackendContext& context, ConnectionLane* lane)
      : context_(context), before_(std::exchange(context.lane, lane)) {}
  ~LaneScope() { context_.lane = before_; }
  LaneScope(const LaneScope&) = delete;
  LaneScope& operator=(const LaneScope&) = delete;

 private:
  BackendContext& context_;
  ConnectionLane* const before_;
};

}  // namespace ringmaster
