// Connections between a proxy and model shards: requests are delivered in their order and late,
// also after the proxy has given the connection up, until the shard has been told to close it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "saga/simulator/clock.h"
#include "saga/simulator/model_shard.h"

namespace ringmaster::sim {

struct Reply {
  StepOutcome step = StepOutcome::kLost;
  UndoOutcome undo = UndoOutcome::kLost;
  Value value = {};
  FetchedKeys fetched = {};
};

struct Link {  // between the proxies and one shard
  bool holds_requests = false;
  bool holds_replies = false;
  bool refuses = false;  // new connections
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Run = std::function<Reply(ModelShard&)>;
  using Done = std::function<void(std::optional<Reply>)>;

  Connection(Clock& clock, ModelShard& shard, Link& link, uint64_t process, int slot)
      : process(process),
        slot(slot),
        run_id(shard.run_id()),
        clock_(clock),
        shard_(shard),
        link_(link) {}

  const uint64_t process;
  const int slot;  // who uses it: a connection replaces the one before it in its slot
  const std::string run_id;

  // `done` gets the reply, or nothing when the connection is lost before it came. Later, never at
  // once.
  void Send(Run run, Done done);
  bool open() const { return proxy_open_; }
  ModelShard& shard() { return shard_; }
  // Idle for the proxy: nothing of its own is under way.
  bool idle() const { return asked_.empty(); }
  // The proxy gives it up, or learns that it is gone. What was sent may still be delivered.
  void CloseAtProxy();
  // The shard closes it: nothing more is delivered.
  void CloseAtShard() { shard_open_ = false; }
  bool closed_at_shard() const { return !shard_open_; }
  // What the proxy's process does not live to see.
  void Abandon();
  std::function<void()> on_loss;

 private:
  struct Request {
    uint64_t number;
    Run run;
    bool zombie;
  };
  void Pump();
  void Answer(uint64_t number, Reply reply);

  Clock& clock_;
  ModelShard& shard_;
  Link& link_;
  bool proxy_open_ = true;
  bool shard_open_ = true;
  bool pumping_ = false;
  uint64_t last_ = 0;
  Duration next_arrival_{};
  Duration next_reply_{};
  std::deque<Request> in_flight_;
  std::deque<std::pair<uint64_t, Done>> asked_;
};

}  // namespace ringmaster::sim
