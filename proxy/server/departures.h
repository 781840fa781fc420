// The clients of one worker that are to move to another, from the order to the moment at which
// nothing is under way for them. Until then they start nothing new, for at most a tenth of a
// second: one that is not quiet by then stays.
//
// Owner: the worker, on its thread. Sessions are borrowed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"

namespace ringmaster {

class PoolWorker;
class Server;
class Session;
class Worker;
struct MovedClient;

// "Client `id` goes to worker `to`."
struct MoveOrder {
  uint64_t id = 0;
  size_t to = 0;
  bool pulled = false;  // an idle worker asked for it
};

class Departures {
 public:
  Departures(Worker& worker, Server& server) : worker_(worker), server_(server) {}
  Departures(const Departures&) = delete;
  Departures& operator=(const Departures&) = delete;

  bool empty() const { return leaving_.empty(); }
  void Begin(const std::vector<MoveOrder>& orders, TimePoint now);
  // At the end of a turn: those that are quiet go. Those that waited too long stay.
  void Settle(TimePoint now);
  // All stay.
  void CancelAll();
  // The session is about to be freed.
  void Forget(const Session& session);

 private:
  struct Leaving {
    Session* session;
    PoolWorker* pool;
    MoveOrder order;
    TimePoint until;
  };
  bool Go(const Leaving& leaving);
  void Stays(uint64_t client);

  Worker& worker_;
  Server& server_;
  std::vector<Leaving> leaving_;
};

}  // namespace ringmaster
