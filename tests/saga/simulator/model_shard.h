// A Redis server as a saga sees one: keys, and what the scripts of proxy/saga do to them, written
// again from their contract. It keeps a log of every write in the order in which it took effect,
// which is what the simulator's verdict rests on.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "saga/plan.h"
#include "saga/saga.h"

namespace ringmaster::sim {

// Mistakes on purpose in what is not a saga core: scripts, workers, connections.
struct Bugs {
  SagaBugs saga = {};
  bool skip_barrier = false;         // workers acknowledge a lock at once
  bool skip_fence = false;           // a new connection leaves its predecessor alone
  bool undo_ignores_prints = false;  // puts the image back over a later write
  bool step_ignores_marker = false;  // a step sent twice runs twice
  bool undo_leaves_no_mark = false;  // a late step runs after its undo
  bool execute_without_watch = false;
  bool unlock_ignores_keep = false;  // a dead shard's keys are given back
  bool home_without_watch = false;   // new values are carried home over whatever is there
  bool watch_after_fetch = false;    // what is written in between is not noticed
  bool lost_watch_ignored = false;   // carried home over the connection that came after the loss
  bool reads_not_checked = false;    // foreign keys that are only read may be anything
  bool old_copies_again = false;     // the second try uses what the first had fetched
};

using Value = std::optional<std::string>;  // nullopt: no such key

// A foreign key as it was read, and how often it had been written when its WATCH began.
struct FetchedKey {
  Value value;
  uint64_t version = 0;
};
using FetchedKeys = std::map<std::string, FetchedKey>;

struct Write {
  std::string key;
  Value value;
  SagaId saga = 0;  // 0: not part of one
};

class ModelShard {
 public:
  ModelShard(std::string name, const Bugs& bugs) : name_(std::move(name)), bugs_(bugs) { Boot(); }

  const std::string& name() const { return name_; }
  const std::string& run_id() const { return run_id_; }
  bool alive = true;
  bool paused = false;
  bool forgetful = false;  // remembers what it might forget in a restart

  Value Get(const std::string& key) const;
  void Set(const std::string& key, const std::string& value);

  StepOutcome Step(const SagaPlan& plan, size_t step, const std::vector<Value>& values);
  // AppendNativeSetStep: looks neither for a marker nor at what was there.
  StepOutcome SetNatively(const SagaPlan& plan, size_t step, const std::vector<Value>& values);
  StepOutcome Prepare(const SagaPlan& plan, size_t step);
  StepOutcome Execute(const SagaPlan& plan, size_t step, const std::vector<Value>& values);
  FetchedKeys Fetch(const std::vector<std::string>& keys) const;
  // A step of the phase after the execution: MULTI, STEP (nothing where only was read) and EXEC, on
  // the connection that watches these keys.
  StepOutcome CarryHome(const SagaPlan& plan, size_t step, const std::vector<Value>& values,
                        const FetchedKeys& watched);
  uint64_t version(const std::string& key) const;
  UndoOutcome Undo(const SagaPlan& plan, size_t step);
  void Cleanup(const SagaPlan& plan, size_t step, bool tombstone);

  // A new process with the same data; `keep`: or without the last steps of sagas for which it says
  // false, as a server that had not yet written them.
  template <typename Keep>
  void Restart(Keep keep) {
    while (!history_.empty() && history_.back().first != 0 && !keep(history_.back().first)) {
      state_ = std::move(history_.back().second);
      log_.resize(state_.log_size);
      history_.pop_back();
    }
    history_.clear();
    Boot();
  }

  const std::vector<Write>& log() const { return log_; }
  // Images, copies and markers that are no tombstones.
  std::string Remains() const;

 private:
  struct Marker {
    enum class State { kPrepared, kRan, kDone, kAborted } state = State::kAborted;
    std::vector<bool> had;  // empty: nobody looked
    std::vector<Value> prints;
    std::vector<uint64_t> versions;  // of the keys that the execution watches
    std::string marks;
  };
  struct State {
    std::map<std::string, std::string> data;
    std::map<std::string, std::string> images;
    std::map<std::string, Marker> markers;
    std::set<std::string> copies;
    std::map<std::string, uint64_t> versions;  // how often each key was written
    size_t log_size = 0;
  };

  void Boot() { run_id_ = name_ + "-" + std::to_string(++boots_); }
  void Remember(SagaId saga);
  void Put(const std::string& key, const Value& value);
  void Log(const std::string& key, const Value& value, SagaId saga);

  const std::string name_;
  const Bugs& bugs_;
  std::string run_id_;
  int boots_ = 0;
  State state_;
  std::vector<Write> log_;
  // What was before each of the last changes, and by which saga's step each was made (0: others).
  std::vector<std::pair<SagaId, State>> history_;
};

}  // namespace ringmaster::sim
