// What an operator may have done to the process as a whole by a command: PROXY RELOAD, REBALANCE,
// SAGAS JOURNAL and JOBS. server/ carries it out.
//
// Any thread. `done` runs once, later or at once, on a thread of the process's choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "command/call/proxy.h"

namespace ringmaster {

class Operator {
 public:
  using Said = std::function<void(Result<std::string>)>;
  using Listed = std::function<void(Result<std::vector<JobFigures>>)>;

  // Reads the configuration again, as SIGHUP does: what changed, or what is wrong with it. The
  // client with the id `asker` gets its reply even if its user is gone with that.
  virtual void Reload(uint64_t asker, Said done) = 0;
  // An order of PROXY REBALANCE for a pool, in its words.
  virtual void Rebalance(size_t pool, std::vector<std::string> words, Said done) = 0;
  // What there is to say of the state database, after a look at all of it if `verify`.
  virtual void Journal(bool verify, Said done) = 0;
  // Carries the order out and lists the jobs, in their order. An error: there is no such job.
  virtual void Jobs(JobOrder order, Listed done) = 0;

 protected:
  ~Operator() = default;
};

}  // namespace ringmaster
