// What operators see of the process, as plain values of one moment: the source of /metrics and of
// the JSON pages. server/ fills it in; nothing here refers to anything that lives.
//
// Counts are since the start unless they say "now".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "metrics/metrics.h"

namespace ringmaster {

struct WorkerOverview {
  std::string index = {};
  uint64_t clients = 0;  // now
  uint64_t blocked = 0;  // now, waiting for data
  uint64_t paused = 0;   // now, held back by CLIENT PAUSE
  uint64_t accepted = 0;
  uint64_t closed = 0;
  uint64_t requests = 0;
  uint64_t in_flight = 0;  // now
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t error_replies = 0;
  uint64_t protocol_errors = 0;
  uint64_t slow_readers = 0;
  uint64_t standstills = 0;
  uint64_t idle_closed = 0;
  uint64_t memory_refused = 0;
  uint64_t buffer_bytes = 0;  // now
  uint64_t moved_in = 0;
  uint64_t pulled_in = 0;
  uint64_t moved_out = 0;
  uint64_t stayed = 0;      // ordered to move, and never quiet in time
  double busy_ratio = 0;    // over the last second
  double busy_seconds = 0;  // its loop was not asleep
  double cpu_seconds = 0;   // of its thread
  HistogramSnapshot latency = {};
};

struct CommandOverview {
  std::string name = {};  // "get", "client|setname"
  std::string kind = {};  // write, read, script, pubsub, admin or other
  uint64_t calls = 0;
  uint64_t failed = 0;
  uint64_t rejected = 0;
  uint64_t micros = 0;
  std::array<uint64_t, CommandMetrics::kBuckets> buckets{};  // as there
};

struct ShardOverview {
  std::string pool = {};
  std::string name = {};
  std::string address = {};
  bool in_ring = true;  // false: it left, or is about to
  bool failing = false;
  std::string role = {};           // as its server said last, in Redis's words
  double role_since_unix = 0;      // 0: it never said one
  uint64_t switches = 0;           // to another primary
  double asked_unix = 0;           // when it was last asked how it is; 0: nobody does
  std::string trouble = {};        // why it takes no writes, as it said then; empty: it does
  double ping_seconds = 0;         // then
  uint64_t replicas = 0;           // likewise, those that are up
  int64_t lag_bytes = 0;           // and of the one furthest behind
  bool short_of_replicas = false;  // it refused a write for that within the last minute
  std::string last_error = {};     // empty: healthy
  double share = 0;                // of the ring's positions
  uint64_t connections = 0;        // now
  uint64_t in_flight = 0;          // now
  uint64_t failures = 0;           // attempts to connect that failed, connections lost
  uint64_t requests = 0;
  uint64_t replies = 0;
  uint64_t bytes_out = 0;
  uint64_t bytes_in = 0;
  uint64_t connects = 0;
  uint64_t losses = 0;
  uint64_t timeouts = 0;
  uint64_t resent = 0;
  uint64_t not_applied = 0;
  uint64_t uncertain = 0;
  std::array<uint64_t, kShardRefusals> refusals{};  // by ShardRefusal
  HistogramSnapshot latency = {};
};

// "readonly", "loading", ...: as a label.
const char* NameOf(ShardRefusal refusal);

struct SagaOverview {
  static constexpr size_t kBuckets = 26;

  std::string pool = {};
  uint64_t started = 0;
  uint64_t committed = 0;
  uint64_t undone = 0;
  uint64_t uncertain = 0;
  uint64_t interfered = 0;
  uint64_t conflicts = 0;
  uint64_t poisoned = 0;
  uint64_t recovered = 0;
  uint64_t micros = 0;
  std::array<uint64_t, kBuckets> buckets{};  // n: took at most 2^n microseconds

