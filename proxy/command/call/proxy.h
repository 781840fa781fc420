// What commands may ask of the process around them; server/ implements it, one object per worker
// and pool, used on that worker's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/block.h"
#include "base/clock.h"
#include "base/result.h"
#include "command/call/client_state.h"
#include "metrics/metrics.h"

namespace ringmaster {

class AccessControl;
class Pause;
class PushHub;
class Router;
class SagaSet;
class SlowLog;
class Topology;

// One client, seen on its own worker's thread.
class ClientView {
 public:
  virtual ClientState& state() = 0;
  virtual std::string address() const = 0;        // as CLIENT LIST's addr
  virtual std::string local_address() const = 0;  // laddr
  virtual int fd() const = 0;
  virtual size_t in_flight() const = 0;      // requests without a reply
  virtual size_t query_buffer() const = 0;   // bytes read and not yet understood
  virtual size_t output_buffer() const = 0;  // bytes not yet taken by the client
  virtual size_t memory() const = 0;         // all it holds, roughly
  // Closes it: at once, or, for the client asking itself, after its reply is out.
  virtual void Kill(bool after_reply) = 0;
  // Sends a message that is no reply: behind every reply that came before it, never inside one.
  // Small ones without a block are copied. A client whose output grows beyond limits.reply_buffer
  // gets no more and is closed at the end of the turn.
  enum class PushOrder : uint8_t {
    kBehindReplies,  // that are here
    // Behind those still to come to requests that take several steps, too: what comes between the
    // steps belongs behind the whole, while the shard of a single one says itself what is first.
    kBehindRequests,
  };
  virtual void Push(const Slice& message, PushOrder order = PushOrder::kBehindReplies) = 0;

 protected:
  ~ClientView() = default;
};

// One worker, seen on its own thread.
class WorkerView {
 public:
  virtual size_t index() const = 0;
  // Clients of the asking pool.
  virtual void EachClient(const std::function<void(ClientView&)>& visit) = 0;
  virtual const WorkerMetrics& metrics() const = 0;
  virtual void ResetStatistics() = 0;                 // of commands: CONFIG RESETSTAT
  virtual void EndPause() = 0;                        // clients that waited for it go on
  virtual void SetIdleTimeout(Duration timeout) = 0;  // zero: none
  virtual Router& router() = 0;
  virtual PushHub* push() { return nullptr; }
  virtual SagaSet* sagas() { return nullptr; }

 protected:
  ~WorkerView() = default;
};

// Facts that do not change while the process runs, and snapshots of what a reload changes.
struct ProxyFacts {
  std::string version;
  std::string config_file;
  std::string run_id;  // 40 hex digits, new at each start
  std::string pool;
  std::vector<Address> listen;
  int databases = 16;
  size_t workers = 1;
  // limits and timeouts of the configuration, in its units and in bytes.
  uint64_t max_bulk = uint64_t{512} << 20;
  uint64_t query_buffer = uint64_t{64} << 20;
  uint64_t reply_buffer = uint64_t{64} << 20;
  uint64_t client_memory = 0;
  Duration idle_timeout{};  // zero: none; also as CONFIG SET timeout has it
  TimePoint started_at{};
  int64_t started_unix = 0;
};

// One background job, as PROXY JOBS shows it.
struct JobFigures {
  uint64_t id = 0;
  std::string name;
  const char* state = "";  // waiting, running, paused
  size_t place = 0;        // 0: the first
  uint64_t done = 0;
  uint64_t total = 0;  // 0: not known
  uint64_t steps = 0;
  double rate = 0;                    // of `done`, a second
  std::optional<Duration> left = {};  // until it is finished, at this rate
};
struct JobOrder {
  enum class What : uint8_t { kList, kPause, kResume, kCancel };
  What what = What::kList;
  uint64_t id = 0;
};

class Proxy {
 public:
  using Visit = std::function<void(WorkerView& worker, std::string& out)>;

  virtual const ProxyFacts& facts() const = 0;
  virtual TimePoint Now() = 0;
  // How many clients the process takes, of all its pools. Set until the next reload. Any thread.
  virtual uint32_t max_clients() const = 0;
  virtual void SetMaxClients(uint32_t count) = 0;
  // How many there is room for, as descriptors go.
  virtual uint32_t possible_clients() const = 0;
  // The pool's users.
  virtual AccessControl& access() = 0;
  virtual SlowLog& slow_log() = 0;
  virtual Pause& pause() = 0;

  // Runs `visit` on every worker's thread and then `done` on this one with what each wrote, in the
  // order of the workers.
  virtual void VisitWorkers(Visit visit, std::function<void(std::vector<std::string>)> done) = 0;
  // Runs `then` on this worker's thread, never before `delay` is over by Now(), and in a later turn
  // of the loop when it is asked for within another `then`: nobody who asks again and again keeps
  // the loop from turning. Never runs after a shutdown began.
  virtual void After(Duration delay, std::function<void()> then) = 0;
  // Waits in the proxy's background queue: `turn` gets what to call when the work is done, or an
  // error when the job was cancelled or too many wait. On this thread.
  using TurnOver = std::function<void()>;
  using Turn = std::function<void(Result<TurnOver>)>;
  virtual void AwaitTurn(std::string name, Turn turn) = 0;
  // Carries the order out and lists the jobs, in their order. An error: there is no such job.
  virtual void Jobs(JobOrder order, std::function<void(Result<std::vector<JobFigures>>)> done) = 0;
  // While ring epoch `epoch` moves keys: brings the key from its old owner. On this thread, as what
  // it calls.
  struct Pulling {
    // At the end: why not, or nothing, and the key is where commands find it.
    std::function<void(const std::string& error)> done;
    // Before, maybe. The new owner has a copy, and the old one still has its own.
    std::function<void()> copied;
    // The old owner serves reads until `end_reads`; that calls `ended` when all are answered.
    std::function<void()> read_old;
    std::function<void(std::function<void()> ended)> end_reads;
  };
  virtual void Pull(uint64_t epoch, uint32_t old_owner, int database, std::string key,
                    Pulling pulling) = 0;
  // Stops all transfers of keys while somebody has what `done` gets; they may not run between the
  // parts of a flush. An error: a transfer is in doubt. On this thread. Who has it must wait for
  // shards only: not for a key to arrive, nor for a lock, whose holder may wait for one.
  using TransferHold = std::shared_ptr<void>;
  virtual void HoldTransfers(std::function<void(Result<TransferHold>)> done) = 0;
  // An order of PROXY REBALANCE, in its words; `done` gets what to tell. On this thread.
  virtual void Rebalance(std::vector<std::string> words,
                         std::function<void(Result<std::string>)> done) = 0;
  // What there is to say of the state database, after a look at all of it if `verify`. On this
  // thread.
  virtual void Journal(bool verify, std::function<void(Result<std::string>)> done) = 0;
  // Reads the configuration again, as SIGHUP does; `done` gets what changed or what is wrong with
  // it. The client with the id `asker` gets its reply even if its user is gone with that. On this
  // thread.
  virtual void Reload(uint64_t asker, std::function<void(Result<std::string>)> done) = 0;

 protected:
  ~Proxy() = default;
};

}  // namespace ringmaster
