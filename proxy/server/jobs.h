// The background jobs of the process, seen by its workers: commands that wait for their turn, and
// the orders of PROXY JOBS. Jobs of the main thread (rebalancing, sagas) use background() directly.
//
// Owner: the server. Members that take a worker: any thread, they answer on that worker's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "command/call/proxy.h"
#include "jobs/background.h"

namespace ringmaster {

class Server;
class Worker;

class Jobs {
 public:
  Jobs(Server& server, Loop& loop);

  Background& background() { return background_; }  // main thread

  void AwaitTurn(Worker& worker, std::string name, Proxy::Turn turn);
  using Listed = std::function<void(Result<std::vector<JobFigures>>)>;
  void Carry(Worker& worker, JobOrder order, Listed done);

 private:
  void Submit(Worker& worker, std::string name, Proxy::Turn turn);
  Result<std::vector<JobFigures>> CarryOut(JobOrder order);
  bool InteractiveWaits() const;

  Server& server_;
  size_t commands_ = 0;  // that wait for their turn or have it; each is a request under way
  Background background_;
};

}  // namespace ringmaster