  uint64_t running() const {
    const uint64_t answered = committed + undone + uncertain;
    return started > answered ? started - answered : 0;
  }
};

struct DonorOverview {
  std::string pool = {};
  std::string shard = {};
  bool swept = false;
  uint64_t keys = 0;
  uint64_t bytes = 0;
  uint64_t pulls = 0;
  uint64_t passes = 0;
  uint64_t scanned = 0;
  uint64_t largest = 0;
  std::vector<std::pair<std::string, double>> slowest = {};  // key and seconds
  uint64_t keys_left = 0;                                    // estimated, as the next
  uint64_t bytes_left = 0;
  std::string trouble = {};
};

// Keys are to move and do not: the move was refused and is tried again.
inline constexpr char kWaitingState[] = "waiting";

struct RebalanceOverview {
  std::string pool = {};
  std::string state = {};  // stable, preparing, switching, moving, settling, kWaitingState
  uint64_t epoch = 0;
  double share_moving = 0;  // of the ring's positions
  bool paused = false;
  std::string refused = {};      // why the last attempt came to nothing
  std::string other_proxy = {};  // who else works with the shards
  double seconds = 0;            // the move under way has taken
  uint64_t keys = 0;             // of all moves so far, as the three below
  uint64_t bytes = 0;
  uint64_t pulls = 0;
  uint64_t moves = 0;  // finished
  uint64_t freezes = 0;
  double last_freeze_seconds = 0;
  double longest_freeze_seconds = 0;
  std::string last_moved = {};
  std::string safe_to_stop = {};
  std::vector<DonorOverview> donors = {};  // while keys move
  uint64_t keys_left = 0;                  // of the move under way, estimated, as the two below
  uint64_t bytes_left = 0;
  double seconds_left = 0;  // at its rate so far

  bool waiting() const { return state == kWaitingState; }
  bool moving() const { return state != "stable" && !waiting(); }
};

struct JobOverview {
  uint64_t id = 0;
  std::string name = {};
  std::string state = {};
  uint64_t place = 0;
  double age_seconds = 0;
  uint64_t done = 0;
  uint64_t total = 0;  // 0: not known
  uint64_t steps = 0;
  double rate = 0;
  double left_seconds = -1;  // below zero: not known
};

struct BackgroundOverview {
  double pace = 1;  // share of the time that it may take now
  double step_seconds = 0;
  uint64_t submitted = 0;
  uint64_t steps = 0;
  std::vector<JobOverview> jobs = {};

  uint64_t waiting() const { return jobs.size(); }
  double oldest_seconds() const { return jobs.empty() ? 0 : jobs.front().age_seconds; }
};

// One that is open now.
struct OpenSagaOverview {
  std::string pool = {};
  std::string id = {};
  std::string command = {};
  std::string state = {};
  double age_seconds = 0;
  bool poisoned = false;
  bool recovered = false;
  uint64_t steps = 0;
  std::vector<std::string> notes = {};
};

struct JournalOverview {
  bool open = false;
  std::string why_not = {};
  std::string trouble = {};
  uint64_t records = 0;
  uint64_t transactions = 0;
  uint64_t failures = 0;
};

struct Overview {
  std::string version = {};
  std::string run_id = {};
  std::string config_file = {};
  int64_t pid = 0;
  double started_unix = 0;
  double uptime_seconds = 0;
  double cpu_seconds = 0;  // of the process
  uint64_t resident_bytes = 0;
  uint64_t open_files = 0;
  uint64_t max_clients = 0;
  uint64_t clients_refused = 0;
  uint64_t reloads = 0;
  uint64_t reloads_refused = 0;
  bool serving = true;  // false: stopping
  std::vector<WorkerOverview> workers = {};
  std::vector<CommandOverview> commands = {};  // those that were called
  std::vector<ShardOverview> shards = {};
  std::vector<SagaOverview> sagas = {};            // by pool
  std::vector<RebalanceOverview> rebalances = {};  // by pool
  std::vector<OpenSagaOverview> open_sagas = {};   // where they were asked for
  BackgroundOverview background;
  JournalOverview journal;
};

}  // namespace ringmaster
