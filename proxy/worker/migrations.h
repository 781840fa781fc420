// The clients of one worker that are to go to another, from the order to the moment at which
// nothing is under way for them. Until then they start nothing new, for at most a tenth of a
// second: one that is not quiet by then stays.
//
// Owner: the worker, on its thread. Sessions are borrowed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"

namespace ringmaster {

class Session;

// "Client `id` goes to worker `to`."
struct MigrationOrder {
  uint64_t id = 0;
  size_t to = 0;
  bool pulled = false;  // an idle worker asked for it
};

class Migrations {
 public:
  struct Leaving {
    Session* session;
    size_t pool;
    MigrationOrder order;
    TimePoint until;
  };

  Migrations() = default;
  Migrations(const Migrations&) = delete;
  Migrations& operator=(const Migrations&) = delete;

  bool empty() const { return leaving_.empty(); }
  const std::vector<Leaving>& leaving() const { return leaving_; }
  // REQUIRES: it may go, and is not on its way.
  void Begin(Session& session, size_t pool, const MigrationOrder& order, TimePoint now);
  // At the end of a turn: those that are quiet go, by `go`, which says false when one has to stay.
  // Those that waited too long stay. Returns who does.
  std::vector<uint64_t> Settle(TimePoint now, const std::function<bool(const Leaving&)>& go);
  // All stay. Returns them.
  std::vector<uint64_t> CancelAll();
  // The session is about to be freed.
  void Forget(const Session& session);

 private:
  std::vector<Leaving> leaving_;
};

}  // namespace ringmaster
